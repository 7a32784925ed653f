//! Chunks that wait to be fetched, put together by frame, so that each frame is opened once.

use super::existing::Comparison;
use super::pending::Pending;
use crate::repository::{Extent, KnownPack, Location, Lookup, Result};
use esker_format::ids::ChunkId;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;

/// Chunks gathered at most. As the files of a run lie together, hardly any frame is needed by
/// two windows. A chunk takes about a hundred bytes here, and its file six hundred more.
const CHUNKS_MAX: usize = 16 << 10;

/// Bytes between two needed frames that are read rather than asked for anew.
const GAP: u64 = 256 << 10;

/// Work for a worker.
pub enum Job {
    /// Chunks of one frame, and the bytes of its pack where they were read already.
    Frame { pack: Arc<KnownPack>, frame: u32, parts: Vec<Part>, read: Option<Arc<Extent>> },
    /// Frames of one pack that one request brings. Who takes it makes jobs for each of them.
    Load { pack: Arc<KnownPack>, range: Range<u64>, frames: Frames },
    /// Files that need no frame, or none any more.
    Files(Vec<Arc<Pending>>),
    /// A file that is there.
    Compare(Comparison),
}

/// Frames of one pack by their numbers, and what is needed of each.
pub type Frames = Vec<(u32, Vec<Part>)>;

/// A chunk, and where it goes.
pub struct Part {
    pub file: Arc<Pending>,
    /// Where in the file.
    pub at: u64,
    pub id: ChunkId,
    pub place: Location,
    /// Its length as the file has it.
    pub len: u64,
}

/// Chunks that wait.
pub struct Window {
    parts: Vec<Part>,
    /// Files of several chunks, which may be open together.
    shared: usize,
    shared_max: usize,
    /// Whether the store is so far away that frames come together.
    is_far: bool,
}

impl Window {
    /// A window of which so many files may be open together.
    pub const fn new(shared_max: usize, is_far: bool) -> Self {
        Self { parts: Vec::new(), shared: 0, shared_max, is_far }
    }

    /// Counts a file of several pieces, which stays open until the last of them is written; true
    /// when no more can be open and the window has to be taken first.
    pub const fn open(&mut self) -> bool {
        self.shared += 1;
        self.shared > self.shared_max
    }

    /// Adds a chunk; true when the window is full.
    pub fn add(&mut self, part: Part) -> bool {
        self.parts.push(part);
        self.parts.len() >= CHUNKS_MAX
    }

    /// Takes out frames in the order in which they are needed first: so files come in the order of their
    /// paths, and those that lie in two frames are soon done.
    ///
    /// Of a store that is far away, packs of which more is to be expected stay for the next time, so
    /// that they come once: see [`ready`].
    ///
    /// # Errors
    /// When the index fails.
    pub fn take(&mut self, lookup: &mut Lookup) -> Result<Vec<Job>> {
        if !self.is_far {
            return self.take_all(lookup);
        }
        let ready = ready(&self.parts, lookup)?;
        let is_ready = |part: &Part| ready.contains(&part.place.pack);
        let (go, stay) = std::mem::take(&mut self.parts).into_iter().partition(is_ready);
        self.parts = stay;
        self.shared = shared(&self.parts);
        self.jobs(go, lookup)
    }

    /// Takes everything out.
    ///
    /// # Errors
    /// When the index fails.
    pub fn take_all(&mut self, lookup: &mut Lookup) -> Result<Vec<Job>> {
        self.shared = 0;
        let parts = std::mem::take(&mut self.parts);
        self.jobs(parts, lookup)
    }

    fn jobs(&self, parts: Vec<Part>, lookup: &mut Lookup) -> Result<Vec<Job>> {
        let mut frames = by(parts, |part| (part.place.pack, part.place.frame));
        for parts in &mut frames {
            // A chunk that several files have is checked once.
            parts.sort_by_key(|part| part.place.offset);
        }
        if self.is_far {
            return loads(frames, lookup);
        }
        let mut jobs = Vec::with_capacity(frames.len());
        for parts in frames {
            let Some(first) = parts.first() else { continue };
            let (pack, frame) = (lookup.pack(first.place.pack)?, first.place.frame);
            jobs.push(Job::Frame { pack, frame, parts, read: None });
        }
        Ok(jobs)
    }
}

/// Puts together what has the same key, in the order in which keys come first.
fn by<T, K: Eq + Hash>(all: Vec<T>, key: impl Fn(&T) -> K) -> Vec<Vec<T>> {
    let mut numbers = HashMap::new();
    let mut groups: Vec<Vec<T>> = Vec::new();
    for one in all {
        let number = *numbers.entry(key(&one)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[number].push(one);
    }
    groups
}

/// How many files of several chunks wait.
fn shared(parts: &[Part]) -> usize {
    let is_shared = |part: &&Part| part.len < part.file.node.len();
    let files = parts.iter().filter(is_shared).map(|part| Arc::as_ptr(&part.file));
    files.collect::<HashSet<_>>().len()
}

/// What is known of one pack while chunks of it wait.
#[derive(Default)]
struct Waiting {
    /// Where among the parts it was needed last.
    last: usize,
    chunks: HashSet<u32>,
    frames: HashSet<u32>,
    parts: usize,
}

/// The packs that are not worth waiting for: those of which all chunks are here, and as many others as
/// it takes to make room. Of these come first the ones that are fetched whole, as what is needed of them
/// later is then here; the others, those first that were needed longest ago, have to be asked again.
fn ready(parts: &[Part], lookup: &mut Lookup) -> Result<HashSet<u32>> {
    let mut packs: HashMap<u32, Waiting> = HashMap::new();
    for (at, part) in parts.iter().enumerate() {
        let pack = packs.entry(part.place.pack).or_default();
        pack.last = at;
        pack.chunks.insert(part.place.number);
        pack.frames.insert(part.place.frame);
        pack.parts += 1;
    }
    let (mut ready, mut freed, mut others) = (HashSet::new(), 0, Vec::new());
    for (ordinal, waiting) in packs {
        let pack = lookup.pack(ordinal)?;
        if waiting.chunks.len() >= pack.pack.chunks.len() {
            ready.insert(ordinal);
            freed += waiting.parts;
        } else {
            let spans = waiting.frames.iter().filter_map(|frame| pack.span(*frame));
            others.push((!is_most(&pack, spans), waiting.last, ordinal, waiting.parts));
        }
    }
    others.sort_unstable();
    for (.., ordinal, count) in others {
        if freed >= CHUNKS_MAX / 4 {
            break;
        }
        ready.insert(ordinal);
        freed += count;
    }
    Ok(ready)
}

/// Whether frames are so much of a pack that all of it is fetched.
fn is_most(pack: &KnownPack, frames: impl Iterator<Item = Range<u64>>) -> bool {
    let needed: u64 = frames.map(|span| span.end - span.start).sum();
    let all = pack.frames_span();
    needed * 2 >= all.end - all.start
}

/// Frames of one pack that are near to each other come with one request, and all of them when they are
/// most of the pack.
fn loads(frames: Vec<Vec<Part>>, lookup: &mut Lookup) -> Result<Vec<Job>> {
    let place = |parts: &Vec<Part>| parts.first().map(|part| (part.place.pack, part.place.frame));
    let frames: Vec<_> =
        frames.into_iter().filter_map(|parts| Some((place(&parts)?, parts))).collect();
    let mut jobs = Vec::new();
    for mut frames in by(frames, |((pack, _), _)| *pack) {
        frames.sort_by_key(|((_, frame), _)| *frame);
        let Some(((ordinal, _), _)) = frames.first() else { continue };
        let pack = lookup.pack(*ordinal)?;
        let frames: Vec<(Range<u64>, u32, Vec<Part>)> = frames
            .into_iter()
            .map(|((_, frame), parts)| (pack.span(frame).unwrap_or(0..0), frame, parts))
            .collect();
        let is_most = is_most(&pack, frames.iter().map(|(span, ..)| span.clone()));
        let mut runs: Vec<(Range<u64>, Frames)> = Vec::new();
        for (span, frame, parts) in frames {
            match runs.last_mut() {
                Some((range, run)) if is_most || span.start.saturating_sub(range.end) <= GAP => {
                    range.end = range.end.max(span.end);
                    run.push((frame, parts));
                }
                _ => runs.push((span, vec![(frame, parts)])),
            }
        }
        if is_most && let Some((range, _)) = runs.first_mut() {
            *range = pack.frames_span();
        }
        let load = |(range, frames)| Job::Load { pack: Arc::clone(&pack), range, frames };
        jobs.extend(runs.into_iter().map(load));
    }
    Ok(jobs)
}
