//! Comparing a file that is there with the content list of the snapshot, chunk by chunk.

use crate::restore::outcome::Outcome;
use crate::restore::pending::Pending;
use crossbeam_channel::Sender;
use esker_format::content::{Content, Item};
use esker_format::ids::ChunkId;
use esker_format::key::ScopeKeys;
use esker_format::node::NodeKind;
use rustix::fs::SeekFrom;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Some pieces of a file to be compared. However it ends, an answer goes back.
pub struct Comparison {
    file: Option<Arc<Pending>>,
    items: Vec<(u64, Item)>,
    /// Whether these are all pieces of the file.
    is_all: bool,
    differing: Vec<(u64, ChunkId, u64)>,
    answers: Sender<Answer>,
}

/// What came of it.
pub struct Answer {
    /// The file.
    pub file: Arc<Pending>,
    /// Chunks that have to be fetched: where, which, and how long.
    pub differing: Vec<(u64, ChunkId, u64)>,
}

impl Drop for Comparison {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            let differing = std::mem::take(&mut self.differing);
            // Nobody waits for it any more when the plan has failed.
            let _ = self.answers.send(Answer { file, differing });
        }
    }
}

impl Comparison {
    /// Pieces to be compared, each with its place in the file.
    pub const fn new(
        file: Arc<Pending>,
        items: Vec<(u64, Item)>,
        is_all: bool,
        answers: Sender<Answer>,
    ) -> Self {
        Self { file: Some(file), items, is_all, differing: Vec::new(), answers }
    }

    /// Compares.
    pub fn run(mut self, outcome: &Outcome, keys: &ScopeKeys, buffer: &mut Vec<u8>) {
        let Some(pending) = self.file.clone() else { return };
        let Some(base) = &pending.base else { return };
        let file = base.file(outcome, &pending.key);
        if let Some(Content::Inline(bytes)) = &pending.node.content {
            outcome.progress.bytes.fetch_add(bytes.len() as u64, Relaxed);
        }
        if let Some(Content::Inline(bytes)) = &pending.node.content
            && !file.as_ref().is_some_and(|file| holds(file, 0, bytes, buffer))
        {
            base.differ();
        }
        let items = std::mem::take(&mut self.items);
        let is_single = self.is_all && items.len() < 2;
        for (at, item) in items {
            if outcome.is_over() {
                break;
            }
            let range = (at, at + item.len());
            match (item, &file) {
                (Item::Data(id, len), Some(file))
                    if has_chunk(file, at, &id, len, keys, buffer) =>
                {
                    base.ranges().equal.push(range);
                    outcome.progress.bytes.fetch_add(len, Relaxed);
                }
                (Item::Data(id, len), _) => {
                    base.differ();
                    self.differing.push((at, id, len));
                }
                (Item::Hole(len) | Item::Zero(len), Some(file)) => {
                    let is_image = pending.node.kind == NodeKind::Image;
                    let is_hole = is_image || matches!(item, Item::Hole(_));
                    match zeros(file, at, len, buffer) {
                        Zeros::Hole => {}
                        Zeros::Solid if is_hole => base.ranges().solid.push(range),
                        Zeros::Solid => {}
                        Zeros::No => {
                            base.differ();
                            base.ranges().clear.push((range.0, range.1, is_hole));
                        }
                    }
                    outcome.progress.bytes.fetch_add(len, Relaxed);
                }
                (Item::Hole(len) | Item::Zero(len), None) => {
                    base.differ();
                    outcome.progress.bytes.fetch_add(len, Relaxed);
                }
                // Told when the comparison was asked for.
                (Item::Lost(len), _) => drop(outcome.progress.bytes.fetch_add(len, Relaxed)),
            }
        }
        if is_single {
            // Either all of it is fetched or nothing: it is not needed until then.
            drop(file);
            base.close();
        }
    }
}

/// Whether the file has these bytes at this place.
pub fn holds(file: &File, at: u64, bytes: &[u8], buffer: &mut Vec<u8>) -> bool {
    buffer.resize(bytes.len(), 0);
    file.read_exact_at(buffer, at).is_ok() && buffer == bytes
}

/// Whether the file has this chunk at this place.
pub fn has_chunk(
    file: &File,
    at: u64,
    id: &ChunkId,
    len: u64,
    keys: &ScopeKeys,
    buffer: &mut Vec<u8>,
) -> bool {
    buffer.resize(len as usize, 0);
    file.read_exact_at(buffer, at).is_ok() && keys.data_id(buffer) == *id
}

/// What a range that should be zero is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zeros {
    /// A hole, as far as the file system says so.
    Hole,
    /// Zeros that take space.
    Solid,
    /// Something else, or too short.
    No,
}

/// What a range of a file that should be zero is.
pub fn zeros(file: &File, at: u64, len: u64, buffer: &mut Vec<u8>) -> Zeros {
    const STEP: u64 = 256 << 10;
    let end = at + len;
    if !file.metadata().is_ok_and(|now| now.len() >= end) {
        return Zeros::No;
    }
    let (mut from, mut found) = (at, Zeros::Hole);
    while from < end {
        match rustix::fs::seek(file, SeekFrom::Data(from)) {
            Ok(data) if data >= end => break,
            Ok(data) => from = data,
            Err(rustix::io::Errno::NXIO) => break,
            // A file system that knows no holes.
            Err(_) => {}
        }
        let step = (end - from).min(STEP) as usize;
        buffer.resize(step, 0);
        if file.read_exact_at(buffer, from).is_err() || buffer.iter().any(|byte| *byte != 0) {
            return Zeros::No;
        }
        found = Zeros::Solid;
        from += step as u64;
    }
    found
}
