//! The state of the log in the index database.

use crate::repository::state::{Head, Pack, Segment, Snapshot, State};
use esker_format::cbor::{self, Extra};
use esker_format::checkpoint::{
    Checkpoint, PackRow, SegmentRow, SessionRow, SnapshotRow, WriterRow,
};
use esker_format::limits::CHECKPOINT_MAX;
use rusqlite::{Connection, OptionalExtension};

/// The state that was saved last; empty when none was.
pub fn state(connection: &Connection) -> rusqlite::Result<State> {
    let row: Option<Vec<u8>> = connection
        .query_row("SELECT row FROM head WHERE only = 1", [], |row| row.get(0))
        .optional()?;
    let Some(row) = row else { return Ok(State::default()) };
    let head: Checkpoint = decode(&row)?;
    let mut state = State {
        head: Some(Head { seq: head.seq, entry: head.entry, log: head.head }),
        owner: Some(head.owner),
        writers: head.writers.into_iter().map(|w| (w.entry.key.writer(), w.entry)).collect(),
        segments: head.segments.iter().map(|s| Segment { id: s.id, scope: s.scope }).collect(),
        sessions: head.sessions.iter().map(|s| (s.id, s.state)).collect(),
        tokens: head.tokens.into_iter().collect(),
        ..State::default()
    };
    for row in rows(connection, "SELECT row FROM pack ORDER BY no")? {
        let PackRow { id, len, session, state: pack_state, .. } = decode(&row)?;
        state.push_pack(Pack { id, len, session, state: pack_state });
    }
    for row in rows(connection, "SELECT row FROM snapshot ORDER BY no")? {
        let SnapshotRow { id, seq, scope, session, set, summary, .. } = decode(&row)?;
        state.snapshots.push(Snapshot { id, seq, session, scope, set, summary });
    }
    Ok(state)
}

/// Saves all of the state but packs and snapshots, which have rows of their own.
pub fn save_head(connection: &Connection, state: &State) -> rusqlite::Result<()> {
    let extra = Extra::default;
    let (Some(head), Some(owner)) = (state.head, state.owner) else { return Ok(()) };
    let mut writers: Vec<_> = state.writers.values().cloned().collect();
    writers.sort_by_key(|w| w.key.writer());
    let mut tokens: Vec<_> = state.tokens.iter().copied().collect();
    tokens.sort_unstable();
    let mut sessions: Vec<_> = state.sessions.iter().map(|(id, s)| (*id, *s)).collect();
    sessions.sort_unstable();
    let checkpoint = Checkpoint {
        seq: head.seq,
        head: head.log,
        owner,
        epoch: 0,
        writers: writers
            .into_iter()
            .map(|entry| WriterRow { entry, revoked: false, extra: extra() })
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
            .map(|(id, state)| SessionRow { id, state, extra: extra() })
            .collect(),
        tokens,
        holder: None,
        entry: head.entry,
        extra: extra(),
    };
    let row = cbor::encode(&checkpoint);
    connection.execute("INSERT OR REPLACE INTO head(only, row) VALUES(1, ?1)", [row]).map(|_| ())
}

fn rows(connection: &Connection, query: &str) -> rusqlite::Result<Vec<Vec<u8>>> {
    connection.prepare(query)?.query_map([], |row| row.get(0))?.collect()
}

fn decode<T: cbor::Cbor>(bytes: &[u8]) -> rusqlite::Result<T> {
    cbor::decode("index row", bytes, CHECKPOINT_MAX)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}
