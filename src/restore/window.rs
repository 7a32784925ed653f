//! Chunks that wait to be fetched, put together by frame, so that each frame is opened once.

use super::existing::Comparison;
use super::pending::Pending;
use crate::repository::{KnownPack, Location, Lookup, Result};
use esker_format::ids::ChunkId;
use std::sync::Arc;

/// Chunks gathered at most. As the files of a run lie together, hardly any frame is needed by
/// two windows. A chunk takes about a hundred bytes here, and its file six hundred more.
const CHUNKS_MAX: usize = 16 << 10;

/// Work for a worker.
pub enum Job {
    /// Chunks of one frame.
    Frame { pack: Arc<KnownPack>, frame: u32, parts: Vec<Part> },
    /// Files that need no frame, or none any more.
    Files(Vec<Arc<Pending>>),
    /// A file that is there.
    Compare(Comparison),
}

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
}

impl Window {
    /// A window of which so many files may be open together.
    pub const fn new(shared_max: usize) -> Self {
        Self { parts: Vec::new(), shared: 0, shared_max }
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

    /// Takes everything out, frame by frame, in the order in which they are needed first: so files
    /// come in the order of their paths, and those that lie in two frames are soon done.
    ///
    /// # Errors
    /// When the index fails.
    pub fn take(&mut self, lookup: &mut Lookup) -> Result<Vec<Job>> {
        self.shared = 0;
        let mut numbers = std::collections::HashMap::new();
        let mut frames: Vec<Vec<Part>> = Vec::new();
        for part in self.parts.drain(..) {
            let number = *numbers.entry((part.place.pack, part.place.frame)).or_insert_with(|| {
                frames.push(Vec::new());
                frames.len() - 1
            });
            frames[number].push(part);
        }
        let mut jobs = Vec::with_capacity(frames.len());
        for mut parts in frames {
            // A chunk that several files have is checked once.
            parts.sort_by_key(|part| part.place.offset);
            let Some(first) = parts.first() else { continue };
            let (pack, frame) = (lookup.pack(first.place.pack)?, first.place.frame);
            jobs.push(Job::Frame { pack, frame, parts });
        }
        Ok(jobs)
    }
}
