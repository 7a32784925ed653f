//! What a restore changes in its target: one row for each entry, told as it is found.

use esker_format::node::NodeKind;

/// What happens to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It was not there.
    Add,
    /// It was there and differed.
    Change(What),
    /// It was there, and the snapshot does not have it.
    Delete,
}

/// In what an entry differed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// In its kind: a file where there was a directory, perhaps.
    Kind,
    /// In its content, or in what it points to.
    Content,
    /// In owner, mode, time or attributes alone.
    Metadata,
    /// In which names are the same file.
    Links,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Change<'c> {
    /// What happens.
    pub action: Action,
    /// To what kind of thing: as it will be, or as it was when it is deleted.
    pub kind: Option<NodeKind>,
    /// The path on disk.
    pub path: &'c [u8],
}

/// How many entries of each sort there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Made where nothing was.
    pub added: u64,
    /// Replaced or corrected.
    pub changed: u64,
    /// As they were saved, already.
    pub unchanged: u64,
    /// Left as they are, though they may differ, because that was asked for.
    pub kept: u64,
    /// Removed.
    pub deleted: u64,
    /// Bytes of content that came from the repository.
    pub fetched: u64,
}
