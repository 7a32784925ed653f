//! Damaged packs: what is sound in them goes into new ones, which stand in for them.
//!
//! A lost pack leaves the sets of all snapshots, those that lose something by it too: what they have left is in the
//! packs that stand in, and in others that have the same chunks. Chunks that come back later lie in packs of later
//! snapshots, and enter the set when the mark of the snapshot is taken back.

use crate::repository::Repository;
use crate::repository::access::Access;
use crate::repository::error::{Error, Result};
use crate::repository::fetch::Frames;
use crate::repository::gc::mark::{expect_open, nothing, unless_nothing};
use crate::repository::index::{KnownPack, Lookup};
use crate::repository::rewriter::Rewriter;
use crate::repository::session::{pack_add, put_segments};
use crate::repository::state::{Pack, State};
use esker_format::cbor::Extra;
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::frame::FrameType;
use esker_format::ids::{SegmentId, SessionId};
use esker_format::log_entry::{Body, Mark, Replacement};
use esker_format::ordinals::Ordinals;
use esker_format::segment::{Prefix, SegmentPack, prefix};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What was done about damaged packs.
#[derive(Debug, Default)]
pub struct Salvaged {
    /// Packs that were taken out of use.
    pub packs: u64,
    /// Chunks of them that were saved.
    pub chunks: u64,
    /// Packs that an unfinished run has put or holds: they can be taken out of use when it has ended.
    pub in_use: Vec<u32>,
}

/// A damaged pack: which of its chunks were saved, and other packs that have some of the others.
struct Saved {
    ordinal: u32,
    /// Whether what others have stays where it is.
    only_missing: bool,
    chunks: Vec<Prefix>,
    elsewhere: BTreeSet<u32>,
}

/// Packs that are copied before the log says so. What is known of them is in memory meanwhile, and one entry names
/// them all.
const GROUP: usize = if cfg!(test) { 8 } else { 64 };

/// Saves what is sound in these packs, and takes them out of use. Of one that nothing describes any more it is not
/// known what it had: it stays in the sets of snapshots, until they are whole without it or forgotten. Of those that are
/// `known` to be damaged since long, only what nothing else has is saved.
///
/// # Errors
/// When store or index fail, or the run is stopped.
pub fn salvage(
    repository: &mut Repository,
    packs: &[u32],
    known: &[u32],
    session: SessionId,
    stop: &AtomicBool,
) -> Result<Salvaged> {
    let mut lookup = repository.lookup_in_all()?;
    let mut scopes: BTreeMap<u32, Vec<Wanted>> = BTreeMap::new();
    let packs = packs.iter().map(|ordinal| (*ordinal, false));
    for (ordinal, only_missing) in packs.chain(known.iter().map(|ordinal| (*ordinal, true))) {
        if let Some(known) = lookup.pack_if_there(ordinal)? {
            scopes.entry(known.scope).or_default().push(Wanted { ordinal, only_missing });
        }
    }
    drop(lookup);
    // What was there may be gone by now.
    repository.presence.forget();
    let mut done = Salvaged::default();
    for (scope, mut packs) in scopes {
        let access = match scope == repository.access().scope {
            true => Arc::clone(&repository.access),
            false => Arc::new(repository.access().in_scope(scope)?),
        };
        while !packs.is_empty() {
            let group = packs.split_off(packs.len().saturating_sub(GROUP));
            let rest = group_of_scope(repository, &access, group, session, stop, &mut done)?;
            // What was copied of those is in good packs by now.
            packs.extend(rest.into_iter().map(|ordinal| Wanted { ordinal, only_missing: true }));
        }
    }
    Ok(done)
}

/// A damaged pack that is to be taken out of use.
struct Wanted {
    ordinal: u32,
    /// Whether what others have stays where it is.
    only_missing: bool,
}

/// Does so for some packs of one scope; returns those that did not fit into the entry.
fn group_of_scope(
    repository: &mut Repository,
    access: &Arc<Access>,
    packs: Vec<Wanted>,
    session: SessionId,
    stop: &AtomicBool,
    done: &mut Salvaged,
) -> Result<Vec<u32>> {
    let mut copy = Copy::new(repository, access, session)?;
    let mut lookup = repository.lookup_in_all()?;
    let mut saved = Vec::new();
    for Wanted { ordinal, only_missing } in packs {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        if let Some(known) = lookup.pack_if_there(ordinal)? {
            saved.push(copy.pack(&known, only_missing)?);
        }
    }
    let new = copy.rewriter.finish()?;
    let segments = put_segments(repository.store(), access, session, &new)?;
    // All that stands in is durable before the log says so.
    repository.store().barrier()?;
    let scope = access.scope;
    let marking = Marking { session, scope, saved: &saved, new: &new, segments: &segments };
    let Marked { marked, rest } = marking.append(repository)?;
    repository.settle(&new, &segments);
    done.packs += marked.len() as u64;
    let is_done = |saved: &&Saved| marked.contains(&saved.ordinal) || rest.contains(&saved.ordinal);
    done.chunks += saved.iter().filter(is_done).map(|s| s.chunks.len() as u64).sum::<u64>();
    done.in_use.extend(saved.iter().filter(|saved| !is_done(saved)).map(|s| s.ordinal));
    Ok(rest)
}

/// Copies what is sound.
struct Copy {
    rewriter: Rewriter,
    frames: Frames,
    lookup: Lookup,
    plain: Vec<u8>,
}

impl Copy {
    fn new(repository: &Repository, access: &Arc<Access>, session: SessionId) -> Result<Self> {
        Ok(Self {
            rewriter: Rewriter::new(repository, access, session),
            frames: Frames::new(repository),
            lookup: repository.lookup_in(access.scope)?,
            plain: Vec::new(),
        })
    }

    fn pack(&mut self, known: &KnownPack, only_missing: bool) -> Result<Saved> {
        let (chunks, elsewhere) = (Vec::new(), BTreeSet::new());
        let mut saved = Saved { ordinal: known.ordinal, only_missing, chunks, elsewhere };
        let mut number = 0;
        for (frame, head) in (0..).zip(&known.pack.frames) {
            let numbers = number..number + head.chunks as usize;
            number = numbers.end;
            let mut plain = std::mem::take(&mut self.plain);
            match self.frames.read(known, frame, &mut plain) {
                Ok(()) => {}
                Err(error) if error.is_damage() => plain.clear(),
                Err(error) => return Err(error),
            }
            self.frame(&known.pack.chunks[numbers], head.frame_type, &plain, &mut saved)?;
            self.plain = plain;
        }
        Ok(saved)
    }

    /// Copies the chunks of a frame, of which nothing may be left.
    fn frame(
        &mut self,
        chunks: &[(Prefix, u32)],
        frame_type: FrameType,
        plain: &[u8],
        saved: &mut Saved,
    ) -> Result<()> {
        let mut at = 0;
        for (expected, len) in chunks {
            let range: Range<usize> = at..at + *len as usize;
            at = range.end;
            let found = plain.get(range).map(|bytes| (self.rewriter.id(frame_type, bytes), bytes));
            let place = match saved.only_missing || found.is_none() {
                true => self.lookup.find_prefix(expected)?,
                false => None,
            };
            match found.filter(|(id, _)| prefix(id) == *expected && place.is_none()) {
                Some((id, bytes)) => {
                    self.rewriter.write(frame_type, id, bytes)?;
                    saved.chunks.push(*expected);
                }
                None => saved.elsewhere.extend(place.map(|place| place.pack)),
            }
        }
        Ok(())
    }
}

/// What an entry says.
#[derive(Default)]
struct Marked {
    /// Packs that it takes out of use.
    marked: Vec<u32>,
    /// Packs for which it has no room.
    rest: Vec<u32>,
}

/// An entry that takes packs out of use.
struct Marking<'m> {
    session: SessionId,
    scope: u32,
    saved: &'m [Saved],
    new: &'m [SegmentPack],
    segments: &'m [SegmentId],
}

impl Marking<'_> {
    /// Appends it for those packs that nobody has in use.
    fn append(&self, repository: &mut Repository) -> Result<Marked> {
        let mut now = Marked::default();
        let appended = repository.append(self.session, &mut |state| {
            expect_open(state, self.session)?;
            let free = self.saved.iter().map(|saved| saved.ordinal).filter(|o| is_free(state, *o));
            now = Marked { marked: free.collect(), rest: Vec::new() };
            if now.marked.is_empty() {
                return nothing();
            }
            loop {
                let body = self.body(state, &now.marked);
                if now.marked.len() == 1 || body.check().is_ok() {
                    return Ok(body);
                }
                // More than an entry holds: the rest is for the next one.
                let half = now.marked.len() / 2;
                now.rest.extend(now.marked.drain(half..));
            }
        });
        Ok(unless_nothing(appended)?.map_or_else(Marked::default, |_| now))
    }

    fn body(&self, state: &State, marked: &[u32]) -> Body {
        let packs: Ordinals = marked.iter().copied().collect();
        let walked = state.live_snapshots().filter(|s| s.set.meets(&packs)).map(|s| s.id);
        let mut place: HashMap<Prefix, u32> = HashMap::new();
        for (ordinal, pack) in (state.packs.len() as u32..).zip(self.new) {
            place.extend(pack.chunks.iter().map(|(prefix, _)| (*prefix, ordinal)));
        }
        let stays = |o: &u32| {
            !packs.contains(*o) && state.packs.get(*o as usize).is_some_and(Pack::is_good)
        };
        let replacement = |saved: &Saved| Replacement {
            old: saved.ordinal,
            new: (saved.chunks.iter().filter_map(|prefix| place.get(prefix).copied()))
                .chain(saved.elsewhere.iter().copied().filter(stays))
                .collect::<BTreeSet<u32>>()
                .into_iter()
                .collect(),
            extra: Extra::default(),
        };
        let going = self.saved.iter().filter(|saved| packs.contains(saved.ordinal));
        Body::Mark(Mark {
            replacements: going.map(replacement).collect(),
            walked: walked.collect(),
            segments: self.segments.to_vec(),
            added: self.new.iter().map(|pack| pack_add(pack, self.session)).collect(),
            session: (!self.new.is_empty()).then_some(self.session),
            scope: Some(self.scope),
            packs,
            extra: Extra::default(),
        })
    }
}

/// Whether a pack can be marked as far as unfinished runs are concerned.
fn is_free(state: &State, ordinal: u32) -> bool {
    let pack = &state.packs[ordinal as usize];
    let is_held = state.holds.values().any(|hold| hold.contains(ordinal));
    let is_open = state.session_state(pack.session) == Some(SessionState::Open);
    pack.state != PackState::Deleting && !is_open && !is_held
}
