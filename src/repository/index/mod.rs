//! The index database: where chunks are, without asking the store. A cache: deleting it changes
//! nothing, and what it says is checked wherever it matters (every chunk by its id when read).
//!
//! One SQLite file for each repository and location. Rows and the log position that they stand
//! for move in one transaction, so that a crash leaves an older but true index.

mod files;
mod load;
mod lookup;
mod row;
mod schema;

pub use files::{
    DeadRun, Files, Journal, Leaf, LeafReader, Leaves, NewLeaf, OpenLeaf, SourceKey, Standing,
};
pub use lookup::{KnownPack, Location, Lookup};

use crate::repository::error::{Error, Result};
use crate::repository::presence::Presence;
use crate::repository::state::State;
use esker_format::cbor;
use esker_format::checkpoint::{PackRow, SnapshotRow};
use esker_format::ids::SegmentId;
use esker_format::key::VerificationKey;
use esker_format::segment::{Prefix, SegmentPack};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// An open index database.
pub struct Index {
    connection: Connection,
    path: PathBuf,
    /// Set where the cache folder cannot be written: its folder, which goes with the run.
    _temporary: Option<TempDir>,
    /// What the database holds of the state, so that only what is new is written.
    saved: Saved,
}

#[derive(Default, Clone, Copy)]
struct Saved {
    packs: usize,
    snapshots: usize,
}

impl Index {
    /// Opens the database at `path`; where that cannot be written, one that ends with the run.
    ///
    /// # Errors
    /// When no folder of this machine takes a database.
    pub fn open(path: &Path) -> Result<Self> {
        match schema::open_file(path) {
            Some(connection) => {
                let saved = Saved::default();
                Ok(Self { connection, path: path.to_owned(), _temporary: None, saved })
            }
            None => Self::temporary(path),
        }
    }

    /// Opens an empty one in place of this one, which has failed: where it was when its file is
    /// damaged, and one that ends with the run when it is the place that fails.
    ///
    /// # Errors
    /// When no folder of this machine takes a database.
    pub fn renew(&mut self, failure: &Error) -> Result<()> {
        let failed = std::mem::replace(self, Self::temporary(&self.path)?);
        if is_damage(failure) && failed._temporary.is_none() {
            let path = failed.path.clone();
            drop(failed);
            schema::remove(&path);
            *self = Self::open(&path)?;
        }
        Ok(())
    }

    /// An empty one that ends with the run, in place of the one at `path`.
    fn temporary(path: &Path) -> Result<Self> {
        let saved = Saved::default();
        // A folder that nobody else can enter or foresee, as many share the one that it is in.
        for folder in [std::env::temp_dir(), PathBuf::from("/dev/shm")] {
            let Ok(folder) = tempfile::Builder::new().prefix("esker-index-").tempdir_in(folder)
            else {
                continue;
            };
            let path = folder.path().join("index.sqlite");
            if let Some(connection) = schema::open_file(&path) {
                return Ok(Self { connection, path, _temporary: Some(folder), saved });
            }
        }
        Err(Error::Io {
            action: "write an index database at",
            path: path.display().to_string(),
            source: std::io::Error::other("neither there nor in a temporary folder"),
        })
    }

    /// The state that the rows stand for; that before the first entry when there is none, or it
    /// cannot be read or is that of another owner.
    ///
    /// # Errors
    /// When the database fails.
    pub fn load(&mut self, owner: VerificationKey) -> Result<State> {
        match load::state(&self.connection) {
            Ok(Some(state)) if state.owner == owner => {
                self.saved = Saved { packs: state.packs.len(), snapshots: state.snapshots.len() };
                return Ok(state);
            }
            Ok(None) => {}
            // Rows without the state that they stand for mean nothing.
            Ok(Some(_)) | Err(_) => self.clear()?,
        }
        Ok(State::new(owner))
    }

    /// Forgets everything, because the log has another history.
    ///
    /// # Errors
    /// When the database fails.
    pub fn clear(&mut self) -> Result<()> {
        self.saved = Saved::default();
        schema::clear(&self.connection).map_err(|e| self.failed(e))
    }

    /// Begins to write the packs of a run. Nothing of it counts before [`Update::save`].
    ///
    /// # Errors
    /// When the database fails.
    pub fn update(&mut self) -> Result<Update<'_>> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(|e| self.failed(e))?;
        Ok(Update { index: self, done: false })
    }

    /// The segments whose packs are in the rows.
    ///
    /// # Errors
    /// When the database fails.
    pub fn segments(&self) -> Result<HashSet<SegmentId>> {
        self.connection
            .prepare_cached("SELECT id FROM segment")
            .and_then(|mut s| s.query_map([], |row| row.get(0).map(SegmentId::new))?.collect())
            .map_err(|e| self.failed(e))
    }

    /// Whether the directory of a pack is in the rows.
    ///
    /// # Errors
    /// When the database fails.
    pub fn has_pack(&self, ordinal: u32) -> Result<bool> {
        self.connection
            .prepare_cached("SELECT 1 FROM directory WHERE pack = ?1")
            .and_then(|mut s| s.query_row([ordinal], |_| Ok(())).optional())
            .map(|found| found.is_some())
            .map_err(|e| self.failed(e))
    }

    /// A connection of its own for look-ups on any thread.
    ///
    /// # Errors
    /// When the database fails.
    pub fn lookup(&self, presence: Arc<Presence>) -> Result<Lookup> {
        Lookup::open(&self.path, presence)
    }

    /// Whether no chunk is known.
    ///
    /// # Errors
    /// When the database fails.
    pub fn is_empty(&self) -> Result<bool> {
        self.connection
            .query_row("SELECT 1 FROM chunk LIMIT 1", [], |_| Ok(()))
            .optional()
            .map(|row| row.is_none())
            .map_err(|e| self.failed(e))
    }

    fn failed(&self, error: rusqlite::Error) -> Error {
        database(&self.path, error)
    }
}

/// Rows being written; rolled back when dropped.
pub struct Update<'i> {
    index: &'i mut Index,
    done: bool,
}

impl Update<'_> {
    /// Adds packs and their chunks. `ordinals` are those of the packs, in the same order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_packs(&mut self, packs: &[(u32, &SegmentPack)]) -> Result<()> {
        let mut rows: Vec<(i64, i64)> = Vec::new();
        for (ordinal, pack) in packs {
            let keys = pack.chunks.iter().map(|(prefix, _)| key(prefix, *ordinal));
            rows.extend(keys);
        }
        // Ascending keys fill leaves in turn: half the time and two thirds of the size.
        rows.sort_unstable();
        let run = || -> rusqlite::Result<()> {
            let connection = &self.index.connection;
            let mut directory = connection
                .prepare_cached("INSERT OR REPLACE INTO directory(pack, row) VALUES(?1, ?2)")?;
            for (ordinal, pack) in packs {
                let row = esker_format::segment::encode(std::slice::from_ref(*pack));
                directory.execute(params![ordinal, row::seal(*ordinal, row)])?;
            }
            let mut chunk =
                connection.prepare_cached("INSERT OR IGNORE INTO chunk(k, v) VALUES(?1, ?2)")?;
            let mut further =
                connection.prepare_cached("INSERT OR IGNORE INTO further(k, v) VALUES(?1, ?2)")?;
            for (k, v) in rows {
                if chunk.execute([k, v])? == 0 {
                    further.execute([k, v])?;
                }
            }
            Ok(())
        };
        run().map_err(|e| database(&self.index.path, e))
    }

    /// Notes that the packs of a segment are in the rows.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_segment(&mut self, id: &[u8; 32]) -> Result<()> {
        self.index
            .connection
            .execute("INSERT OR IGNORE INTO segment(id) VALUES(?1)", [id])
            .map(|_| ())
            .map_err(|e| self.index.failed(e))
    }

    /// Makes the rows count, together with the state that they stand for.
    ///
    /// # Errors
    /// When the database fails.
    pub fn save(mut self, state: &State) -> Result<()> {
        let run = || -> rusqlite::Result<bool> {
            let connection = &self.index.connection;
            // Another run with this cache may have read further, and the index is never wound
            // back: rows of packs are as true for its state as for ours.
            let is_newer = state.head.map(|head| head.seq) > load::position(connection)?;
            if is_newer {
                save_state(connection, state, self.index.saved)?;
            }
            connection.execute_batch("COMMIT")?;
            Ok(is_newer)
        };
        let is_newer = run().map_err(|e| database(&self.index.path, e))?;
        self.done = true;
        if is_newer {
            self.index.saved = Saved { packs: state.packs.len(), snapshots: state.snapshots.len() };
        }
        Ok(())
    }
}

impl Drop for Update<'_> {
    fn drop(&mut self) {
        if !self.done {
            // Nothing to do about a failure: the transaction ends with the connection at the latest.
            let _ = self.index.connection.execute_batch("ROLLBACK");
        }
    }
}

/// Writes what of the state is not among the rows `saved`.
fn save_state(connection: &Connection, state: &State, saved: Saved) -> rusqlite::Result<()> {
    let mut pack =
        connection.prepare_cached("INSERT OR REPLACE INTO pack(no, row) VALUES(?1, ?2)")?;
    for (no, p) in state.packs.iter().enumerate().skip(saved.packs) {
        let row = PackRow {
            id: p.id,
            len: p.len,
            session: p.session,
            state: p.state,
            extra: cbor::Extra::default(),
        };
        let row = row::seal(no as u32, cbor::encode(&row));
        pack.execute(params![no as u32, row])?;
    }
    let mut snapshot =
        connection.prepare_cached("INSERT OR REPLACE INTO snapshot(no, row) VALUES(?1, ?2)")?;
    for (no, s) in state.snapshots.iter().enumerate().skip(saved.snapshots) {
        let row = SnapshotRow {
            id: s.id,
            seq: s.seq,
            scope: s.scope,
            session: s.session,
            set: s.set.clone(),
            summary: s.summary.clone(),
            forgotten: false,
            held: false,
            extra: cbor::Extra::default(),
        };
        let row = row::seal(no as u32, cbor::encode(&row));
        snapshot.execute(params![no as u32, row])?;
    }
    load::save_head(connection, state)
}

/// Key and value of a chunk's row: 63 bits of the id, then 32 more and the ordinal of the pack.
fn key(prefix: &Prefix, ordinal: u32) -> (i64, i64) {
    let (k, more) = split(prefix);
    (k, i64::from(more) << 32 | i64::from(ordinal))
}

/// The first 63 bits of a prefix, never negative, and the 31 bits behind its first eight bytes.
fn split(prefix: &Prefix) -> (i64, u32) {
    let mut first = [0; 8];
    first.copy_from_slice(&prefix[..8]);
    let mut more = [0; 4];
    more.copy_from_slice(&prefix[8..12]);
    ((u64::from_be_bytes(first) >> 1) as i64, u32::from_be_bytes(more) >> 1)
}

/// Whether the rows are at fault, and not the disk or another run that holds them.
fn is_damage(failure: &Error) -> bool {
    let Error::Database { source, .. } = failure else { return false };
    let code = source.downcast_ref::<rusqlite::Error>().and_then(|e| e.sqlite_error_code());
    let is_place = |code| {
        use ErrorCode::*;
        matches!(
            code,
            DatabaseBusy
                | DatabaseLocked
                | OutOfMemory
                | ReadOnly
                | PermissionDenied
                | SystemIoFailure
                | DiskFull
                | CannotOpen
                | FileLockingProtocolFailed
        )
    };
    !code.is_some_and(is_place)
}

fn database(path: &Path, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    if matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)) {
        // It is a cache: the next run makes it again, and would fail in the same place with this.
        schema::remove(path);
    }
    Error::Database { path: path.display().to_string(), source: Box::new(error) }
}
