//! Giving back what was saved.

/// Why a restore ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading failed.
    #[error(transparent)]
    Repository(#[from] crate::repository::Error),
}
