//! What can go wrong below a target, and what it means for the rest of a restore.

use esker_format::error::FormatError;
use esker_format::path::MapKey;
use rustix::io::Errno;
use std::io;

/// One thing that could not be made, or not be made as it was.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {:?}", String::from_utf8_lossy(path))]
pub struct TreeError {
    /// The path in the snapshot, or the target itself when it cannot be used.
    pub path: Vec<u8>,
    /// What was being done to it.
    pub operation: &'static str,
    /// Why it failed.
    #[source]
    pub cause: Cause,
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The system refused.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The snapshot asks for something that must not or cannot be.
    #[error(transparent)]
    Refused(#[from] FormatError),
    /// One extended attribute could not be set.
    #[error("extended attribute {:?}", String::from_utf8_lossy(name))]
    Xattr {
        /// Its name.
        name: Vec<u8>,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The target has entries already.
    #[error("it is not empty")]
    NotEmpty,
    /// A directory that has something in it is where something else should be.
    #[error("a directory that is not empty is in its place; --delete removes it")]
    InTheWay,
    /// Another file system begins there.
    #[error("something is mounted there, and nothing is deleted across a mount")]
    Mounted,
    /// Somebody changed it while it was being restored.
    #[error("somebody changed it in the meantime; run the restore again")]
    Changed,
}

/// What a failure means for the rest of the restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The file system or the quota is full: going on would fail for every file.
    NoSpace,
    /// The file system is read-only: going on would fail for every file.
    ReadOnly,
    /// It takes a privilege that this process does not have.
    NotPermitted,
    /// This file system cannot hold such a thing.
    Unsupported,
    /// A parent is missing or is no directory (a symlink, perhaps) and was not followed.
    Obstructed,
    /// Something is there already.
    Exists,
    /// The snapshot asks for a name, number or time that must not or cannot be.
    Refused,
    /// Anything else, for this one path.
    Other,
}

/// The result of working below a target.
pub type Result<T> = std::result::Result<T, TreeError>;

/// A step whose failure is not yet tied to a path.
pub(super) type Attempt<T> = std::result::Result<T, Cause>;

impl TreeError {
    pub(super) fn new(key: &MapKey, operation: &'static str, cause: impl Into<Cause>) -> Self {
        Self { path: key.path(), operation, cause: cause.into() }
    }

    /// Something that stays where something else should be.
    pub(in crate::restore) fn in_the_way(key: &MapKey, cause: Cause) -> Self {
        Self::new(key, "replace", cause)
    }

    /// What this means for the rest of the restore.
    pub fn kind(&self) -> Kind {
        match &self.cause {
            Cause::System(error) => kind_of(error),
            // ext4 answers "no space" for an attribute that does not fit beside the inode, on a
            // disk with any amount of room.
            Cause::Xattr { source, .. } => match kind_of(source) {
                Kind::NoSpace => Kind::Unsupported,
                kind => kind,
            },
            Cause::Refused(_) => Kind::Refused,
            Cause::NotEmpty | Cause::InTheWay => Kind::Exists,
            Cause::Changed | Cause::Mounted => Kind::Other,
        }
    }

    /// Whether every further file would fail in the same way.
    pub fn stops(&self) -> bool {
        matches!(self.kind(), Kind::NoSpace | Kind::ReadOnly)
    }
}

fn kind_of(error: &io::Error) -> Kind {
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT) => Kind::NoSpace,
        Some(Errno::ROFS) => Kind::ReadOnly,
        Some(Errno::PERM | Errno::ACCESS) => Kind::NotPermitted,
        Some(Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK | Errno::FBIG) => Kind::Unsupported,
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Kind::Obstructed,
        Some(Errno::EXIST) => Kind::Exists,
        _ => Kind::Other,
    }
}

impl From<Errno> for Cause {
    fn from(errno: Errno) -> Self {
        Self::System(errno.into())
    }
}

/// The cause for a value that no decoder should have let through.
pub(in crate::restore) fn refused(what: &'static str, why: &'static str) -> Cause {
    Cause::Refused(FormatError::Malformed { what, why })
}
