//! What must hold: a plain model of what was acknowledged, and the invariants of the design, looked
//! at whenever the store changes.

use super::control;
use super::counters::Counters;
use super::objects::Objects;
use super::tree::Tree;
use crate::repository::access::Access;
use crate::repository::judge::{Fate, judge};
use crate::repository::state::State;
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::envelope::Header;
use esker_format::ids::{ChunkId, PackId, SegmentId, Seq, SessionId, SnapshotId};
use esker_format::log_entry::{Body, PackAdd, Place, SealedEntry};
use esker_format::{names, pack};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;

/// Nothing, or what must not be.
pub type Held = Result<(), String>;

/// A snapshot whose commit was acknowledged.
#[derive(Debug, Clone)]
pub struct Saved {
    pub tree: Tree,
    /// Cleared when somebody begins to forget it, set when it was brought back for certain.
    pub is_wanted: bool,
}

/// The model, and the log as it really is.
pub struct Oracle {
    access: Arc<Access>,
    /// The fold of the log that is in the store.
    pub state: State,
    /// Acknowledged snapshots.
    pub saved: BTreeMap<SnapshotId, Saved>,
    /// What the snapshot of a session refers to.
    needs: HashMap<SessionId, Vec<ChunkId>>,
    /// Chunks of every pack that was ever put whole.
    packs: HashMap<PackId, HashSet<ChunkId>>,
    /// Segments that the log has ever named.
    segments: HashSet<SegmentId>,
    /// Who has put a segment.
    putters: HashMap<String, usize>,
    /// The sessions that actors are at.
    at_work: Vec<Option<SessionId>>,
}

impl Oracle {
    /// The oracle of a store that has these objects.
    pub fn new(access: Arc<Access>, objects: &Objects, actors: usize) -> Result<Self, String> {
        let mut oracle = Self {
            state: State::new(access.owner_key),
            access,
            saved: BTreeMap::new(),
            needs: HashMap::new(),
            packs: HashMap::new(),
            segments: HashSet::new(),
            putters: HashMap::new(),
            at_work: vec![None; actors],
        };
        for (name, _) in objects.below(names::LOG) {
            let Some(object) = objects.get(&name) else { continue };
            oracle.stored(None, &name, &object.bytes, objects, &mut Counters::default())?;
        }
        Ok(oracle)
    }

    /// A run of this actor has begun.
    pub fn began(&mut self, actor: usize, session: SessionId) {
        self.at_work[actor] = Some(session);
    }

    /// The run of this actor is over.
    pub fn ended(&mut self, actor: usize) {
        self.at_work[actor] = None;
    }

    /// What the snapshot of a session will refer to, should it come to exist.
    pub fn needs(&mut self, session: SessionId, chunks: Vec<ChunkId>) {
        self.needs.insert(session, chunks);
    }

    /// A commit was acknowledged.
    pub fn acknowledged(&mut self, snapshot: SnapshotId, tree: Tree) -> Held {
        if !self.state.has_snapshot(&snapshot) {
            return Err(format!("{snapshot} was acknowledged and is not in the log"));
        }
        self.saved.insert(snapshot, Saved { tree, is_wanted: true });
        Ok(())
    }

    /// A new object is there.
    pub fn stored(
        &mut self,
        by: Option<usize>,
        name: &str,
        bytes: &Arc<[u8]>,
        objects: &Objects,
        counters: &mut Counters,
    ) -> Held {
        if name.starts_with(names::PACKS) {
            let scope = Header::decode(bytes).map_or(0, |(header, _)| header.scope);
            let keys = self.access.scope_keys_of(scope).map_err(|e| e.to_string())?;
            let (_, _, directory) = pack::decode_pack(bytes, &keys.segment)
                .map_err(|e| format!("{name} is put and no pack: {e}"))?;
            let id = id(name).ok_or_else(|| format!("{name} is no name of a pack"))?;
            self.packs.insert(id, directory.chunks.iter().map(|(id, _)| *id).collect());
        }
        if name.starts_with(names::INDEX) {
            self.putters.extend(by.map(|by| (name.to_owned(), by)));
        }
        if name.starts_with(names::LOG) {
            self.entry(name, bytes, objects, counters)?;
            self.expect_reachable(objects)?;
        }
        Ok(())
    }

    /// Somebody has put an object whose name was taken.
    pub fn found(
        &mut self,
        name: &str,
        bytes: &Arc<[u8]>,
        objects: &Objects,
        counters: &mut Counters,
    ) -> Held {
        let Some(object) = objects.get(name) else { return Ok(()) };
        if !name.starts_with(names::LOG) || object.bytes == *bytes {
            return Ok(());
        }
        counters.count("lost races");
        // What the loser wanted, as it would be at the end of the log.
        let repository = self.access.repository;
        let seq = Seq(name.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap_or_default());
        let entry = SealedEntry::parse(bytes.to_vec(), repository, seq);
        let Ok(body) = entry.and_then(|entry| entry.open(&self.access.log_key)) else {
            return Err(format!("the loser's {name} is no entry"));
        };
        if let Body::Mark(mark) = body {
            let place = Place {
                repository,
                seq: self.state.next(),
                previous: self.state.previous(),
                token: esker_format::ids::Token::new([0; 16]),
                writer: self.access.writer,
                scope: 0,
                epoch: 0,
                session: mark.session.unwrap_or(SessionId::new([0; 16])),
            };
            if crate::repository::validate::validate(&self.state, &place, &Body::Mark(mark))
                .is_err()
            {
                counters.count("rejected marks");
            }
        }
        Ok(())
    }

    /// An object is gone; `by` is who deleted it, unless the request was late.
    pub fn deleted(
        &self,
        by: Option<usize>,
        name: &str,
        bytes: &[u8],
        objects: &Objects,
        counters: &mut Counters,
    ) -> Held {
        let wrong = |why: &str| Err(format!("{name} was deleted, and {why}"));
        let state = &self.state;
        let session = Header::decode(bytes).ok().map(|(header, _)| header.session);
        let is_fenced = session.is_none_or(|session| {
            matches!(
                state.session_state(session),
                Some(SessionState::Aborted | SessionState::Committed)
            )
        });
        if name.starts_with(names::PACKS) {
            counters.count("deleted packs");
            let ordinal = id(name).and_then(|id| state.ordinal(id));
            match ordinal.map(|o| state.packs[o as usize].state) {
                Some(PackState::Deleting) => {}
                Some(_) => return wrong("the log did not give it up"),
                None if !is_fenced => return wrong("its session was not fenced"),
                None => {}
            }
        } else if name.starts_with(names::INDEX) {
            counters.count("deleted segments");
            match id::<SegmentId>(name) {
                Some(id) if state.has_segment(&id) => return wrong("it is live"),
                Some(id) if self.segments.contains(&id) => {}
                // Nobody else can name what a collection has just put.
                _ if by.is_none() || by == self.putters.get(name).copied() => {}
                _ if !is_fenced => return wrong("its session was not fenced"),
                _ => {}
            }
        } else if name.starts_with(names::SNAPSHOTS) {
            counters.count("deleted manifests");
            match id::<SnapshotId>(name) {
                Some(id) if state.has_snapshot(&id) => return wrong("its snapshot is there"),
                _ if !is_fenced => return wrong("its session was not fenced"),
                _ => {}
            }
        } else if !name.starts_with(names::CHECKPOINTS) {
            return wrong("nobody may");
        }
        self.expect_reachable(objects)
    }

    /// When all is collected nothing is left that nobody needs, but what no header tells the
    /// session of: a power cut has torn it.
    pub fn expect_collected(&self, objects: &Objects) -> Held {
        let needed = self.state.needed();
        let live = self.state.live_snapshots();
        let used: HashSet<ChunkId> =
            live.filter_map(|s| self.needs.get(&s.session)).flatten().copied().collect();
        for (name, _) in objects.below("") {
            let is_needed = if name.starts_with(names::PACKS) {
                let pack: Option<PackId> = id(&name);
                let ordinal = pack.and_then(|id| self.state.ordinal(id));
                // A walk may find a chunk in another copy than the one that a set counts on, and
                // both stay.
                let chunks = pack.and_then(|id| self.packs.get(&id));
                let is_live = |o: u32| self.state.packs[o as usize].state == PackState::Live;
                ordinal.is_some_and(|ordinal| {
                    needed[ordinal as usize]
                        || is_live(ordinal)
                            && chunks.is_some_and(|chunks| !chunks.is_disjoint(&used))
                })
            } else if name.starts_with(names::INDEX) {
                id(&name).is_some_and(|id| self.state.has_segment(&id))
            } else if name.starts_with(names::SNAPSHOTS) {
                id(&name).is_some_and(|id| self.state.has_snapshot(&id))
            } else {
                true
            };
            let is_whole = objects.get(&name).is_some_and(|o| Header::decode(&o.bytes).is_ok());
            if !is_needed && is_whole {
                return Err(format!("{name} is left, and nobody needs it"));
            }
        }
        Ok(())
    }

    /// Folds an entry in, and looks at what it does.
    fn entry(
        &mut self,
        name: &str,
        bytes: &Arc<[u8]>,
        objects: &Objects,
        counters: &mut Counters,
    ) -> Held {
        if names::entry(self.state.next()) != name {
            return Err(format!("{name} is not the next entry"));
        }
        let judged = judge(&self.state, bytes.to_vec(), &self.access)
            .map_err(|stop| stop.into_error(name.to_owned()).to_string())?;
        let (place, body) = match &judged.fate {
            Fate::Valid(place, body) => (*place, (**body).clone()),
            Fate::Void(_) if control::off().validation => {
                self.state.apply(judged);
                return Ok(());
            }
            Fate::Void(why) => return Err(format!("{name} is void: {why}")),
            _ => return Err(format!("{name} is not understood")),
        };
        self.expect_durable(&place, &body, objects)?;
        counters.count(&format!("entries {}", body.name()));
        let marked = self.marked();
        let abort = match &body {
            Body::Abort(abort) => Some(abort.session),
            _ => None,
        };
        if abort.is_some_and(|session| self.at_work.contains(&Some(session))) {
            counters.count("aborts of live sessions");
        }
        if let Body::Commit(commit) = &body {
            let adopted = commit.packs.iter().filter(|pack| pack.session.is_some()).count();
            counters.add("adopted packs", adopted as u64);
        }
        self.state.apply(judged);
        self.segments.extend(self.state.segments.iter().map(|segment| segment.id));
        let is_live = |o: &usize| self.state.packs[*o].state == PackState::Live;
        let revived = marked.iter().filter(|o| is_live(o)).count();
        counters.add("revived packs", revived as u64);
        if revived > 0 && matches!(body, Body::Commit(_)) {
            counters.count("rescues");
        }
        Ok(())
    }

    fn marked(&self) -> Vec<usize> {
        let packs = self.state.packs.iter().enumerate();
        packs.filter(|(_, pack)| pack.state == PackState::Marked).map(|(at, _)| at).collect()
    }

    /// I1: what an entry names survives a power cut before the entry is there.
    fn expect_durable(&self, place: &Place, body: &Body, objects: &Objects) -> Held {
        let no_packs: &[PackAdd] = &[];
        let (packs, segments, manifest) = match body {
            Body::Add(add) => (&*add.packs, &*add.segments, None),
            Body::Commit(commit) => (&*commit.packs, &*commit.segments, Some(commit.manifest)),
            Body::Mark(mark) => (&*mark.added, &*mark.segments, None),
            Body::Compact(compact) => (no_packs, &*compact.new, None),
            _ => return Ok(()),
        };
        let packs = packs.iter().map(|pack| names::pack(pack.id));
        let segments = segments.iter().map(|id| names::segment(*id));
        let manifest = manifest.into_iter().map(names::manifest);
        for name in packs.chain(segments).chain(manifest) {
            if !objects.get(&name).is_some_and(|object| object.is_durable) {
                return Err(format!("entry {} names {name}, which is not durable", place.seq.0));
            }
        }
        Ok(())
    }

    /// I2: every chunk that a snapshot refers to is in a pack of its set that is live and there.
    fn expect_reachable(&self, objects: &Objects) -> Held {
        for snapshot in self.state.live_snapshots() {
            let Some(needs) = self.needs.get(&snapshot.session) else { continue };
            let live = |ordinal: u32| {
                let pack = self.state.packs.get(ordinal as usize)?;
                (pack.state == PackState::Live).then_some(pack.id)
            };
            let set: Vec<PackId> = snapshot.set.iter().filter_map(live).collect();
            for chunk in needs {
                let has = |pack: &&PackId| self.packs.get(*pack).is_some_and(|p| p.contains(chunk));
                let mut found = set.iter().filter(has);
                if !found.any(|pack| objects.get(&names::pack(*pack)).is_some()) {
                    let id = snapshot.id.to_string();
                    return Err(format!("snapshot {} lost chunk {chunk}", &id[..8]));
                }
            }
            if objects.get(&names::manifest(snapshot.id)).is_none() {
                return Err(format!("snapshot {} lost its manifest", snapshot.id));
            }
        }
        Ok(())
    }
}

/// The id in the name of an object.
pub fn id<I: FromStr>(name: &str) -> Option<I> {
    name.rsplit('/').next()?.parse().ok()
}
