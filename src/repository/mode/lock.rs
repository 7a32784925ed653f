//! One run at a time on the machine that may write.

use crate::repository::error::{Error, Result};
use esker_format::ids::RepositoryId;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::path::Path;

/// A lock that the system lets go when the process ends, in whatever way. Its file stays.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a repository; `state` is the state folder.
    ///
    /// # Errors
    /// [`Error::Busy`] when another run has it, or when the folder cannot be used.
    pub fn take(state: &Path, repository: RepositoryId) -> Result<Self> {
        let path = state.join("lock").join(repository.to_string());
        let shown = || path.display().to_string();
        let failed = |source| Error::Io { action: "lock", path: shown(), source };
        let file = open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(Error::Busy { path: shown() }),
            // Without locks nothing would keep two runs apart.
            Err(e) => Err(failed(e.into())),
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}
