//! The turn of one collection: its session, and a lock that tells the next one on this machine
//! whether it was killed. What a killed one has put need not wait for its silence.

use esker_format::ids::SessionId;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

const PREFIX: &str = "gc-";
const SUFFIX: &str = ".lock";

/// The turn of a collection.
pub struct Turn {
    /// The session of what it puts.
    pub session: SessionId,
    lock: Option<Lock>,
}

/// A lock that the system lets go when the process ends, in whatever way. Its file stays unless
/// the turn has come to its end.
struct Lock {
    file: File,
    path: PathBuf,
}

impl Turn {
    /// Begins a turn; `folder` is where the caches of the repository lie.
    pub fn begin(folder: &Path, session: SessionId) -> Self {
        Self { session, lock: make(folder, session) }
    }

    /// Ends it: nothing that it has put is left without a name in the log.
    pub fn end(self) {
        if let Some(Lock { file, path }) = self.lock {
            // A file that stays is taken for a killed collection, which does no harm.
            let _ = std::fs::remove_file(path);
            drop(file);
        }
    }

    /// Sessions of collections of this machine that were killed, each with what keeps others from
    /// finding it too.
    pub fn killed(folder: &Path) -> Vec<Turn> {
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let found = entries.filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
            let session: SessionId = digits.parse().ok()?;
            take(folder.join(&name)).map(|lock| Turn { session, lock: Some(lock) })
        });
        found.collect()
    }
}

/// Makes a file that is locked; none when that cannot be had here. It gets its name when it is: a
/// file that nobody holds is that of a killed collection.
fn make(folder: &Path, session: SessionId) -> Option<Lock> {
    let path = folder.join(format!("{PREFIX}{session}{SUFFIX}"));
    let made = tempfile::Builder::new().prefix(".gc-").tempfile_in(folder).ok()?;
    flock(&made, FlockOperation::NonBlockingLockExclusive).ok()?;
    let file = made.persist_noclobber(&path).ok()?;
    Some(Lock { file, path })
}

/// Takes the lock of a file that is there; none when somebody has it, or had it until now and has
/// come to the end of its turn.
fn take(path: PathBuf) -> Option<Lock> {
    use std::os::unix::fs::MetadataExt;
    let file = OpenOptions::new().write(true).open(&path).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    let is_named = file.metadata().ok()?.nlink() > 0;
    is_named.then_some(Lock { file, path })
}
