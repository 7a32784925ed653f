//! Why a copy is not made, as data.

use crate::store::StoreError;
use esker_format::FormatError;
use esker_format::ids::RepositoryId;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nothing to copy.
    #[error("{location} holds no esker repository")]
    NoRepository {
        /// Where it was looked for.
        location: String,
    },
    /// The source and the copy are one place.
    #[error("{location} is the repository itself")]
    Same {
        /// Where it is.
        location: String,
    },
    /// Something is at the destination that is not marked as a copy.
    #[error("{location} is not empty, and not marked as a copy: it holds {what}")]
    NotACopy {
        /// Where it is.
        location: String,
        /// The first object there.
        what: String,
    },
    /// A place was to be taken into service that is not marked as a copy.
    #[error("{location} is not marked as a copy: there is nothing to take into service")]
    NotMarked {
        /// Where it is.
        location: String,
    },
    /// It is a copy of another repository.
    #[error("{location} is a copy of repository {there}, and this one is {here}")]
    OtherRepository {
        /// Where it is.
        location: String,
        /// The repository of which it is a copy.
        there: RepositoryId,
        /// The repository at hand.
        here: RepositoryId,
    },
    /// The logs differ where both have an entry.
    #[error("{object} is another one in {location}: the histories went apart")]
    Diverged {
        /// The first entry that is known to differ.
        object: String,
        /// Where the copy is.
        location: String,
    },
    /// The copy has what the source has not.
    #[error("{location} has {object}, and the repository does not: was it rolled back?")]
    Longer {
        /// Where the copy is.
        location: String,
        /// The last entry of the copy.
        object: String,
    },
    /// An object by which histories are compared is damaged.
    #[error("{object} in {location} is damaged")]
    Damaged {
        /// Its name.
        object: String,
        /// The store that it is in.
        location: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// Objects went away again and again while they were copied.
    #[error("the repository was collected again and again while it was copied ({times} times)")]
    Restless {
        /// How often it was listed.
        times: u32,
    },
    /// The log of a copy has a gap.
    #[error("{location} is an unfinished copy: {object} is missing, and {later} is there")]
    Unfinished {
        /// Where it is.
        location: String,
        /// The first entry that is not there.
        object: String,
        /// The first one that is there behind it.
        later: String,
    },
    /// The run was asked to stop.
    #[error("stopped by a signal")]
    Interrupted,
}
