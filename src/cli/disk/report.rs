//! What came of writing a disk.

use crate::cli::show;
use crate::disk::{Twin, Written};
use serde::Serialize;
use std::io::Write;

/// A range of bytes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Range {
    /// The first byte.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

impl From<&std::ops::Range<u64>> for Range {
    fn from(range: &std::ops::Range<u64>) -> Self {
        Self { offset: range.start, length: range.end - range.start }
    }
}

/// What came of it, as JSON; for people, the same in words.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// What was written.
    pub target: String,
    /// Whether nothing was.
    pub dry_run: bool,
    /// Bytes that are as they should be now.
    pub bytes: u64,
    /// Bytes written.
    pub written: u64,
    /// Bytes made zero.
    pub zeroed: u64,
    /// Bytes that were right before.
    pub unchanged: u64,
    /// Bytes that were read back from the disk.
    pub verified: Option<u64>,
    /// Where the disk does not have what was written.
    pub differing: Vec<Range>,
    /// Whether the second copy of the GPT was moved to the end of the disk.
    pub gpt_moved: bool,
    /// Ids that other disks here have too.
    pub also_here: Vec<ShownTwin>,
}

/// An id that another disk has too.
#[derive(Debug, Serialize)]
pub struct ShownTwin {
    id: String,
    device: String,
}

impl Shown {
    /// What is known before anything is read back.
    pub fn new(
        target: String,
        dry_run: bool,
        bytes: u64,
        written: Written,
        twins: Vec<Twin>,
    ) -> Self {
        let Written { written, zeroed, same } = written;
        Self {
            target,
            dry_run,
            bytes,
            written,
            zeroed,
            unchanged: same,
            verified: None,
            differing: Vec::new(),
            gpt_moved: false,
            also_here: twins
                .into_iter()
                .map(|Twin { id, device }| ShownTwin { id, device })
                .collect(),
        }
    }
}

/// Says where a disk does not have what was written.
pub fn tell_differing(target: &str, differing: &[Range]) {
    for Range { offset, length } in differing {
        show::error(&format!(
            "{target} is not as it was written, in {length} bytes from {offset} on"
        ));
    }
}

/// The same for people. `what` is what was done, as in `copied ... to`.
pub fn print(shown: &Shown, what: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if let Some(bytes) = shown.verified {
        writeln!(out, "read back from disk: {}", show::size(bytes))?;
    }
    if shown.gpt_moved {
        writeln!(out, "moved the second copy of the GPT to the end of {}", shown.target)?;
    }
    let would = if shown.dry_run { "would be " } else { "" };
    writeln!(
        out,
        "{what} {}: {would}{} written, {} made zero, {} as it was",
        shown.target,
        show::size(shown.written),
        show::size(shown.zeroed),
        show::size(shown.unchanged),
    )
}
