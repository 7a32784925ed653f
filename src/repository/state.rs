//! State(n): what the log says after its first n + 1 entries. Pure: it is changed by entries that
//! `judge` has looked at, and by nothing else.

use crate::repository::judge::{Fate, Judged};
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::ids::{
    EntryHash, LogHead, PackId, SegmentId, Seq, SessionId, SnapshotId, Token, WriterId,
};
use esker_format::key::VerificationKey;
use esker_format::log_entry::{Add, Body, Commit, PackAdd, Place, WriterEntry};
use esker_format::ordinals::Ordinals;
use std::collections::{HashMap, HashSet};

/// A pack that the log has named. Its place in [`State::packs`] is its ordinal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// The pack.
    pub id: PackId,
    /// Its length in bytes.
    pub len: u64,
    /// The session that wrote it.
    pub session: SessionId,
    /// What the log says of it.
    pub state: PackState,
}

/// A snapshot that the log has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its manifest.
    pub id: SnapshotId,
    /// The entry that made it exist.
    pub seq: Seq,
    /// The session that its commit ended.
    pub session: SessionId,
    /// The scope of its writer.
    pub scope: u32,
    /// Packs that it needs at most.
    pub set: Ordinals,
    /// Its summary, sealed.
    pub summary: Vec<u8>,
}

/// A segment that the log has named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The segment.
    pub id: SegmentId,
    /// The scope whose key opens it.
    pub scope: u32,
}

/// An enrolled writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// What the owner said of it.
    pub entry: WriterEntry,
    /// Set when nothing that it signs counts any more.
    pub revoked: bool,
}

/// A session that the log has named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The writer that opened it.
    pub writer: WriterId,
    /// How far it is.
    pub state: SessionState,
}

/// An entry that changes nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The entry.
    pub seq: Seq,
    /// Why, in words.
    pub why: String,
}

/// Where the log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The last entry.
    pub seq: Seq,
    /// Its hash.
    pub entry: EntryHash,
    /// Stands for all entries up to it.
    pub log: LogHead,
}

/// The fold of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The last entry; none before the first.
    pub head: Option<Head>,
    /// The owner's verification key, from the key file.
    pub owner: VerificationKey,
    /// The epoch in force.
    pub epoch: u32,
    /// Enrolled writers.
    pub writers: HashMap<WriterId, Writer>,
    /// Packs by ordinal.
    pub packs: Vec<Pack>,
    /// Segments in the order of their appearance.
    pub segments: Vec<Segment>,
    /// Snapshots in the order of their commits.
    pub snapshots: Vec<Snapshot>,
    /// Sessions.
    pub sessions: HashMap<SessionId, Session>,
    /// Tokens of all valid entries.
    pub tokens: HashSet<Token>,
    /// Entries that broke a rule.
    pub void: Vec<Remark>,
    /// Authentic entries that mean something to a later version. As long as there is one, this
    /// version does not know the true state: it may read, and must not append.
    pub not_understood: Vec<Remark>,
    pub(crate) pack_numbers: HashMap<PackId, u32>,
}

impl State {
    /// The state before the first entry.
    pub fn new(owner: VerificationKey) -> Self {
        Self {
            head: None,
            owner,
            epoch: 0,
            writers: HashMap::new(),
            packs: Vec::new(),
            segments: Vec::new(),
            snapshots: Vec::new(),
            sessions: HashMap::new(),
            tokens: HashSet::new(),
            void: Vec::new(),
            not_understood: Vec::new(),
            pack_numbers: HashMap::new(),
        }
    }

    /// The position that the next entry takes.
    pub fn next(&self) -> Seq {
        self.head.map_or(Seq(0), |head| head.seq.next())
    }

    /// What the next entry must name as the log before it.
    pub fn previous(&self) -> LogHead {
        self.head.map_or(LogHead::START, |head| head.log)
    }

    /// Ordinal of a pack.
    pub fn ordinal(&self, pack: PackId) -> Option<u32> {
        self.pack_numbers.get(&pack).copied()
    }

    /// Folds in the next entry, which was judged in this state.
    pub fn apply(&mut self, judged: Judged) {
        let seq = self.next();
        let log = self.previous().then(judged.hash);
        self.head = Some(Head { seq, entry: judged.hash, log });
        match judged.fate {
            Fate::Valid(place, body) => {
                self.tokens.insert(place.token);
                self.change(&place, *body);
            }
            Fate::Void(why) => self.void.push(Remark { seq, why }),
            Fate::NotUnderstood(source) => {
                self.not_understood.push(Remark { seq, why: source.to_string() });
            }
            Fate::Ignored => {}
        }
    }

    fn change(&mut self, place: &Place, body: Body) {
        let session = |state| Session { writer: place.writer, state };
        match body {
            Body::Writer(entry) => {
                self.writers.insert(entry.key.writer(), Writer { entry, revoked: false });
            }
            Body::Add(Add { session: id, segments, packs, .. }) => {
                self.add_packs(&packs, id);
                self.add_segments(&segments, place.scope);
                self.sessions.insert(id, session(SessionState::Open));
            }
            Body::Commit(Commit {
                session: id, manifest, segments, packs, set, summary, ..
            }) => {
                self.add_packs(&packs, id);
                self.add_segments(&segments, place.scope);
                self.sessions.insert(id, session(SessionState::Committed));
                for ordinal in set.iter() {
                    self.packs[ordinal as usize].state = PackState::Live;
                }
                self.snapshots.push(Snapshot {
                    id: manifest,
                    seq: place.seq,
                    session: id,
                    scope: place.scope,
                    set,
                    summary,
                });
            }
            // A genesis says what is known already; no other kind is ever judged valid.
            _ => {}
        }
    }

    fn add_packs(&mut self, packs: &[PackAdd], session: SessionId) {
        for pack in packs {
            self.push_pack(Pack {
                id: pack.id,
                len: pack.len,
                session: pack.session.unwrap_or(session),
                state: PackState::Live,
            });
        }
    }

    /// Appends a pack with the next ordinal.
    pub fn push_pack(&mut self, pack: Pack) {
        self.pack_numbers.insert(pack.id, self.packs.len() as u32);
        self.packs.push(pack);
    }

    fn add_segments(&mut self, segments: &[SegmentId], scope: u32) {
        for id in segments {
            if self.segments.iter().all(|s| s.id != *id) {
                self.segments.push(Segment { id: *id, scope });
            }
        }
    }
}
