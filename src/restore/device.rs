//! An image onto a disk: what differs is written, frame by frame, by all threads.
//!
//! ```text
//! plan    goes through the content: zeros at once, chunks put together by frame   the calling thread
//! work    open each frame once, check each chunk, compare, write                  a thread for each core
//! verify  when asked for: all is read again from the disk                         the calling thread
//! ```

mod find;
mod verify;
mod work;

pub use find::{Found, find};

use super::{Progress, Result};
use crate::disk::Target;
use crate::repository::{self, Chunks, Frames, Items, KnownPack, Location, Repository};
use crossbeam_channel::Sender;
use esker_format::content::{Content, Item};
use esker_format::ids::ChunkId;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Chunks gathered at most before they are put together by frame.
const CHUNKS_MAX: usize = 16 << 10;

/// Memory for frames of pages, bytes.
const BUDGET: usize = 8 << 20;

/// What goes where.
pub struct Request<'r> {
    /// The scope of the snapshot.
    pub scope: u32,
    /// The content of the image; none when it is empty.
    pub content: Option<&'r Content>,
    /// Which bytes of it; they go to the beginning of the target.
    pub range: Range<u64>,
    /// A disk or an image file.
    pub target: &'r Target,
    /// Threads that write.
    pub threads: usize,
    /// Whether all is read again from the disk.
    pub verify: bool,
}

/// What came of it, beside what the target counted; ranges are those of the target.
#[derive(Debug, Default)]
pub struct Report {
    /// Bytes that could not be read when the image was saved: zero now.
    pub unread: Vec<Range<u64>>,
    /// Bytes that the repository has lost: zero now.
    pub lost: Vec<Range<u64>>,
    /// Bytes that were read again.
    pub verified: Option<u64>,
    /// Where the disk does not have what was written.
    pub differing: Vec<Range<u64>>,
}

/// A piece of a chunk, and where it goes.
struct Piece {
    /// Where in the target.
    at: u64,
    /// Which bytes of the chunk.
    part: Range<usize>,
    id: ChunkId,
    len: u64,
    place: Location,
}

/// Pieces of one frame.
struct Job {
    pack: Arc<KnownPack>,
    frame: u32,
    pieces: Vec<Piece>,
}

/// What all threads share.
struct Shared<'r> {
    target: &'r Target,
    progress: &'r Progress,
    stop: &'r AtomicBool,
    failed: AtomicBool,
    failure: Mutex<Option<super::Error>>,
    lost: Mutex<Vec<Range<u64>>>,
}

impl Shared<'_> {
    fn is_over(&self) -> bool {
        self.failed.load(Relaxed) || self.stop.load(Relaxed)
    }

    fn fail(&self, error: super::Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        self.failed.store(true, Relaxed);
    }

    /// The repository has lost these bytes: they are zero.
    fn lose(&self, range: Range<u64>) -> Result<()> {
        self.target.zeros(range.start, range.end - range.start)?;
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).push(range);
        Ok(())
    }
}

/// Writes an image to a disk.
///
/// # Errors
/// When store or index fail, the disk cannot be written, or `stop` was set: run again, it goes on.
pub fn restore(
    repository: &Repository,
    request: &Request<'_>,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Report> {
    let len = request.range.end - request.range.start;
    progress.of_bytes.store(if request.verify { len * 2 } else { len }, Relaxed);
    progress.planned.store(true, Relaxed);
    let (failed, failure, lost) = Default::default();
    let shared = Shared { target: request.target, progress, stop, failed, failure, lost };
    let keys = repository.access().scope_keys_of(request.scope)?;
    let others = Mutex::new(Chunks::new(repository, request.scope, BUDGET)?);
    let mut plan = Plan {
        chunks: Chunks::new(repository, request.scope, BUDGET)?,
        shared: &shared,
        pieces: Vec::new(),
        unread: Vec::new(),
    };
    let (jobs, work) = crossbeam_channel::bounded::<Job>(request.threads * 2);
    let planned = std::thread::scope(|scope| {
        for _ in 0..request.threads {
            let (frames, work) = (Frames::new(repository), work.clone());
            let (shared, others) = (&shared, &others);
            scope.spawn(move || work::run(frames, others, shared, &work));
        }
        drop(work);
        plan.run(request, &jobs).inspect_err(|_| shared.failed.store(true, Relaxed))?;
        drop(jobs);
        Ok::<_, super::Error>(plan)
    });
    let mut plan = planned?;
    if let Some(failure) = shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(failure);
    }
    if stop.load(Relaxed) {
        return Err(repository::Error::Interrupted.into());
    }
    request.target.sync()?;
    let mut lost = std::mem::take(&mut *shared.lost.lock().unwrap_or_else(PoisonError::into_inner));
    lost.sort_by_key(|range| range.start);
    let unread = std::mem::take(&mut plan.unread);
    let mut report = Report { unread, lost: joined(lost), ..Report::default() };
    if request.verify && !request.target.is_dry_run() {
        verify::verify(request, &mut plan.chunks, &keys, &shared, &mut report)?;
    }
    Ok(report)
}

/// The thread that goes through the content.
struct Plan<'p> {
    chunks: Chunks,
    shared: &'p Shared<'p>,
    pieces: Vec<Piece>,
    unread: Vec<Range<u64>>,
}

impl Plan<'_> {
    fn run(&mut self, request: &Request<'_>, jobs: &Sender<Job>) -> Result<()> {
        let mut at = 0;
        let Some(content) = request.content else { return Ok(()) };
        match content {
            Content::Inline(bytes) => {
                let end = (request.range.end as usize).min(bytes.len());
                let bytes = bytes.get(request.range.start as usize..end).unwrap_or_default();
                self.shared.target.data(0, bytes)?;
                return Ok(());
            }
            Content::Items(_) | Content::List(_) => {}
        }
        let mut items = Items::new(content);
        while let Some((item, _)) = items.next(&mut self.chunks)? {
            if self.shared.is_over() {
                return Ok(());
            }
            let (from, to) = (at, at + item.len());
            at = to;
            if to <= request.range.start {
                continue;
            }
            if from >= request.range.end {
                break;
            }
            let wanted = from.max(request.range.start)..to.min(request.range.end);
            let part = (wanted.start - from) as usize..(wanted.end - from) as usize;
            let place = wanted.start - request.range.start..wanted.end - request.range.start;
            self.item(item, part, place, jobs)?;
        }
        self.flush(jobs)
    }

    fn item(
        &mut self,
        item: Item,
        part: Range<usize>,
        place: Range<u64>,
        jobs: &Sender<Job>,
    ) -> Result<()> {
        let len = place.end - place.start;
        match item {
            Item::Data(id, of) => {
                let Some(found) = self.chunks.lookup().find(&id)? else {
                    self.shared.progress.bytes.fetch_add(len, Relaxed);
                    return self.shared.lose(place);
                };
                self.pieces.push(Piece { at: place.start, part, id, len: of, place: found });
                if self.pieces.len() >= CHUNKS_MAX {
                    self.flush(jobs)?;
                }
                return Ok(());
            }
            Item::Hole(_) | Item::Zero(_) => self.shared.target.zeros(place.start, len)?,
            Item::Lost(_) => {
                self.shared.target.zeros(place.start, len)?;
                // A long stretch was recorded in pieces.
                match self.unread.last_mut() {
                    Some(last) if last.end == place.start => last.end = place.end,
                    _ => self.unread.push(place),
                }
            }
        }
        self.shared.progress.bytes.fetch_add(len, Relaxed);
        Ok(())
    }

    /// Hands out what was gathered, frames in the order in which they are needed first.
    fn flush(&mut self, jobs: &Sender<Job>) -> Result<()> {
        let mut numbers = HashMap::new();
        let mut frames: Vec<Vec<Piece>> = Vec::new();
        for piece in std::mem::take(&mut self.pieces) {
            let key = (piece.place.pack, piece.place.frame);
            let number = *numbers.entry(key).or_insert_with(|| {
                frames.push(Vec::new());
                frames.len() - 1
            });
            frames[number].push(piece);
        }
        for pieces in frames {
            let Some(first) = pieces.first() else { continue };
            let frame = first.place.frame;
            let pack = self.chunks.lookup().pack(first.place.pack)?;
            // Workers take everything until this is dropped.
            let _ = jobs.send(Job { pack, frame, pieces });
        }
        Ok(())
    }
}

/// Ranges that touch are one.
fn joined(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}
