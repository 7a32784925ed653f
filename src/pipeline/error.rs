//! Why a run made no snapshot.

use crate::source::RootError;
use std::path::PathBuf;

/// The result of a run.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a run made no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The paths contradict each other.
    #[error(transparent)]
    Roots(#[from] RootError),
    /// None of the paths is there.
    #[error("nothing to save: {}", list(.0))]
    NothingToSave(Vec<(PathBuf, std::io::Error)>),
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
    /// Store, log or index failed.
    #[error(transparent)]
    Repository(#[from] crate::repository::Error),
}

impl From<esker_format::FormatError> for Error {
    fn from(error: esker_format::FormatError) -> Self {
        Self::Repository(error.into())
    }
}

fn list(missing: &[(PathBuf, std::io::Error)]) -> String {
    let one = |(path, error): &(PathBuf, std::io::Error)| format!("{}: {error}", path.display());
    missing.iter().map(one).collect::<Vec<_>>().join("; ")
}
