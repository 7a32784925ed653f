//! Runs of this machine that were killed, found by the locks that they do not hold any more.

use esker_format::ids::{PackId, SessionId};
use rusqlite::Connection;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

/// Runs whose packs are taken over, newest first: each has a file that is held open meanwhile.
const RUNS_MAX: usize = 200;

/// A run that ended before its snapshot was in the table.
pub struct DeadRun {
    pub(super) number: i64,
    pub(super) source: i64,
    /// Its session.
    pub session: SessionId,
    /// Packs that it may have uploaded, and their lengths.
    pub packs: Vec<(PackId, u64)>,
    /// Held, so that no other run takes it for dead as well.
    _lock: Lock,
}

/// The lock of a run, which the system lets go when the run ends in whatever way.
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock of a session; none when somebody has it or it cannot be had.
    pub(super) fn take(table: &Path, session: &SessionId) -> Option<Self> {
        let path = table.with_file_name(format!("run-{session}.lock"));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).ok()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        Some(Self { file, path })
    }

    /// Removes it with its file, as there is nothing left to be taken over.
    pub(super) fn remove(self) {
        // A file that stays is harmless: nobody looks for it.
        let _ = std::fs::remove_file(&self.path);
        drop(self.file);
    }
}

impl DeadRun {
    pub(super) fn forget(self) {
        self._lock.remove();
    }
}

pub(super) fn dead(connection: &Connection, table: &Path) -> rusqlite::Result<Vec<DeadRun>> {
    let mut query = connection
        .prepare("SELECT no, source, session FROM run WHERE done = 0 ORDER BY no DESC LIMIT ?1")?;
    let runs: Vec<(i64, i64, [u8; 16])> = query
        .query_map([RUNS_MAX as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut packs_of = connection.prepare("SELECT id, len FROM pack WHERE run = ?1")?;
    let mut found = Vec::new();
    for (number, source, session) in runs {
        let session = SessionId::new(session);
        let Some(lock) = Lock::take(table, &session) else { continue };
        let pack =
            |row: &rusqlite::Row<'_>| Ok((PackId::new(row.get(0)?), row.get::<_, i64>(1)? as u64));
        let packs = packs_of.query_map([number], pack)?.collect::<rusqlite::Result<_>>()?;
        found.push(DeadRun { number, source, session, packs, _lock: lock });
    }
    Ok(found)
}
