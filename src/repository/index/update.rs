//! Writing the index: rows of packs, and the state that they stand for, in one transaction.

use super::{Index, Saved, database, load, row, split};
use crate::repository::error::Result;
use crate::repository::state::State;
use esker_format::cbor;
use esker_format::checkpoint::{PackRow, SnapshotRow};
use esker_format::segment::{Prefix, SegmentPack};
use rusqlite::{Connection, params};

/// Rows being written; rolled back when dropped.
pub struct Update<'i> {
    pub(super) index: &'i mut Index,
    pub(super) done: bool,
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
