//! A disk copied to another one: read by one thread, compared and written by another.

use super::error::{Error, Result};
use super::read::Reader;
use super::source::Source;
use super::target::Target;
use super::verify::{self, Verify};
use crate::source::Extent;
use crossbeam_channel::{Receiver, Sender, bounded};
use esker_format::chunking::is_zero;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes that are read at once.
const PIECE: u64 = 1 << 20;

/// Bytes that one hash stands for when what was written is read again.
const WINDOW: u64 = 8 << 20;

/// Pieces that wait to be written at most.
const WAITING: usize = 8;

/// One copy.
#[derive(Debug)]
pub struct Copy<'c> {
    /// What is read.
    pub source: &'c Source,
    /// What is written.
    pub target: &'c Target,
    /// How much of it.
    pub len: u64,
    /// Whether all is read back from the disk at the end.
    pub verify: bool,
}

/// How far a copy is; read by whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes done.
    pub bytes: AtomicU64,
    /// Bytes in all.
    pub of_bytes: AtomicU64,
}

/// What came of it, beside what the target counted.
#[derive(Debug, Default)]
pub struct Copied {
    /// What could not be read, and is zero now.
    pub unreadable: Vec<Range<u64>>,
    /// Bytes that were read back, when that was asked for.
    pub verified: Option<u64>,
    /// Where the disk does not have what was written.
    pub differing: Vec<Range<u64>>,
}

/// A part of the source, in order.
enum Part {
    Data(u64, Vec<u8>),
    Zero(u64, u64),
}

/// Copies.
///
/// # Errors
/// When the source is gone, the target cannot be written, or `stop` was set.
pub fn copy(copy: &Copy<'_>, progress: &Progress, stop: &AtomicBool) -> Result<Copied> {
    let times = if copy.verify { 2 } else { 1 };
    progress.of_bytes.store(copy.len * times, Ordering::Relaxed);
    let (parts, to_write) = bounded(WAITING);
    let (empty, used) = bounded(WAITING + 2);
    let mut hashes = Hashes::default();
    let unreadable = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read(copy, parts, &used, stop));
        // When writing fails, the reader finds nobody there and ends.
        let written = write(copy, to_write, &empty, &mut hashes, progress);
        let read =
            reading.join().map_err(|_| Error::Interrupted { path: copy.target.path().into() })?;
        written.and(read)
    })?;
    hashes.finish();
    copy.target.sync()?;
    let mut copied = Copied { unreadable, ..Copied::default() };
    if copy.verify && !copy.target.is_dry_run() {
        copied.differing = hashes.compare(copy, progress, stop)?;
        copied.verified = Some(copy.len);
    }
    Ok(copied)
}

fn read(
    copy: &Copy<'_>,
    parts: Sender<Part>,
    used: &Receiver<Vec<u8>>,
    stop: &AtomicBool,
) -> Result<Vec<Range<u64>>> {
    let mut reader = Reader::default();
    let mut at = 0;
    while let Some(extent) = copy.source.extent(at)?.filter(|_| at < copy.len) {
        let (Extent::Data(_, len) | Extent::Hole(_, len)) = extent;
        let end = (at + len).min(copy.len);
        if matches!(extent, Extent::Hole(..)) {
            // Nobody takes it when writing has failed, which is told there.
            if parts.send(Part::Zero(at, end - at)).is_err() {
                return Ok(Vec::new());
            }
            at = end;
        }
        while at < end {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted { path: copy.target.path().into() });
            }
            let len = (end - at).min(PIECE - at % PIECE);
            let mut bytes = used.try_recv().unwrap_or_default();
            bytes.resize(len as usize, 0);
            reader.read(copy.source, at, &mut bytes)?;
            let part = if is_zero(&bytes) { Part::Zero(at, len) } else { Part::Data(at, bytes) };
            if parts.send(part).is_err() {
                return Ok(Vec::new());
            }
            at += len;
        }
    }
    Ok(reader.unreadable().to_vec())
}

fn write(
    copy: &Copy<'_>,
    parts: Receiver<Part>,
    empty: &Sender<Vec<u8>>,
    hashes: &mut Hashes,
    progress: &Progress,
) -> Result<()> {
    for part in parts {
        let len = match part {
            Part::Zero(at, len) => {
                copy.target.zeros(at, len)?;
                if copy.verify {
                    hashes.zeros(at, len);
                }
                len
            }
            Part::Data(at, bytes) => {
                copy.target.data(at, &bytes)?;
                if copy.verify {
                    hashes.data(at, &bytes);
                }
                let len = bytes.len() as u64;
                // Fresh memory costs more than a copy.
                let _ = empty.try_send(bytes);
                len
            }
        };
        progress.bytes.fetch_add(len, Ordering::Relaxed);
    }
    Ok(())
}

/// What was written, in little room: one hash for each window, none for zeros.
#[derive(Default)]
struct Hashes {
    done: Vec<Option<blake3::Hash>>,
    open: Option<(u64, blake3::Hasher)>,
}

impl Hashes {
    fn data(&mut self, at: u64, bytes: &[u8]) {
        self.go_to(at / WINDOW);
        let start = at / WINDOW * WINDOW;
        let (from, hasher) = self.open.get_or_insert_with(|| (start, blake3::Hasher::new()));
        // Zeros in between were told without their bytes.
        pad(hasher, at - *from);
        hasher.update(bytes);
        *from = at + bytes.len() as u64;
    }

    fn zeros(&mut self, at: u64, len: u64) {
        self.go_to(at / WINDOW);
        self.go_to((at + len) / WINDOW);
    }

    /// Closes windows before this one.
    fn go_to(&mut self, window: u64) {
        if window > self.done.len() as u64 {
            self.close();
            self.done.resize(window as usize, None);
        }
    }

    fn close(&mut self) {
        let hash = self.open.take().map(|(from, mut hasher)| {
            pad(&mut hasher, (self.done.len() as u64 + 1) * WINDOW - from);
            hasher.finalize()
        });
        self.done.push(hash);
    }

    fn finish(&mut self) {
        if self.open.is_some() {
            self.close();
        }
    }

    /// Reads everything back; the windows that are not what was written.
    fn compare(
        &self,
        copy: &Copy<'_>,
        progress: &Progress,
        stop: &AtomicBool,
    ) -> Result<Vec<Range<u64>>> {
        let mut verify = Verify::new(copy.target)?;
        let mut differing = Vec::new();
        let mut at = 0;
        while at < copy.len {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted { path: copy.target.path().into() });
            }
            let end = (at + WINDOW).min(copy.len);
            let expected = self.done.get((at / WINDOW) as usize).copied().flatten();
            if !is_as_written(&mut verify, at..end, expected)? {
                differing.push(at..end);
            }
            progress.bytes.fetch_add(end - at, Ordering::Relaxed);
            at = end;
        }
        Ok(differing)
    }
}

fn is_as_written(
    verify: &mut Verify<'_>,
    window: Range<u64>,
    expected: Option<blake3::Hash>,
) -> Result<bool> {
    let (mut hasher, mut at) = (blake3::Hasher::new(), window.start);
    while at < window.end {
        let len = (window.end - at).min(verify::PIECE as u64);
        let bytes = verify.read(at, len as usize)?;
        match expected {
            Some(_) => {
                hasher.update(bytes);
            }
            None if !is_zero(bytes) => return Ok(false),
            None => {}
        }
        at += len;
    }
    pad(&mut hasher, (window.start / WINDOW + 1) * WINDOW - window.end);
    Ok(expected.is_none_or(|expected| hasher.finalize() == expected))
}

/// Hashes so many zeros.
fn pad(hasher: &mut blake3::Hasher, mut len: u64) {
    let zeros = [0; 4096];
    while len > 0 {
        let piece = len.min(zeros.len() as u64);
        hasher.update(&zeros[..piece as usize]);
        len -= piece;
    }
}
