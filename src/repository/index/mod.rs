//! The index database: where chunks are, without asking the store. A cache: deleting it changes
//! nothing, and what it says is checked wherever it matters (every chunk by its id when read).
//!
//! One SQLite file for each repository and location. Rows and the log position that they stand
//! for move in one transaction, so that a crash leaves an older but true index.

mod files;
mod known_pack;
mod load;
mod lookup;
mod row;
mod rows;
mod schema;
mod seen;
mod update;

pub use files::{
    DeadRun, Files, Journal, Leaf, LeafReader, Leaves, NewLeaf, OpenLeaf, SourceKey, Standing,
};
pub use known_pack::KnownPack;
pub use lookup::{Location, Lookup};
pub use rows::{named, tags_of};
pub use seen::Sighting;
pub use update::Update;

use crate::repository::error::{Error, Result};
use crate::repository::presence::Presence;
use crate::repository::state::State;
use esker_format::ids::SegmentId;
use esker_format::key::VerificationKey;
use esker_format::segment::{Prefix, SegmentPack};
use rusqlite::{Connection, ErrorCode, OptionalExtension};
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
}

impl Index {
    /// Opens the database at `path`; where that cannot be written, one that ends with the run.
    ///
    /// # Errors
    /// When no folder of this machine takes a database.
    pub fn open(path: &Path) -> Result<Self> {
        match schema::open_file(path) {
            Some(connection) => Ok(Self { connection, path: path.to_owned(), _temporary: None }),
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
        // A folder that nobody else can enter or foresee, as many share the one that it is in.
        for folder in [std::env::temp_dir(), PathBuf::from("/dev/shm")] {
            let Ok(folder) = tempfile::Builder::new().prefix("esker-index-").tempdir_in(folder)
            else {
                continue;
            };
            let path = folder.path().join("index.sqlite");
            if let Some(connection) = schema::open_file(&path) {
                return Ok(Self { connection, path, _temporary: Some(folder) });
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
            Ok(Some(state)) if state.owner == owner => return Ok(state),
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
        schema::clear(&self.connection).map_err(|e| self.failed(e))
    }

    /// Writes packs with their ordinals, and which segments describe them. Nothing of it counts
    /// before [`Update::save`] or [`Update::keep`].
    ///
    /// # Errors
    /// When the database fails.
    pub fn write(
        &mut self,
        packs: &[(u32, &SegmentPack)],
        segments: &[SegmentId],
    ) -> Result<Update<'_>> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(|e| self.failed(e))?;
        let mut update = Update { index: self, done: false };
        update.add_packs(packs)?;
        for id in segments {
            update.add_segment(id.as_bytes())?;
        }
        Ok(update)
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

    /// A connection of its own for look-ups on any thread, among packs of a scope or of all.
    ///
    /// # Errors
    /// When the database fails.
    pub fn lookup(&self, scope: Option<u32>, presence: Arc<Presence>) -> Result<Lookup> {
        Lookup::open(&self.path, scope, presence)
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

/// The first 63 bits of a prefix, never negative, and the 31 bits behind its first eight bytes.
fn split(prefix: &Prefix) -> (i64, u32) {
    let mut first = [0; 8];
    first.copy_from_slice(&prefix[..8]);
    let mut more = [0; 4];
    more.copy_from_slice(&prefix[8..12]);
    ((u64::from_be_bytes(first) >> 1) as i64, u32::from_be_bytes(more) >> 1)
}

/// Key and value of a chunk's row: 63 bits of the id, then 32 more and the ordinal of the pack.
fn row_of(prefix: &Prefix, ordinal: u32) -> (i64, i64) {
    let (k, more) = split(prefix);
    (k, i64::from(more) << 32 | i64::from(ordinal))
}

/// Whether the rows are at fault, and not the disk or another run that holds them.
fn is_damage(failure: &Error) -> bool {
    let Error::Database { source, .. } = failure else { return false };
    source.downcast_ref::<rusqlite::Error>().is_none_or(is_damage_of)
}

/// The same for what SQLite says.
fn is_damage_of(error: &rusqlite::Error) -> bool {
    use ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, FileLockingProtocolFailed, OutOfMemory,
        PermissionDenied, ReadOnly, SystemIoFailure,
    };
    let place = [
        CannotOpen,
        DatabaseBusy,
        DatabaseLocked,
        DiskFull,
        FileLockingProtocolFailed,
        OutOfMemory,
        PermissionDenied,
        ReadOnly,
        SystemIoFailure,
    ];
    error.sqlite_error_code().is_none_or(|code| !place.contains(&code))
}

fn database(path: &Path, error: rusqlite::Error) -> Error {
    if is_damage_of(&error) {
        // It is a cache: the next run makes it again, and would fail in the same place with this.
        schema::remove(path);
    }
    Error::Database { path: path.display().to_string(), source: Box::new(error) }
}
