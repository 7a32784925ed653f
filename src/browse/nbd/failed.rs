//! Why a request cannot be done, as far as its client is told.

use super::wire::error;
use rustix::io::Errno;
use std::io;

/// Why a request cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// What it is about cannot be read or written.
    Io,
    /// There is no room for what it writes.
    NoSpace,
}

impl Failed {
    /// The number on the wire.
    pub const fn number(self) -> u32 {
        match self {
            Self::Io => error::IO,
            Self::NoSpace => error::NOSPC,
        }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Self::NoSpace,
            _ => Self::Io,
        }
    }
}
