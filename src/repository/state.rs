//! State(n): what the log says after its first n + 1 entries. Pure: bytes and keys in, verdicts out.
//! Writer and reader use the same [`State::validate`].

use esker_format::checkpoint::{PackState, SessionState};
use esker_format::ids::{
    EntryHash, LogHead, PackId, SegmentId, Seq, SessionId, SnapshotId, Token, WriterId,
};
use esker_format::key::VerificationKey;
use esker_format::log_entry::{
    Add, Body, Commit, PackAdd, Place, ROLE_APPEND, SealedEntry, WriterEntry,
};
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The last entry; none before the first.
    pub head: Option<Head>,
    /// The owner's verification key.
    pub owner: Option<VerificationKey>,
    /// Enrolled writers.
    pub writers: HashMap<WriterId, WriterEntry>,
    /// Packs by ordinal.
    pub packs: Vec<Pack>,
    /// Segments in the order of their appearance.
    pub segments: Vec<Segment>,
    /// Snapshots in the order of their commits.
    pub snapshots: Vec<Snapshot>,
    /// Sessions.
    pub sessions: HashMap<SessionId, SessionState>,
    /// Tokens of all entries.
    pub tokens: HashSet<Token>,
    /// Entries that broke a rule: number and rule. They keep their number and change nothing.
    pub void: Vec<(Seq, &'static str)>,
    pub(crate) pack_numbers: HashMap<PackId, u32>,
}

/// Why an entry is void.
pub type Rule = &'static str;

impl State {
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

    /// The key that must have signed an entry of this kind by this writer.
    ///
    /// # Errors
    /// The rule that no key can satisfy.
    pub fn signer(&self, place: &Place, body_is_owners: bool) -> Result<VerificationKey, Rule> {
        if body_is_owners {
            return self.owner.ok_or("an entry before the first");
        }
        self.writers.get(&place.writer).map(|w| w.key).ok_or("its writer is not enrolled")
    }

    /// Whether the entry keeps the rules in this state. `body` has been opened from `entry`.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn validate(&self, entry: &SealedEntry, body: &Body) -> Result<(), Rule> {
        let place = &entry.place;
        if let Body::Genesis(genesis) = body {
            let first = self.head.is_none() && place.writer == genesis.owner.writer();
            if !first || !entry.is_signed_by(&genesis.owner) {
                return Err("only the first entry, signed by its owner, can begin a log");
            }
            return Ok(());
        }
        let owners = matches!(body, Body::Writer(_) | Body::Revoke(_) | Body::Rekey(_));
        let key = self.signer(place, owners)?;
        if place.writer != key.writer() || !entry.is_signed_by(&key) {
            return Err("its signature is not its writer's");
        }
        if self.tokens.contains(&place.token) {
            return Err("its token was seen before");
        }
        if owners {
            return self.allowed(place, body);
        }
        let writer = self.writers.get(&place.writer).ok_or("its writer is not enrolled")?;
        if writer.scope != place.scope {
            return Err("its writer belongs to another scope");
        }
        if writer.roles & needed_role(body) == 0 {
            return Err("its writer has no right to this kind of entry");
        }
        self.allowed(place, body)
    }

    /// The rules of each kind of entry, signature and role aside.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn allowed(&self, place: &Place, body: &Body) -> Result<(), Rule> {
        match body {
            Body::Writer(writer) => match self.writers.get(&writer.key.writer()) {
                Some(_) => Err("the writer is enrolled already"),
                None => Ok(()),
            },
            Body::Add(add) => {
                self.session_is_open(place, add.session)?;
                self.packs_fit(&add.packs, add.session)?;
                self.set_is_usable(&add.hold, 0)
            }
            Body::Commit(commit) => {
                self.session_is_open(place, commit.session)?;
                self.packs_fit(&commit.packs, commit.session)?;
                if self.snapshots.iter().any(|s| s.id == commit.manifest) {
                    return Err("the snapshot exists already");
                }
                if commit.set_object.is_some() {
                    return Err("pack sets outside the entry are not known to this version");
                }
                self.set_is_usable(&commit.set, commit.packs.len())
            }
            _ => Err("this version does not carry out this kind of entry"),
        }
    }

    fn session_is_open(&self, place: &Place, session: SessionId) -> Result<(), Rule> {
        if place.session != session {
            return Err("header and body name different sessions");
        }
        match self.sessions.get(&session) {
            None | Some(SessionState::Open) => Ok(()),
            Some(SessionState::Committed) => Err("its session has ended"),
            Some(SessionState::Aborted) => Err("its session was aborted"),
        }
    }

    fn packs_fit(&self, packs: &[PackAdd], session: SessionId) -> Result<(), Rule> {
        let mut seen = HashSet::new();
        for pack in packs {
            if self.pack_numbers.contains_key(&pack.id) || !seen.insert(pack.id) {
                return Err("a pack is added twice");
            }
            let from = pack.session.unwrap_or(session);
            if self.sessions.get(&from) == Some(&SessionState::Aborted) {
                return Err("a pack belongs to an aborted session");
            }
        }
        match u32::try_from(self.packs.len() + packs.len()) {
            Ok(_) => Ok(()),
            Err(_) => Err("more packs than 32 bits count"),
        }
    }

    fn set_is_usable(&self, set: &Ordinals, added: usize) -> Result<(), Rule> {
        for (first, count) in set.runs() {
            let end = u64::from(*first) + u64::from(*count);
            if end > (self.packs.len() + added) as u64 {
                return Err("its pack set names packs that are not there");
            }
        }
        let gone =
            |o: u32| self.packs.get(o as usize).is_some_and(|p| p.state == PackState::Deleting);
        if set.iter().any(gone) {
            return Err("its pack set names packs that are given up");
        }
        Ok(())
    }

    /// Folds one entry in. `verdict` is what [`State::validate`] said of it.
    pub fn apply(&mut self, entry: &SealedEntry, body: &Body, verdict: Result<(), Rule>) {
        let place = &entry.place;
        let hash = entry.hash();
        self.head = Some(Head { seq: place.seq, entry: hash, log: self.previous().then(hash) });
        self.tokens.insert(place.token);
        if let Err(rule) = verdict {
            self.void.push((place.seq, rule));
            return;
        }
        match body {
            Body::Genesis(genesis) => self.owner = Some(genesis.owner),
            Body::Writer(writer) => {
                self.writers.insert(writer.key.writer(), writer.clone());
            }
            Body::Add(Add { session, segments, packs, .. }) => {
                self.add_packs(packs, *session);
                self.add_segments(segments, place.scope);
                self.sessions.insert(*session, SessionState::Open);
            }
            Body::Commit(Commit { session, manifest, segments, packs, set, summary, .. }) => {
                self.add_packs(packs, *session);
                self.add_segments(segments, place.scope);
                self.sessions.insert(*session, SessionState::Committed);
                for ordinal in set.iter() {
                    self.packs[ordinal as usize].state = PackState::Live;
                }
                self.snapshots.push(Snapshot {
                    id: *manifest,
                    seq: place.seq,
                    session: *session,
                    scope: place.scope,
                    set: set.clone(),
                    summary: summary.clone(),
                });
            }
            // Nothing else passes validate in this version.
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

/// Rights of which one is enough for an entry that is not the owner's alone.
fn needed_role(body: &Body) -> u32 {
    match body {
        Body::Add(_) | Body::Commit(_) => ROLE_APPEND,
        _ => u32::MAX,
    }
}
