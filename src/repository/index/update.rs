//! Writing the index: rows of packs, and the state that they stand for, in one transaction.

use super::rows::{PackRow, SessionLine, SnapshotRow};
use super::{Index, database, load, row, row_of, seen};
use crate::repository::error::Result;
use crate::repository::state::State;
use esker_format::cbor;
use esker_format::checkpoint::PackState;
use esker_format::ids::{Seq, SessionId};
use esker_format::segment::SegmentPack;
use rusqlite::{Connection, OptionalExtension, params};

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
    pub(super) fn add_packs(&mut self, packs: &[(u32, &SegmentPack)]) -> Result<()> {
        let mut rows: Vec<(i64, i64)> = Vec::new();
        for (ordinal, pack) in packs {
            let keys = pack.chunks.iter().map(|(prefix, _)| row_of(prefix, *ordinal));
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
                directory.execute(params![ordinal, row::seal((*ordinal).into(), row)])?;
            }
            let mut chunk =
                connection.prepare_cached("INSERT OR IGNORE INTO chunk(k, v) VALUES(?1, ?2)")?;
            // A pack that is described twice is one copy all the same.
            let mut further = connection.prepare_cached(
                "INSERT OR IGNORE INTO further(k, v) SELECT ?1, ?2
                 WHERE NOT EXISTS (SELECT 1 FROM chunk WHERE k = ?1 AND v = ?2)",
            )?;
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
    pub(super) fn add_segment(&mut self, id: &[u8; 32]) -> Result<()> {
        self.index
            .connection
            .execute("INSERT OR IGNORE INTO segment(id) VALUES(?1)", [id])
            .map(|_| ())
            .map_err(|e| self.index.failed(e))
    }

    /// Makes the rows count, ahead of the state that they stand for: a pack has its ordinal for ever.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep(mut self) -> Result<()> {
        self.index.connection.execute_batch("COMMIT").map_err(|e| self.index.failed(e))?;
        self.done = true;
        Ok(())
    }

    /// Makes the rows count, together with the state that they stand for.
    ///
    /// # Errors
    /// When the database fails.
    pub fn save(mut self, state: &State) -> Result<()> {
        let run = || -> rusqlite::Result<()> {
            let connection = &self.index.connection;
            // Another run with this cache may have read further, and the index is never wound
            // back: rows of packs are as true for its state as for ours.
            let is_newer = state.head.map(|head| head.seq) > load::position(connection)?;
            if is_newer {
                forget_packs(connection, state)?;
                save_state(connection, state)?;
            }
            connection.execute_batch("COMMIT")
        };
        run().map_err(|e| database(&self.index.path, e))?;
        self.done = true;
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

/// Takes out the chunks of packs that were given up.
fn forget_packs(connection: &Connection, state: &State) -> rusqlite::Result<()> {
    let changed = match state.changes.everything {
        true => directories(connection)?,
        false => state.changes.packs.iter().copied().collect(),
    };
    let given_up =
        |no: &&u32| state.packs.get(**no as usize).is_some_and(|p| p.state == PackState::Deleting);
    for no in changed.iter().filter(given_up) {
        let row: Option<Vec<u8>> = connection
            .prepare_cached("SELECT row FROM directory WHERE pack = ?1")?
            .query_row([no], |row| row.get(0))
            .optional()?;
        let Some(row) = row else { continue };
        connection.prepare_cached("DELETE FROM directory WHERE pack = ?1")?.execute([no])?;
        // Keys of a row that is damaged stay. They lead to a pack that has no row, and a look-up
        // that meets one begins the index anew.
        let packs = row::open((*no).into(), &row)
            .and_then(|row| esker_format::segment::decode(row).ok())
            .unwrap_or_default();
        let mut further =
            connection.prepare_cached("DELETE FROM further WHERE k = ?1 AND v = ?2")?;
        let mut first = connection.prepare_cached("DELETE FROM chunk WHERE k = ?1 AND v = ?2")?;
        let mut next = connection.prepare_cached(
            "INSERT INTO chunk(k, v) SELECT k, v FROM further WHERE k = ?1 ORDER BY v DESC LIMIT 1",
        )?;
        let mut moved = connection.prepare_cached(
            "DELETE FROM further WHERE (k, v) IN (SELECT k, v FROM chunk WHERE k = ?1)",
        )?;
        for (prefix, _) in packs.iter().flat_map(|pack| &pack.chunks) {
            let (k, v) = row_of(prefix, *no);
            further.execute([k, v])?;
            if first.execute([k, v])? > 0 && next.execute([k])? > 0 {
                moved.execute([k])?;
            }
        }
    }
    Ok(())
}

/// The packs whose directories are in the rows.
fn directories(connection: &Connection) -> rusqlite::Result<Vec<u32>> {
    connection.prepare("SELECT pack FROM directory")?.query_map([], |row| row.get(0))?.collect()
}

/// Writes what of the state has changed since it was saved last.
fn save_state(connection: &Connection, state: &State) -> rusqlite::Result<()> {
    let changes = &state.changes;
    if changes.everything {
        connection.execute_batch("DELETE FROM snapshot; DELETE FROM session")?;
        save_packs(connection, state, 0..state.packs.len() as u32)?;
        save_snapshots(connection, state, state.snapshots.iter().map(|s| s.seq))?;
        save_sessions(connection, state, state.sessions.keys())?;
    } else {
        seen::begin_anew(connection, state)?;
        save_packs(connection, state, changes.packs.iter().copied())?;
        save_snapshots(connection, state, changes.snapshots.iter().copied())?;
        save_sessions(connection, state, changes.sessions.iter())?;
    }
    load::save_head(connection, state)
}

fn save_packs(
    connection: &Connection,
    state: &State,
    changed: impl Iterator<Item = u32>,
) -> rusqlite::Result<()> {
    let mut put =
        connection.prepare_cached("INSERT OR REPLACE INTO pack(no, row) VALUES(?1, ?2)")?;
    for no in changed {
        let row = PackRow::from(&state.packs[no as usize]);
        put.execute(params![no, row::seal(no.into(), cbor::encode(&row))])?;
    }
    Ok(())
}

fn save_sessions<'s>(
    connection: &Connection,
    state: &State,
    changed: impl Iterator<Item = &'s SessionId>,
) -> rusqlite::Result<()> {
    let mut put =
        connection.prepare_cached("INSERT OR REPLACE INTO session(id, row) VALUES(?1, ?2)")?;
    let known = |id: &SessionId| Some(SessionLine::new(state, *id, state.sessions.get(id)?));
    for row in changed.filter_map(known) {
        put.execute(params![row.id.as_bytes(), row::seal(0, cbor::encode(&row))])?;
    }
    Ok(())
}

fn save_snapshots(
    connection: &Connection,
    state: &State,
    changed: impl Iterator<Item = Seq>,
) -> rusqlite::Result<()> {
    let mut put =
        connection.prepare_cached("INSERT OR REPLACE INTO snapshot(no, row) VALUES(?1, ?2)")?;
    let mut take = connection.prepare_cached("DELETE FROM snapshot WHERE no = ?1")?;
    let place = |seq: &Seq| state.snapshots.binary_search_by_key(seq, |s| s.seq);
    for seq in changed {
        match place(&seq) {
            Ok(at) => {
                let row = cbor::encode(&SnapshotRow::from(&state.snapshots[at]));
                put.execute(params![seq.0 as i64, row::seal(seq.0, row)])?
            }
            Err(_) => take.execute([seq.0 as i64])?,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::presence::Presence;
    use crate::repository::state::{Head, Pack};
    use crate::store::MemoryStore;
    use esker_format::codec::Codec;
    use esker_format::envelope::{Header, Kind};
    use esker_format::frame::{FrameHead, FrameType};
    use esker_format::ids::{ChunkId, EntryHash, LogHead, PackId, RepositoryId, WriterId};
    use esker_format::key::SigningKey;
    use esker_format::secret::Secret;
    use std::sync::Arc;

    #[test]
    fn of_a_pack_that_two_segments_describe_nothing_is_left_when_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = Index::open(&folder.path().join("index.sqlite")).unwrap();
        let chunk = ChunkId::new([1; 32]);
        let session = SessionId::new([4; 16]);
        let header = Header {
            kind: Kind::Pack,
            flags: 0,
            repository: RepositoryId::new([5; 16]),
            scope: 0,
            epoch: 0,
            writer: WriterId::new([6; 16]),
            session,
            seq: 0,
            tlvs: Vec::new(),
        };
        let head = FrameHead {
            frame_type: FrameType::Data,
            codec: Codec::Raw,
            sealed_len: 20,
            plain_len: 4,
            chunks: 1,
        };
        let id = PackId::new([2; 32]);
        let chunks = vec![(esker_format::segment::prefix(&chunk), 4)];
        let pack =
            SegmentPack { id, len: 1000, header: header.encode(), frames: vec![head], chunks };
        let owner = SigningKey(Secret::new([3; 32])).verification();
        let mut state = State::new(owner);
        let live = PackState::Live;
        state.push_pack(Pack { id, len: 1000, session, state: live, damaged: false });
        let mut add = |state: &State, packs: &[(u32, &SegmentPack)]| {
            index.write(packs, &[]).unwrap().save(state).unwrap();
            let presence = Arc::new(Presence::new(Arc::new(MemoryStore::new())));
            index.lookup(None, presence).unwrap().find(&chunk).unwrap().map(|place| place.pack)
        };
        for n in 0..2 {
            let (entry, log) = (EntryHash::new([n; 32]), LogHead::new([n; 32]));
            state.head = Some(Head { seq: Seq(n.into()), entry, log });
            assert_eq!(add(&state, &[(0, &pack)]), Some(0));
        }
        state.packs[0].state = PackState::Deleting;
        state.changes.packs.insert(0);
        state.head = state.head.map(|head| Head { seq: Seq(2), ..head });
        assert_eq!(add(&state, &[]), None);
    }
}
