//! The state of the log in the index database.

use super::row;
use super::rows::{HeadRow, PackRow, SessionLine, SnapshotRow, decode};
use crate::repository::state::{Head, Remark, Segment, Session, State, Writer};
use esker_format::cbor;
use esker_format::checkpoint::WriterRow;
use esker_format::ids::{Seq, WriterId};
use rusqlite::{Connection, OptionalExtension, params};

/// Room that is made for packs and sessions before they are read, at most.
const ROOM: u64 = 1 << 22;

/// The state that was saved last; none when none was.
pub fn state(connection: &Connection) -> rusqlite::Result<Option<State>> {
    // All rows of one moment: another run may save its own meanwhile.
    let connection = &*connection.unchecked_transaction()?;
    let Some(head) = head(connection)? else { return Ok(None) };
    let mut state = State::new(head.owner);
    state.head = Some(Head { seq: head.seq, entry: head.entry, log: head.log });
    state.epoch = head.epoch;
    state.required = head.required();
    state.holder = head.holder;
    state.tokens = head.tokens.into();
    state.checkpoints = head.checkpoints.iter().map(|c| (c.at, c.checkpoint)).collect();
    state.reserve(head.packs.min(ROOM) as usize, head.sessions.min(ROOM) as usize);
    for WriterRow { entry, revoked, seq, .. } in head.writers {
        state.writers.insert(entry.key.writer(), Writer { entry, revoked, seq });
    }
    for segment in head.segments {
        state.push_segment(Segment { id: segment.id, scope: segment.scope });
    }
    let query = "SELECT no, row FROM pack ORDER BY no";
    each(connection, query, head.packs, |no, row| {
        if no != state.packs.len() as i64 {
            return Err(unsound());
        }
        state.push_pack(decode::<PackRow>(row)?.pack());
        Ok(())
    })?;
    let query = "SELECT no, row FROM snapshot ORDER BY no";
    each(connection, query, head.snapshots, |no, row| {
        state.push_snapshot(decode::<SnapshotRow>(row)?.snapshot(Seq(no as u64)));
        Ok(())
    })?;
    each(connection, "SELECT 0, row FROM session", head.sessions, |_, row| {
        let SessionLine { id, state: how_far, writer, seq, hold, .. } = decode(row)?;
        state.sessions.insert(id, Session { writer, state: how_far, seq });
        if !hold.is_empty() {
            state.holds.insert(id, hold);
        }
        Ok(())
    })?;
    remarks(connection, &mut state)?;
    Ok(Some(state))
}

fn remarks(connection: &Connection, state: &mut State) -> rusqlite::Result<()> {
    let mut remarks =
        connection.prepare("SELECT seq, void, writer, why FROM remark ORDER BY seq")?;
    let mut remarks = remarks.query([])?;
    while let Some(row) = remarks.next()? {
        let writer = row.get::<_, Option<[u8; 16]>>(2)?.map(WriterId::new);
        let remark = Remark { seq: Seq(row.get::<_, i64>(0)? as u64), writer, why: row.get(3)? };
        if row.get(1)? { state.void.push(remark) } else { state.not_understood.push(remark) }
    }
    Ok(())
}

/// The entry that the rows stand for now; none when none was saved or it cannot be read.
pub fn position(connection: &Connection) -> rusqlite::Result<Option<Seq>> {
    Ok(head(connection).ok().flatten().map(|head| head.seq))
}

/// What was saved of the state beside packs, snapshots and sessions.
fn head(connection: &Connection) -> rusqlite::Result<Option<HeadRow>> {
    let sealed: Option<Vec<u8>> = connection
        .query_row("SELECT row FROM head WHERE only = 1", [], |row| row.get(0))
        .optional()?;
    let Some(sealed) = sealed else { return Ok(None) };
    decode(row::open(0, &sealed).ok_or_else(unsound)?).map(Some)
}

/// Saves all of the state but packs, snapshots and sessions, which have rows of their own.
pub fn save_head(connection: &Connection, state: &State) -> rusqlite::Result<()> {
    let Some(head) = HeadRow::new(state) else { return Ok(()) };
    let row = row::seal(0, cbor::encode(&head));
    connection.execute("INSERT OR REPLACE INTO head(only, row) VALUES(1, ?1)", [row])?;
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO remark(seq, void, writer, why) VALUES(?1, ?2, ?3, ?4)",
    )?;
    for (remarks, void) in [(&state.void, true), (&state.not_understood, false)] {
        for remark in remarks {
            let writer = remark.writer.map(|id| *id.as_bytes());
            insert.execute(params![remark.seq.0 as i64, void, writer, remark.why])?;
        }
    }
    Ok(())
}

/// Goes through the rows of a table, which must be so many, each sound under its number.
fn each(
    connection: &Connection,
    query: &str,
    count: u64,
    mut take: impl FnMut(i64, &[u8]) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut found = 0;
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    while let Some(read) = rows.next()? {
        let number: i64 = read.get(0)?;
        let row = row::open(number as u64, read.get_ref(1)?.as_blob()?).ok_or_else(unsound)?;
        take(number, row)?;
        found += 1;
    }
    if found == count { Ok(()) } else { Err(unsound()) }
}

fn unsound() -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure("a row is not what was written".into())
}
