//! The state of the log in the index database.

use super::row;
use crate::repository::state::{Head, Pack, Remark, Segment, Session, Snapshot, State, Writer};
use esker_format::cbor::{self, Extra};
use esker_format::checkpoint::{
    Checkpoint, PackRow, SegmentRow, SessionRow, SnapshotRow, WriterRow,
};
use esker_format::ids::Seq;
use esker_format::limits::CHECKPOINT_MAX;
use rusqlite::{Connection, OptionalExtension, params};

/// The state that was saved last; none when none was.
pub fn state(connection: &Connection) -> rusqlite::Result<Option<State>> {
    // All rows of one moment: another run may save its own meanwhile.
    let connection = &*connection.unchecked_transaction()?;
    let Some((head, packs, snapshots)) = head(connection)? else { return Ok(None) };
    let mut state = State {
        head: Some(Head { seq: head.seq, entry: head.entry, log: head.head }),
        epoch: head.epoch,
        writers: head
            .writers
            .into_iter()
            .map(|w| (w.entry.key.writer(), Writer { entry: w.entry, revoked: w.revoked }))
            .collect(),
        segments: head.segments.iter().map(|s| Segment { id: s.id, scope: s.scope }).collect(),
        sessions: head
            .sessions
            .iter()
            .map(|s| (s.id, Session { writer: s.writer, state: s.state }))
            .collect(),
        tokens: head.tokens.into_iter().collect(),
        ..State::new(head.owner)
    };
    for row in rows(connection, "SELECT no, row FROM pack ORDER BY no", packs)? {
        let PackRow { id, len, session, state: pack_state, .. } = decode(&row)?;
        state.push_pack(Pack { id, len, session, state: pack_state });
    }
    for row in rows(connection, "SELECT no, row FROM snapshot ORDER BY no", snapshots)? {
        let SnapshotRow { id, seq, scope, session, set, summary, .. } = decode(&row)?;
        state.snapshots.push(Snapshot { id, seq, session, scope, set, summary });
    }
    let mut remarks = connection.prepare("SELECT seq, void, why FROM remark ORDER BY seq")?;
    let mut remarks = remarks.query([])?;
    while let Some(row) = remarks.next()? {
        let remark = Remark { seq: Seq(row.get::<_, i64>(0)? as u64), why: row.get(2)? };
        if row.get(1)? { state.void.push(remark) } else { state.not_understood.push(remark) }
    }
    Ok(Some(state))
}

/// The entry that the rows stand for now; none when none was saved or it cannot be read.
pub fn position(connection: &Connection) -> rusqlite::Result<Option<Seq>> {
    Ok(head(connection).ok().flatten().map(|(head, ..)| head.seq))
}

/// What was saved of the state, and how many packs and snapshots belong to it.
fn head(connection: &Connection) -> rusqlite::Result<Option<(Checkpoint, u32, u32)>> {
    let sealed: Option<Vec<u8>> = connection
        .query_row("SELECT row FROM head WHERE only = 1", [], |row| row.get(0))
        .optional()?;
    let Some(sealed) = sealed else { return Ok(None) };
    let row = row::open(0, &sealed).ok_or_else(unsound)?;
    let (packs, row) = row.split_first_chunk().ok_or_else(unsound)?;
    let (snapshots, row) = row.split_first_chunk().ok_or_else(unsound)?;
    Ok(Some((decode(row)?, u32::from_le_bytes(*packs), u32::from_le_bytes(*snapshots))))
}

/// Saves all of the state but packs and snapshots, which have rows of their own.
pub fn save_head(connection: &Connection, state: &State) -> rusqlite::Result<()> {
    let extra = Extra::default;
    let Some(head) = state.head else { return Ok(()) };
    let mut writers: Vec<_> = state.writers.values().cloned().collect();
    writers.sort_by_key(|w| w.entry.key.writer());
    let mut tokens: Vec<_> = state.tokens.iter().copied().collect();
    tokens.sort_unstable();
    let mut sessions: Vec<_> = state.sessions.iter().map(|(id, s)| (*id, *s)).collect();
    sessions.sort_unstable_by_key(|(id, _)| *id);
    let checkpoint = Checkpoint {
        seq: head.seq,
        head: head.log,
        owner: state.owner,
        epoch: state.epoch,
        writers: writers
            .into_iter()
            .map(|w| WriterRow { entry: w.entry, revoked: w.revoked, extra: extra() })
            .collect(),
        packs: Vec::new(),
        segments: state
            .segments
            .iter()
            .map(|s| SegmentRow { id: s.id, scope: s.scope, extra: extra() })
            .collect(),
        snapshots: Vec::new(),
        sessions: sessions
            .into_iter()
            .map(|(id, s)| SessionRow { id, state: s.state, writer: s.writer, extra: extra() })
            .collect(),
        tokens,
        holder: None,
        entry: head.entry,
        extra: extra(),
    };
    let mut row = (state.packs.len() as u32).to_le_bytes().to_vec();
    row.extend((state.snapshots.len() as u32).to_le_bytes());
    row.extend(cbor::encode(&checkpoint));
    let row = row::seal(0, row);
    connection.execute("INSERT OR REPLACE INTO head(only, row) VALUES(1, ?1)", [row])?;
    let mut insert = connection
        .prepare_cached("INSERT OR IGNORE INTO remark(seq, void, why) VALUES(?1, ?2, ?3)")?;
    for (remarks, void) in [(&state.void, true), (&state.not_understood, false)] {
        for remark in remarks {
            insert.execute(params![remark.seq.0 as i64, void, remark.why])?;
        }
    }
    Ok(())
}

/// The rows of a table, which must be so many, numbered from 0 on.
fn rows(connection: &Connection, query: &str, count: u32) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    while let Some(read) = rows.next()? {
        let number = found.len() as u32;
        let row = row::open(number, read.get_ref(1)?.as_blob()?).ok_or_else(unsound)?;
        found.push(row.to_vec());
    }
    if found.len() as u32 == count { Ok(found) } else { Err(unsound()) }
}

fn unsound() -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure("a row is not what was written".into())
}

fn decode<T: cbor::Cbor>(bytes: &[u8]) -> rusqlite::Result<T> {
    cbor::decode("index row", bytes, CHECKPOINT_MAX)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}
