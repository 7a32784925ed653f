//! Why a log is not to be trusted with anything new: it is not the one that was seen before.

use crate::repository::state::Head;
use esker_format::ids::EntryHash;
use std::fmt;

/// How a log differs from what this machine has seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It ends before.
    Shorter {
        /// What was seen.
        seen: Head,
        /// Where it ends.
        end: Head,
    },
    /// It has another entry in that place, or others before it.
    Other {
        /// What was seen.
        seen: Head,
        /// What is there.
        found: EntryHash,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |hash: &EntryHash| hash.to_string()[..16].to_owned();
        match self {
            Self::Shorter { seen, end } => write!(
                f,
                "entry {} ({}) was seen here before, and the log ends with entry {} ({})",
                seen.seq,
                short(&seen.entry),
                end.seq,
                short(&end.entry)
            ),
            Self::Other { seen, found } if *found == seen.entry => write!(
                f,
                "entry {} ({}) is as it was seen here before, and what is before it is not",
                seen.seq,
                short(&seen.entry),
            ),
            Self::Other { seen, found } => write!(
                f,
                "entry {} was {} when it was seen here before, and is {} now",
                seen.seq,
                short(&seen.entry),
                short(found)
            ),
        }
    }
}
