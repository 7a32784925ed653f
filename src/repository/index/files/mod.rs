//! The file table: what the file system said of every entry when it was saved last, so that what
//! did not change is neither read nor looked up. A cache: without it every file is read.
//!
//! One row for each leaf of a path map: the leaf itself, and *marks*, which only the pipeline
//! understands. A row counts once the snapshot that has its leaf is in the log; rows of a run that
//! was killed are hints, whose chunks must be found before they are believed.

mod journal;
mod leaves;
mod runs;
mod schema;

pub use journal::{Journal, NewLeaf};
pub use leaves::{Leaf, LeafReader, Leaves, OpenLeaf};
pub use runs::DeadRun;

use esker_format::cbor;
use esker_format::codec::Codec;
use esker_format::ids::{SessionId, SnapshotId};
use esker_format::page::PageRef;
use rusqlite::{Connection, OptionalExtension};
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// Longest encoded reference to a page.
const REFERENCE_MAX: usize = 128 << 10;

/// An open file table.
pub struct Files {
    connection: Connection,
    path: PathBuf,
    /// How often a source had ended when its rows were read.
    turn: Cell<Option<i64>>,
}

/// What is saved again and again: a host and a label, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceKey(pub [u8; 32]);

/// What the rows of a source stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Root page of its path map, and the level of that.
    pub root: Option<(PageRef, u8)>,
}

impl Files {
    /// Opens the table at `path`; none when there can be none.
    pub fn open(path: &Path) -> Option<Self> {
        let connection = schema::open_file(path)?;
        Some(Self { connection, path: path.to_owned(), turn: Cell::new(None) })
    }

    /// The snapshot that the rows of a source stand for, and the rows; none when there are none or
    /// they cannot be read.
    pub fn rows(&self, source: &SourceKey) -> Option<(Standing, Leaves)> {
        let run = || -> rusqlite::Result<Option<(Standing, Leaves)>> {
            // Source, runs and rows of one moment: what another run adds meanwhile is not part of
            // the snapshot that these stand for.
            let reading = self.connection.unchecked_transaction()?;
            self.turn.set(Some(turn(&reading, source)?));
            let Some((number, standing)) = standing(&reading, source)? else { return Ok(None) };
            let runs =
                numbers(&reading, "SELECT no FROM run WHERE done = 1 AND source = ?1", number)?;
            let leaves = Leaves::new(&self.path, &reading, number, runs)?;
            Ok(Some((standing, leaves)))
        };
        run().ok().flatten()
    }

    /// The rows of a run that was killed, when it saved this source.
    pub fn rows_of(&self, run: &DeadRun, source: &SourceKey) -> Option<Leaves> {
        let rows = || -> rusqlite::Result<Option<Leaves>> {
            let reading = self.connection.unchecked_transaction()?;
            let number = source_number(&reading, source)?;
            match number.filter(|number| *number == run.source) {
                Some(number) => {
                    Leaves::new(&self.path, &reading, number, [run.number].into()).map(Some)
                }
                None => Ok(None),
            }
        };
        rows().ok().flatten()
    }

    /// Opens single leaves of any source.
    pub fn reader(&self) -> Option<LeafReader> {
        LeafReader::new(&self.path).ok()
    }

    /// Runs of this machine that were killed and left something. Until the result is dropped, no
    /// other run can have them.
    pub fn dead_runs(&self) -> Vec<DeadRun> {
        runs::dead(&self.connection, &self.path).unwrap_or_default()
    }

    /// The writing half, for one run.
    pub fn journal(self, source: SourceKey, session: SessionId) -> Journal {
        let turn = self.turn.get().or_else(|| turn(&self.connection, &source).ok());
        Journal::new(self.connection, self.path, source, turn.unwrap_or(0), session)
    }
}

fn source_number(connection: &Connection, source: &SourceKey) -> rusqlite::Result<Option<i64>> {
    connection
        .query_row("SELECT no FROM source WHERE key = ?1", [source.0], |row| row.get(0))
        .optional()
}

/// How often the rows of a source were made to stand for another snapshot.
fn turn(connection: &Connection, source: &SourceKey) -> rusqlite::Result<i64> {
    connection
        .query_row("SELECT turn FROM source WHERE key = ?1", [source.0], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

fn standing(
    connection: &Connection,
    source: &SourceKey,
) -> rusqlite::Result<Option<(i64, Standing)>> {
    let query = "SELECT no, snapshot, root, level FROM source WHERE key = ?1";
    let found = connection
        .query_row(query, [source.0], |row| {
            let root: Option<Vec<u8>> = row.get(2)?;
            Ok((row.get(0)?, row.get::<_, Option<[u8; 32]>>(1)?, root, row.get::<_, u8>(3)?))
        })
        .optional()?;
    let Some((number, Some(snapshot), root, level)) = found else { return Ok(None) };
    let root = match root.map(|root| reference(&root)) {
        None => None,
        Some(Some(root)) => Some((root, level)),
        // Nothing that can be relied on.
        Some(None) => return Ok(None),
    };
    Ok(Some((number, Standing { snapshot: SnapshotId::new(snapshot), root })))
}

fn reference(bytes: &[u8]) -> Option<PageRef> {
    cbor::decode("reference", bytes, REFERENCE_MAX).ok()
}

fn numbers(
    connection: &Connection,
    query: &str,
    of: i64,
) -> rusqlite::Result<std::collections::HashSet<i64>> {
    connection.prepare(query)?.query_map([of], |row| row.get(0))?.collect()
}

/// Stands for parts of a row. A page has its id for that.
fn sum(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut sum = [0; 16];
    hasher.finalize_xof().fill(&mut sum);
    sum
}

const fn codec_number(codec: Codec) -> u8 {
    match codec {
        Codec::Raw => 0,
        Codec::Zstd => 1,
    }
}

const fn codec(number: u8) -> Codec {
    if number == 0 { Codec::Raw } else { Codec::Zstd }
}
