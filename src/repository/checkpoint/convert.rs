//! A state as a checkpoint, and back.

use crate::repository::index::{named, tags_of};
use crate::repository::state::{
    Changes, Head, Pack, Required, Segment, Session, Snapshot, State, Writer,
};
use esker_format::cbor::Extra;
use esker_format::checkpoint::{
    Checkpoint, HoldRow, PackRow, SegmentRow, SessionRow, SessionState, SnapshotRow, WriterRow,
};
use esker_format::ids::SessionId;
use esker_format::table::Table;

/// The checkpoint of a state; none before the first entry, and of a log that has entries which are
/// not understood: what they change would be missing.
pub fn of_state(state: &State) -> Option<Checkpoint> {
    let head = state.head.filter(|_| state.not_understood.is_empty())?;
    let mut writers: Vec<&Writer> = state.writers.values().collect();
    writers.sort_by_key(|writer| writer.entry.key.writer());
    let writers = writers.into_iter().map(|writer| WriterRow {
        entry: writer.entry.clone(),
        revoked: writer.revoked,
        seq: writer.seq,
        extra: Extra::default(),
    });
    let mut packs = Table::with_capacity(state.packs.len());
    for Pack { id, len, session, state, damaged } in state.packs.iter().cloned() {
        packs.push(&PackRow { id, len, session, state, damaged });
    }
    let segments = state.segments.iter();
    let segments =
        segments.map(|s| SegmentRow { id: s.id, scope: s.scope, extra: Extra::default() });
    Some(Checkpoint {
        seq: head.seq,
        head: head.log,
        owner: state.owner,
        epoch: state.epoch,
        writers: writers.collect(),
        packs,
        segments: segments.collect(),
        snapshots: state.snapshots.iter().map(snapshot_row).collect(),
        sessions: sessions(state),
        tokens: state.tokens.iter().copied().collect(),
        holder: state.holder.clone(),
        entry: head.entry,
        holds: holds(state),
        append: state.required.append.iter().copied().collect(),
        collect: state.required.collect.iter().copied().collect(),
        named: named(state),
        extra: Extra::default(),
    })
}

fn sessions(state: &State) -> Table<SessionRow> {
    let mut ids: Vec<SessionId> = state.sessions.keys().copied().collect();
    ids.sort_unstable();
    let mut rows = Table::with_capacity(ids.len());
    for id in ids {
        let Session { writer, state, seq } = state.sessions[&id];
        rows.push(&SessionRow { id, writer, state, seq });
    }
    rows
}

fn holds(state: &State) -> Vec<HoldRow> {
    let is_open = |id: &SessionId| state.session_state(*id) == Some(SessionState::Open);
    let mut holds: Vec<HoldRow> = state
        .holds
        .iter()
        .filter(|(id, set)| is_open(id) && !set.is_empty())
        .map(|(id, set)| HoldRow { session: *id, set: set.clone(), extra: Extra::default() })
        .collect();
    holds.sort_unstable_by_key(|hold| hold.session);
    holds
}

fn snapshot_row(snapshot: &Snapshot) -> SnapshotRow {
    SnapshotRow {
        id: snapshot.id,
        seq: snapshot.seq,
        scope: snapshot.scope,
        session: snapshot.session,
        set: snapshot.set.clone(),
        summary: snapshot.summary.clone(),
        forgotten: snapshot.forgotten,
        held: snapshot.held,
        damaged: snapshot.damaged,
        added: tags_of(snapshot, true),
        removed: tags_of(snapshot, false),
        extra: Extra::default(),
    }
}

/// The state that a checkpoint holds, which no cache has.
pub fn to_state(checkpoint: Checkpoint) -> State {
    let mut state = State::new(checkpoint.owner);
    let Checkpoint { seq, head: log, entry, epoch, packs, sessions, .. } = checkpoint;
    state.head = Some(Head { seq, entry, log });
    state.epoch = epoch;
    state.changes = Changes { everything: true, ..Changes::default() };
    state.reserve(packs.len(), sessions.len());
    for PackRow { id, len, session, state: how, damaged } in packs.iter() {
        state.push_pack(Pack { id, len, session, state: how, damaged });
    }
    // What there can be most of is in memory once.
    drop(packs);
    for SessionRow { id, writer, state: how, seq } in sessions.iter() {
        state.sessions.insert(id, Session { writer, state: how, seq });
    }
    drop(sessions);
    for WriterRow { entry, revoked, seq, .. } in checkpoint.writers {
        state.writers.insert(entry.key.writer(), Writer { entry, revoked, seq });
    }
    for SegmentRow { id, scope, .. } in checkpoint.segments {
        state.push_segment(Segment { id, scope });
    }
    checkpoint.snapshots.into_iter().for_each(|row| state.push_snapshot(snapshot(row)));
    state.holds = checkpoint.holds.into_iter().map(|hold| (hold.session, hold.set)).collect();
    state.tokens = checkpoint.tokens.iter().collect();
    state.holder = checkpoint.holder;
    state.required = Required {
        append: checkpoint.append.into_iter().collect(),
        collect: checkpoint.collect.into_iter().collect(),
    };
    state.checkpoints = checkpoint.named.iter().map(|c| (c.at, c.checkpoint)).collect();
    state
}

fn snapshot(row: SnapshotRow) -> Snapshot {
    let added = row.added.into_iter().map(|tag| (tag, true));
    Snapshot {
        id: row.id,
        seq: row.seq,
        session: row.session,
        scope: row.scope,
        set: row.set,
        summary: row.summary,
        forgotten: row.forgotten,
        held: row.held,
        damaged: row.damaged,
        tags: added.chain(row.removed.into_iter().map(|tag| (tag, false))).collect(),
    }
}
