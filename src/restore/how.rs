//! How a restore treats what is in the target already, and which part of a snapshot it takes.

use super::filter::Filter;
use super::scope::Guarded;
use super::tree::RunId;

/// Which of the files that are there are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// All that differ; contents are compared even where length and time are equal.
    Always,
    /// Those whose kind, length or time differ, or whose metadata do.
    #[default]
    IfChanged,
    /// Those that are older than the ones of the snapshot.
    IfNewer,
    /// None.
    Never,
}

/// Whom restored things belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Owner {
    /// The user and group that have the names here; the numbers where nobody has.
    #[default]
    Names,
    /// The numbers.
    Ids,
}

/// How to restore.
#[derive(Debug, Default)]
pub struct How {
    /// Which of the files that are there are replaced.
    pub overwrite: Overwrite,
    /// Write into files that are there, also where they are small or have further names.
    pub in_place: bool,
    /// Remove what the snapshot does not have, in directories that it has as a whole.
    pub delete: bool,
    /// Change nothing, and say what would be changed.
    pub dry_run: bool,
    /// Read every file again from disk afterwards.
    pub verify: bool,
    /// Which entries.
    pub filter: Filter,
    /// Whom they belong to.
    pub owner: Owner,
    /// The number of the run, when somebody has to know it beforehand.
    pub run: Option<RunId>,
    /// What is not touched wherever it lies: the repository, the cache, the key file.
    pub guarded: Vec<Guarded>,
}
