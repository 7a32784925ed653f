//! State(n): what the log says after its first n + 1 entries. Pure: it is changed by entries that
//! `judge` has looked at, and by nothing else. `fold` has the changes.

use esker_format::checkpoint::{PackState, SessionState};
use esker_format::ids::{
    CheckpointId, EntryHash, LogHead, PackId, SegmentId, Seq, SessionId, SnapshotId, Token,
    WriterId,
};
use esker_format::key::VerificationKey;
use esker_format::log_entry::WriterEntry;
use esker_format::ordinals::Ordinals;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

mod pack_names;

pub use esker_format::limits::TOKENS_KEPT;
use pack_names::PackNames;

/// A pack that the log has named. Its place in [`State::packs`] is its ordinal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pack {
    /// The pack.
    pub id: PackId,
    /// Its length in bytes.
    pub len: u64,
    /// The session that wrote it.
    pub session: SessionId,
    /// What the log says of it.
    pub state: PackState,
    /// Set when content of it was found lost: no new snapshot relies on it.
    pub damaged: bool,
}

impl Pack {
    /// Whether a new snapshot may rely on it.
    pub fn is_good(&self) -> bool {
        self.state == PackState::Live && !self.damaged
    }
}

/// A snapshot that the log has named.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
    /// Set when it need not be kept: what only it needs may be collected.
    pub forgotten: bool,
    /// Set when no forget may take it.
    pub held: bool,
    /// Set when content of it was found lost.
    pub damaged: bool,
    /// Tags that were added (true) or taken away (false) after its summary was written.
    pub tags: BTreeMap<String, bool>,
}

/// A segment that the log has named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// The entry that enrolled it.
    pub seq: Seq,
}

/// A session that the log has named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Session {
    /// The writer that opened it.
    pub writer: WriterId,
    /// How far it is.
    pub state: SessionState,
    /// The last entry that was about it.
    pub seq: Seq,
}

/// Features that somebody must have to go on. None are defined, so one number is one too many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Required {
    /// Needed to append.
    pub append: BTreeSet<u32>,
    /// Needed to collect.
    pub collect: BTreeSet<u32>,
}

/// An entry that changes nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The entry.
    pub seq: Seq,
    /// Who signed it, when somebody did who is enrolled.
    pub writer: Option<WriterId>,
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

/// What of a state is not yet in the cache that keeps it. It says nothing about the state, so that
/// two that differ in it alone are equal.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Set when all is: what is listed here is then only a part of it.
    pub everything: bool,
    /// Packs by ordinal.
    pub packs: BTreeSet<u32>,
    /// Snapshots by the entry that made them; one that is not there any more is gone.
    pub snapshots: BTreeSet<Seq>,
    /// Sessions.
    pub sessions: BTreeSet<SessionId>,
    /// Segments that gave way to others with the same packs.
    pub compacted: Vec<(Vec<SegmentId>, Vec<SegmentId>)>,
}

impl PartialEq for Changes {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Changes {}

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
    /// Live segments in the order of their appearance.
    pub segments: Vec<Segment>,
    /// Snapshots in the order of their commits.
    pub snapshots: Vec<Snapshot>,
    /// Sessions.
    pub sessions: HashMap<SessionId, Session>,
    /// Packs that must stay as long as a session is open.
    pub holds: HashMap<SessionId, Ordinals>,
    /// Tokens of the last valid entries, oldest first.
    pub tokens: VecDeque<Token>,
    /// Features that are asked for.
    pub required: Required,
    /// The host that may write, in single-writer mode.
    pub holder: Option<String>,
    /// The last checkpoints that entries named, with the entries whose state they hold.
    pub checkpoints: VecDeque<(Seq, CheckpointId)>,
    /// Entries that broke a rule.
    pub void: Vec<Remark>,
    /// Authentic entries that mean something to a later version. As long as there is one, this
    /// version does not know the true state: it may read, and must not append.
    pub not_understood: Vec<Remark>,
    /// What no cache has yet.
    pub changes: Changes,
    names: Names,
}

/// What there is by name. Follows from the lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Names {
    packs: PackNames,
    segments: HashSet<SegmentId>,
    snapshots: HashSet<SnapshotId>,
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
            holds: HashMap::new(),
            tokens: VecDeque::new(),
            required: Required::default(),
            holder: None,
            checkpoints: VecDeque::new(),
            void: Vec::new(),
            not_understood: Vec::new(),
            changes: Changes::default(),
            names: Names::default(),
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
        self.names.packs.find(&self.packs, pack)
    }

    /// Whether a segment is live.
    pub fn has_segment(&self, id: &SegmentId) -> bool {
        self.names.segments.contains(id)
    }

    /// Whether a snapshot is there, forgotten or not.
    pub fn has_snapshot(&self, id: &SnapshotId) -> bool {
        self.names.snapshots.contains(id)
    }

    /// A snapshot, forgotten ones included.
    pub fn snapshot(&self, id: SnapshotId) -> Option<&Snapshot> {
        self.snapshots.iter().find(|s| s.id == id)
    }

    /// The snapshots that are not forgotten, oldest first.
    pub fn live_snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        self.snapshots.iter().filter(|s| !s.forgotten)
    }

    /// How far a session is; none when the log does not know it.
    pub fn session_state(&self, id: SessionId) -> Option<SessionState> {
        self.sessions.get(&id).map(|session| session.state)
    }

    /// For each pack whether a snapshot that is not forgotten has it in its set.
    pub fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.packs.len()];
        for (first, count) in self.live_snapshots().flat_map(|s| s.set.runs()) {
            let run = *first as usize..*first as usize + *count as usize;
            needed[run].fill(true);
        }
        needed
    }

    /// Makes room for so many packs and sessions.
    pub fn reserve(&mut self, packs: usize, sessions: usize) {
        self.packs.reserve_exact(packs);
        self.names.packs.reserve(&self.packs, packs);
        self.sessions.reserve(sessions);
    }

    /// Appends a pack with the next ordinal.
    pub fn push_pack(&mut self, pack: Pack) {
        self.packs.push(pack);
        self.names.packs.add_last(&self.packs);
    }

    /// Appends a segment, unless it is there.
    pub fn push_segment(&mut self, segment: Segment) {
        if self.names.segments.insert(segment.id) {
            self.segments.push(segment);
        }
    }

    /// Appends a snapshot.
    pub fn push_snapshot(&mut self, snapshot: Snapshot) {
        self.names.snapshots.insert(snapshot.id);
        self.snapshots.push(snapshot);
    }

    /// Takes segments away.
    pub(super) fn remove_segments(&mut self, gone: &[SegmentId]) {
        for id in gone {
            self.names.segments.remove(id);
        }
        self.segments.retain(|segment| self.names.segments.contains(&segment.id));
    }

    /// Takes snapshots away.
    pub(super) fn remove_snapshots(&mut self, gone: &[SnapshotId]) {
        for id in gone {
            self.names.snapshots.remove(id);
        }
        let Self { snapshots, names, changes, .. } = self;
        snapshots.retain(|snapshot| {
            let stays = names.snapshots.contains(&snapshot.id);
            if !stays {
                changes.snapshots.insert(snapshot.seq);
            }
            stays
        });
    }
}
