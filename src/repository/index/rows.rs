//! Rows of the state in the index database, and how they stand for what they hold.

use crate::repository::state::{Pack, Required, Session, Snapshot, State, Writer};
use esker_format::cbor::{self, Extra};
use esker_format::cbor_map;
use esker_format::checkpoint::{PackState, SegmentRow, SessionState, WriterRow};
use esker_format::ids::{
    CheckpointId, EntryHash, LogHead, PackId, Seq, SessionId, SnapshotId, Token, WriterId,
};
use esker_format::key::VerificationKey;
use esker_format::limits::CHECKPOINT_MAX;
use esker_format::log_entry::CheckpointEntry;
use esker_format::ordinals::Ordinals;

cbor_map! {
    /// A pack, under its ordinal.
    pub struct PackRow {
        /// The pack.
        0 => id: PackId,
        /// Its length in bytes.
        1 => len: u64,
        /// The session in its header.
        2 => session: SessionId,
        /// Its state.
        3 => state: PackState,
        /// Whether content of it was found lost.
        4 => damaged: bool,
    }
}
cbor_map! {
    /// A snapshot, under the number of its commit.
    pub struct SnapshotRow {
        /// Its manifest.
        0 => id: SnapshotId,
        /// The scope of its writer.
        1 => scope: u32,
        /// Its session.
        2 => session: SessionId,
        /// Its pack set.
        3 => set: Ordinals,
        /// Its sealed summary.
        4 => summary: Vec<u8>,
        /// Whether it was forgotten.
        5 => forgotten: bool,
        /// Whether it is held.
        6 => held: bool,
        /// Whether content of it was found lost.
        7 => damaged: bool,
        /// Tags that were added later.
        8 => added: Vec<String>,
        /// Tags that were taken away later.
        9 => removed: Vec<String>,
    }
}
cbor_map! {
    /// A session, under the first bytes of its id.
    pub struct SessionLine {
        /// The session.
        0 => id: SessionId,
        /// Its state.
        1 => state: SessionState,
        /// The writer that opened it.
        2 => writer: WriterId,
        /// The last entry that was about it.
        3 => seq: Seq,
        /// What it holds.
        4 => hold: Ordinals,
    }
}
cbor_map! {
    /// All else, in one row.
    pub struct HeadRow {
        /// The last entry.
        0 => seq: Seq,
        /// Head of the log after it.
        1 => log: LogHead,
        /// Its hash.
        2 => entry: EntryHash,
        /// The owner's verification key.
        3 => owner: VerificationKey,
        /// Epoch in force.
        4 => epoch: u32,
        /// Writers.
        5 => writers: Vec<WriterRow>,
        /// Live segments.
        6 => segments: Vec<SegmentRow>,
        /// Last tokens, oldest first.
        7 => tokens: Vec<Token>,
        /// Features needed to append.
        8 => append: Vec<u32>,
        /// Features needed to collect.
        9 => collect: Vec<u32>,
        /// The host that may write.
        10 => holder: Option<String>,
        /// Packs, and so many rows.
        11 => packs: u64,
        /// Snapshots, and so many rows.
        12 => snapshots: u64,
        /// Sessions, and so many rows.
        13 => sessions: u64,
        /// The last checkpoints that entries named.
        14 => checkpoints: Vec<CheckpointEntry>,
    }
}

impl From<&Pack> for PackRow {
    fn from(pack: &Pack) -> Self {
        let Pack { id, len, session, state, damaged } = *pack;
        Self { id, len, session, state, damaged, extra: Extra::default() }
    }
}

impl PackRow {
    /// The pack.
    pub fn pack(self) -> Pack {
        let Self { id, len, session, state, damaged, .. } = self;
        Pack { id, len, session, state, damaged }
    }
}

impl From<&Snapshot> for SnapshotRow {
    fn from(s: &Snapshot) -> Self {
        Self {
            id: s.id,
            scope: s.scope,
            session: s.session,
            set: s.set.clone(),
            summary: s.summary.clone(),
            forgotten: s.forgotten,
            held: s.held,
            damaged: s.damaged,
            added: tags_of(s, true),
            removed: tags_of(s, false),
            extra: Extra::default(),
        }
    }
}

impl SnapshotRow {
    /// The snapshot, which that entry made.
    pub fn snapshot(self, seq: Seq) -> Snapshot {
        let Self { id, scope, session, set, summary, forgotten, held, damaged, .. } = self;
        let added = self.added.into_iter().map(|tag| (tag, true));
        let tags = added.chain(self.removed.into_iter().map(|tag| (tag, false))).collect();
        Snapshot { id, seq, session, scope, set, summary, forgotten, held, damaged, tags }
    }
}

impl SessionLine {
    /// A session of a state.
    pub fn new(state: &State, id: SessionId, session: &Session) -> Self {
        let Session { writer, state: how_far, seq } = *session;
        let hold = state.holds.get(&id).cloned().unwrap_or_default();
        Self { id, state: how_far, writer, seq, hold, extra: Extra::default() }
    }
}

impl HeadRow {
    /// The row of a state; none before the first entry.
    pub fn new(state: &State) -> Option<Self> {
        let head = state.head?;
        let mut writers: Vec<&Writer> = state.writers.values().collect();
        writers.sort_by_key(|w| w.entry.key.writer());
        let writers = writers.into_iter().map(|w| WriterRow {
            entry: w.entry.clone(),
            revoked: w.revoked,
            seq: w.seq,
            extra: Extra::default(),
        });
        let segments = state.segments.iter();
        Some(Self {
            seq: head.seq,
            log: head.log,
            entry: head.entry,
            owner: state.owner,
            epoch: state.epoch,
            writers: writers.collect(),
            segments: segments
                .map(|s| SegmentRow { id: s.id, scope: s.scope, extra: Extra::default() })
                .collect(),
            tokens: state.tokens.iter().copied().collect(),
            append: state.required.append.iter().copied().collect(),
            collect: state.required.collect.iter().copied().collect(),
            holder: state.holder.clone(),
            packs: state.packs.len() as u64,
            snapshots: state.snapshots.len() as u64,
            sessions: state.sessions.len() as u64,
            checkpoints: named(state),
            extra: Extra::default(),
        })
    }

    /// The features that are asked for.
    pub fn required(&self) -> Required {
        Required {
            append: self.append.iter().copied().collect(),
            collect: self.collect.iter().copied().collect(),
        }
    }
}

/// Tags that were added to a snapshot later, or taken away.
pub fn tags_of(snapshot: &Snapshot, added: bool) -> Vec<String> {
    let tags = snapshot.tags.iter().filter(|(_, is)| **is == added);
    tags.map(|(tag, _)| tag.clone()).collect()
}

/// The last checkpoints that entries named.
pub fn named(state: &State) -> Vec<CheckpointEntry> {
    let entry = |(at, checkpoint): &(Seq, CheckpointId)| CheckpointEntry {
        checkpoint: *checkpoint,
        at: *at,
        extra: Extra::default(),
    };
    state.checkpoints.iter().map(entry).collect()
}

/// Reads a row.
pub fn decode<T: cbor::Cbor>(bytes: &[u8]) -> rusqlite::Result<T> {
    cbor::decode("index row", bytes, CHECKPOINT_MAX)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}
