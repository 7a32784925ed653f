//! Writing: what a run has uploaded and saved so far, and at its end what its snapshot stands for.
//!
//! The table is a cache. Where it cannot be written the run goes on, and the next one reads more.

use super::runs::{DeadRun, Lock};
use super::{SourceKey, Standing, codec_number, sum};
use crate::repository::index::{is_damage_of, schema};
use crate::repository::packer::lock;
use esker_format::cbor;
use esker_format::codec::Compressor;
use esker_format::ids::{PackId, SessionId};
use esker_format::page::PageRef;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::PathBuf;
use std::sync::Mutex;

/// Bytes of rows that wait to be written together.
const WAIT: usize = 2 << 20;
/// The compression of rows: they are read far more often than they are written.
const LEVEL: i32 = 1;

/// A leaf of the path map that is being made.
pub struct NewLeaf<'a> {
    /// The reference to it.
    pub reference: PageRef,
    /// The page itself.
    pub page: &'a [u8],
    /// What the file system said of its entries.
    pub marks: &'a [u8],
    /// What long content refers to; may be empty.
    pub lists: &'a [u8],
}

/// What one run writes. Threads share it.
pub struct Journal(Mutex<Writing>);

struct Writing {
    connection: Connection,
    path: PathBuf,
    key: SourceKey,
    /// The turn of the source that the rows belong to which this run builds on.
    turn: i64,
    session: SessionId,
    /// Once there is something to write.
    begun: Option<Begun>,
    waiting: Vec<Packed>,
    waiting_len: usize,
    /// Rows that are no part of the new snapshot.
    superseded: Vec<i64>,
    /// Set when none of the rows before is.
    all_superseded: bool,
    zstd: Compressor,
    failed: bool,
    /// Whether it failed because the table is damaged.
    is_damaged: bool,
}

struct Begun {
    source: i64,
    run: i64,
    lock: Lock,
}

struct Packed {
    parent: Vec<u8>,
    name: Vec<u8>,
    reference: Vec<u8>,
    sum: [u8; 16],
    len: usize,
    codec: u8,
    marks: Vec<u8>,
    page_codec: u8,
    page: Vec<u8>,
    lists: Vec<u8>,
}

impl Journal {
    pub(super) fn new(
        connection: Connection,
        path: PathBuf,
        key: SourceKey,
        turn: i64,
        session: SessionId,
    ) -> Self {
        Self(Mutex::new(Writing {
            connection,
            path,
            key,
            turn,
            session,
            begun: None,
            waiting: Vec::new(),
            waiting_len: 0,
            superseded: Vec::new(),
            all_superseded: false,
            zstd: Compressor::default(),
            failed: false,
            is_damaged: false,
        }))
    }

    /// Notes that a pack is about to be uploaded, and writes all that waits.
    pub fn pack(&self, id: PackId, len: u64) {
        lock(&self.0).attempt(|writing| {
            writing.flush(|connection, run| {
                connection
                    .prepare_cached("INSERT OR IGNORE INTO pack(run, id, len) VALUES(?1, ?2, ?3)")?
                    .execute(params![run, id.as_bytes(), len as i64])
                    .map(|_| ())
            })
        });
    }

    /// Takes a leaf, to be written soon.
    pub fn leaf(&self, leaf: &NewLeaf<'_>) {
        let mut writing = lock(&self.0);
        if writing.failed {
            return;
        }
        writing.wait_with(leaf);
        if writing.waiting_len >= WAIT {
            writing.attempt(|writing| writing.flush(|_, _| Ok(())));
        }
    }

    /// Notes that a row is no part of the new snapshot.
    pub fn supersede(&self, row: i64) {
        lock(&self.0).superseded.push(row);
    }

    /// Notes that no row before this run is part of the new snapshot.
    pub fn supersede_all(&self) {
        lock(&self.0).all_superseded = true;
    }

    /// Makes the rows of this run, and those before it that were not superseded, stand for a
    /// snapshot that is in the log now. What runs in `dead` left is not needed any more. False when
    /// the table could not be written.
    pub fn finish(self, standing: &Standing, dead: Vec<DeadRun>) -> bool {
        let mut writing = self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let numbers: Vec<(i64, i64)> = dead.iter().map(|run| (run.number, run.source)).collect();
        writing.attempt(|writing| writing.stand(standing, &numbers));
        if writing.failed {
            let damaged = writing.is_damaged.then(|| writing.path.clone());
            drop(writing);
            // The next run makes a sound one, and would fail as this did otherwise.
            damaged.iter().for_each(|path| schema::remove(path));
            return false;
        }
        dead.into_iter().for_each(DeadRun::forget);
        if let Some(begun) = writing.begun {
            begun.lock.remove();
        }
        true
    }
}

impl Writing {
    /// After a failure nothing more is written: half of a run's rows would be of no use.
    fn attempt(&mut self, write: impl FnOnce(&mut Self) -> rusqlite::Result<()>) {
        if self.failed {
            return;
        }
        if let Err(error) = write(self) {
            self.failed = true;
            // That the lock cannot be had is told as a query that makes no sense.
            self.is_damaged =
                !matches!(error, rusqlite::Error::InvalidQuery) && is_damage_of(&error);
        }
    }

    fn wait_with(&mut self, leaf: &NewLeaf<'_>) {
        let reference = cbor::encode(&leaf.reference);
        let sum_of = sum(&[&reference, leaf.marks]);
        let (mut marks, mut page) = (Vec::new(), Vec::new());
        let codec = codec_number(self.zstd.compress(LEVEL, leaf.marks, &mut marks));
        let page_codec = codec_number(self.zstd.compress(LEVEL, leaf.page, &mut page));
        let lists = match leaf.lists {
            [] => Vec::new(),
            lists => [&sum(&[lists])[..], lists].concat(),
        };
        marks.shrink_to_fit();
        page.shrink_to_fit();
        self.waiting_len += marks.len() + page.len() + lists.len() + reference.len();
        self.waiting.push(Packed {
            parent: leaf.reference.parent.clone(),
            name: leaf.reference.name.clone(),
            reference,
            sum: sum_of,
            len: leaf.marks.len(),
            codec,
            marks,
            page_codec,
            page,
            lists,
        });
    }

    /// Makes the run known before anything of it is written.
    fn begin(&mut self) -> rusqlite::Result<()> {
        if self.begun.is_some() {
            return Ok(());
        }
        let lock = Lock::take(&self.path, &self.session).ok_or(rusqlite::Error::InvalidQuery)?;
        let writing = self.connection.unchecked_transaction()?;
        let (source, _) = source(&writing, &self.key)?;
        writing.execute(
            "INSERT INTO run(source, session, done) VALUES(?1, ?2, 0)",
            params![source, self.session.as_bytes()],
        )?;
        let run = writing.last_insert_rowid();
        writing.commit()?;
        self.begun = Some(Begun { source, run, lock });
        Ok(())
    }

    /// Writes what waits, and `more`, in one transaction.
    fn flush(
        &mut self,
        more: impl FnOnce(&Connection, i64) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        self.begin()?;
        let Some(Begun { source, run, .. }) = &self.begun else { return Ok(()) };
        let writing = self.connection.unchecked_transaction()?;
        let mut insert = writing.prepare_cached(
            "INSERT INTO leaf(source, run, parent, name, reference, sum, len, codec, marks,
             page_codec, page, lists) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
        )?;
        for leaf in self.waiting.drain(..) {
            insert.execute(params![
                source,
                run,
                leaf.parent,
                leaf.name,
                leaf.reference,
                leaf.sum,
                leaf.len as i64,
                leaf.codec,
                leaf.marks,
                leaf.page_codec,
                leaf.page,
                leaf.lists
            ])?;
        }
        self.waiting_len = 0;
        more(&writing, *run)?;
        drop(insert);
        writing.commit()
    }

    fn stand(&mut self, standing: &Standing, dead: &[(i64, i64)]) -> rusqlite::Result<()> {
        if !self.waiting.is_empty() || self.begun.is_some() {
            self.flush(|_, _| Ok(()))?;
        }
        let writing = self.connection.unchecked_transaction()?;
        let (number, turn) = source(&writing, &self.key)?;
        let run = self.begun.as_ref().map(|begun| begun.run);
        for (dead, of) in dead {
            writing.execute("DELETE FROM pack WHERE run = ?1", [dead])?;
            if *of == number {
                writing.execute("DELETE FROM leaf WHERE run = ?1", [dead])?;
                writing.execute("DELETE FROM run WHERE no = ?1", [dead])?;
            }
        }
        if self.turn != turn {
            // Another run of this source ended meanwhile: its rows and ours do not fit together.
            for query in ["DELETE FROM leaf WHERE run = ?1", "DELETE FROM run WHERE no = ?1"] {
                writing.execute(query, [run])?;
            }
            writing.execute("DELETE FROM pack WHERE run = ?1", [run])?;
            return writing.commit();
        }
        let root = standing.root.as_ref().map(|(root, _)| cbor::encode(root));
        let level = standing.root.as_ref().map_or(0, |(_, level)| *level);
        writing.execute(
            "UPDATE source SET snapshot = ?2, root = ?3, level = ?4, turn = turn + 1 WHERE no = ?1",
            params![number, standing.snapshot.as_bytes(), root, level],
        )?;
        if self.all_superseded {
            writing.execute(
                "DELETE FROM leaf WHERE source = ?1 AND run IS NOT ?2
                 AND run IN (SELECT no FROM run WHERE done = 1)",
                params![number, run],
            )?;
        }
        let mut delete = writing.prepare("DELETE FROM leaf WHERE no = ?1")?;
        for row in &self.superseded {
            delete.execute([row])?;
        }
        drop(delete);
        if let Some(run) = run {
            writing.execute("UPDATE run SET done = 1 WHERE no = ?1", [run])?;
            writing.execute("DELETE FROM pack WHERE run = ?1", [run])?;
            writing.execute(
                "DELETE FROM run WHERE done = 1 AND source = ?1
                 AND NOT EXISTS (SELECT 1 FROM leaf WHERE leaf.run = run.no)",
                [number],
            )?;
        }
        writing.commit()
    }
}

/// Number and turn of a source, which is made when it is new.
fn source(connection: &Connection, key: &SourceKey) -> rusqlite::Result<(i64, i64)> {
    connection
        .execute("INSERT OR IGNORE INTO source(key, level, turn) VALUES(?1, 0, 0)", [key.0])?;
    connection
        .query_row("SELECT no, turn FROM source WHERE key = ?1", [key.0], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map(Option::unwrap_or_default)
}
