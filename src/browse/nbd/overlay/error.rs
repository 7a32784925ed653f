//! Why an overlay cannot be used.

use std::io;
use std::path::PathBuf;

/// Why an overlay cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// The system says no.
    #[error("overlay {}: {source}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is no overlay of esker", path.display())]
    Strange {
        /// The file.
        path: PathBuf,
    },
    /// It was made over something else.
    #[error("{} lies over {of}, and not over this", path.display())]
    OfAnother {
        /// The file.
        path: PathBuf,
        /// What it lies over.
        of: String,
    },
    /// Its bytes are not as they were written.
    #[error("overlay {} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// Another server uses it.
    #[error("{} is in use by another server", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Its map would not fit.
    #[error("{size} bytes are too many for an overlay")]
    TooLarge {
        /// Bytes of the device.
        size: u64,
    },
}
