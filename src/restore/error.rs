//! Why a restore could not begin or not go on.

use super::tree::TreeError;

/// The result of a restore.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a restore could not begin or not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Store, index or snapshot.
    #[error(transparent)]
    Repository(#[from] crate::repository::Error),
    /// The target: unusable, or full.
    #[error(transparent)]
    Target(#[from] TreeError),
    /// The disk that is written.
    #[error(transparent)]
    Disk(#[from] crate::disk::Error),
    /// Directories could not be exchanged.
    #[error(transparent)]
    Swap(#[from] super::swap::SwapError),
}
