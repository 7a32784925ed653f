//! Why a run made no snapshot.

use crate::source::{FeedError, RootError, Roots};
use std::path::PathBuf;

/// The result of a run.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a run made no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The paths contradict each other.
    #[error(transparent)]
    Roots(#[from] RootError),
    /// None of the paths is there, or all are left out: each, and why.
    #[error("nothing to save: {}", list(.0))]
    NothingToSave(Vec<(PathBuf, String)>),
    /// A snapshot cannot have so much of this.
    #[error("{what} has {size} {unit}; a snapshot can have {limit}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        size: usize,
        /// How much there can be.
        limit: usize,
        /// Of what.
        unit: &'static str,
    },
    /// A stream did not come to a good end.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// Nobody can read a stream twice.
    #[error("the run would have to start over, and a stream cannot be read again: {0}")]
    ReadOnce(Box<crate::repository::Error>),
    /// Store, log or index failed.
    #[error(transparent)]
    Repository(#[from] crate::repository::Error),
}

impl From<esker_format::FormatError> for Error {
    fn from(error: esker_format::FormatError) -> Self {
        Self::Repository(error.into())
    }
}

impl Error {
    /// That nothing is left of what was asked for.
    pub(super) fn nothing_to_save(roots: &Roots) -> Self {
        let missing = roots.missing.iter().map(|(path, error)| (path.clone(), error.to_string()));
        let left_out = roots.left_out.iter().map(|(path, why)| (path.clone(), why.text().into()));
        Self::NothingToSave(missing.chain(left_out).collect())
    }
}

/// The first of many.
fn list(missing: &[(PathBuf, String)]) -> String {
    const SHOWN: usize = 10;
    let one = |(path, why): &(PathBuf, String)| format!("{}: {why}", path.display());
    let mut all: Vec<String> = missing.iter().take(SHOWN).map(one).collect();
    if missing.len() > SHOWN {
        all.push(format!("and {} more", missing.len() - SHOWN));
    }
    all.join("; ")
}
