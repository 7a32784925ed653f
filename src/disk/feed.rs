//! A disk or an image file as something that is saved: what was never written is not read, zeros are
//! told as such, and what cannot be read is told too.

use super::kernel::Kernel;
use super::read::Reader;
use super::record::record;
use super::source::{Nature, Source};
use crate::source::{Extent, Fed, Feed, FeedError, Halt, Owners, Part, Stat, node};
use esker_format::chunking::is_zero;
use esker_format::ids::LinkGroup;
use esker_format::image::{DISK, encode};
use esker_format::node::{Fidelity, NodeKind, Time};
use std::collections::VecDeque;

/// What the blocks of nearly all file systems are, bytes. Holes count in them.
const BLOCK: u64 = 4096;

/// Bytes that are read at once: so few that they are still near the processor when they are looked at.
const PIECE: usize = 256 << 10;

/// Ranges of which a snapshot says that they could not be read; the content has all of them.
const TOLD: usize = 4;

/// An image that is saved.
pub struct Image {
    path: Vec<u8>,
    source: Source,
    reader: Reader,
    clock: fn() -> Time,
    at: u64,
    /// The end of the data that is read.
    data_end: u64,
    /// What was read, and not yet handed on.
    waiting: VecDeque<Part>,
}

impl Image {
    /// Of an open source, under an absolute path.
    pub fn new(path: Vec<u8>, source: Source, clock: fn() -> Time) -> Self {
        let (reader, at, data_end, waiting) = Default::default();
        Self { path, source, reader, clock, at, data_end, waiting }
    }

    /// The next hole, or where the data ends that comes next; in whole blocks, so that chunks begin
    /// where blocks of the disk do.
    fn extent(&mut self) -> Result<Option<u64>, FeedError> {
        let size = self.source.size();
        let extent = self.source.extent(self.at).map_err(|error| self.failed(&error))?;
        let (is_hole, len) = match extent {
            None => return Ok(None),
            Some(Extent::Hole(_, len)) => (true, len),
            Some(Extent::Data(_, len)) => (false, len),
        };
        let end = self.at + len;
        let whole = if end == size { end } else { end / BLOCK * BLOCK };
        if is_hole && whole > self.at {
            return Ok(Some(whole - self.at));
        }
        self.data_end = end.next_multiple_of(BLOCK).max(self.at + BLOCK).min(size);
        Ok(None)
    }

    fn failed(&self, error: &dyn std::error::Error) -> FeedError {
        let name = String::from_utf8_lossy(&self.path).into_owned();
        let why = match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        FeedError::NotWhole { name, why }
    }

    /// Reads the next data; what could not be read is a part of its own.
    fn data(&mut self, space: &mut [u8]) -> Result<Part, FeedError> {
        let len = (self.data_end - self.at).min(space.len().min(PIECE) as u64) as usize;
        let known = self.reader.unreadable().len();
        let is_whole = self.reader.read(&self.source, self.at, &mut space[..len]);
        let is_whole = is_whole.map_err(|error| self.failed(&error))?;
        if !is_whole {
            return Ok(self.around(&mut space[..len], known));
        }
        self.at += len as u64;
        Ok(if is_zero(&space[..len]) { Part::Zero(len as u64) } else { Part::Data(len) })
    }

    /// What was read up to the first range that could not be; behind that it is read again.
    fn around(&mut self, space: &mut [u8], known: usize) -> Part {
        // The last range that was known may have become longer.
        let ranges = &self.reader.unreadable()[known.saturating_sub(1)..];
        let (from, end) = (self.at, self.at + space.len() as u64);
        let Some(first) = ranges.iter().find(|range| range.end > from && range.start < end) else {
            self.at = end;
            return Part::Data(space.len());
        };
        let (begin, behind) = (first.start.max(from), first.end.min(end));
        self.at = behind;
        self.reader.forget(behind);
        if begin == from {
            return Part::Lost(behind - from);
        }
        self.waiting.push_back(Part::Lost(behind - begin));
        Part::Data((begin - from) as usize)
    }

    fn problem(&self) -> Option<String> {
        let ranges = self.reader.unreadable();
        let lost: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let told = ranges.iter().take(TOLD);
        let told: Vec<String> =
            told.map(|r| format!("{} from {} on", r.end - r.start, r.start)).collect();
        let more = if ranges.len() > TOLD { ", and more" } else { "" };
        let unread = (lost > 0)
            .then(|| format!("{lost} bytes could not be read: {}{more}", told.join(", ")));
        // The path stands before it.
        let changed = self.source.changed().map(|changed| changed.trim_start_matches("it "));
        let changed = changed.map(str::to_owned);
        match (unread, changed) {
            (Some(unread), Some(changed)) => Some(format!("{changed}; {unread}")),
            (unread, changed) => unread.or(changed),
        }
    }

    /// Whether a device that was only read because it was mounted read-only is written to by now.
    fn live(&self) -> Vec<String> {
        let now = super::usage::uses(&Kernel::default(), self.source.path()).unwrap_or_default();
        let mut all: Vec<String> = self.source.live().map(ToString::to_string).collect();
        for used in now.iter().filter(|used| used.may_change()).map(ToString::to_string) {
            if !all.contains(&used) {
                all.push(used);
            }
        }
        all
    }
}

impl Feed for Image {
    fn path(&self) -> &[u8] {
        &self.path
    }

    fn kind(&self) -> NodeKind {
        NodeKind::Image
    }

    fn stat(&self) -> Option<Stat> {
        // A file that may be written through a mapping has old times until it is closed.
        let is_sure = self.source.nature() == Nature::File && self.source.live().next().is_none();
        // One file does not tell of the others that an image lies on, nor of what was saved as a file.
        let is_sure = is_sure && self.source.layers().is_empty();
        is_sure.then(|| *self.source.stat())
    }

    fn next(&mut self, space: &mut [u8], halt: Halt<'_>) -> Result<Part, FeedError> {
        if halt() {
            return Err(FeedError::Stopped);
        }
        if let Some(part) = self.waiting.pop_front() {
            return Ok(part);
        }
        if self.at >= self.source.size() {
            return Ok(Part::End);
        }
        if self.at >= self.data_end
            && let Some(hole) = self.extent()?
        {
            self.at += hole;
            return Ok(Part::Hole(hole));
        }
        self.data(space)
    }

    fn finish(&mut self, _: Halt<'_>) -> Result<Fed, FeedError> {
        let live = self.live();
        let (free, layers) = (self.source.left_out(), self.source.layers());
        let disk = record(&self.source.geometry(), live, free, layers);
        let xattrs = vec![(DISK.to_vec(), encode(&disk))];
        let mut fed = Fed::whole(NodeKind::Image, (self.clock)(), xattrs);
        if self.source.nature() == Nature::File {
            let stat = self.source.stat();
            let mut owners = Owners::default();
            fed.node = node(stat, NodeKind::Image, &mut owners, || LinkGroup::new([0; 16]));
            fed.node.links = None;
        }
        fed.problem = self.problem();
        fed.node.fidelity = match (self.reader.unreadable().is_empty(), &fed.problem) {
            (false, _) => Some(Fidelity::Damaged),
            (true, Some(_)) => Some(Fidelity::Changed),
            (true, None) => None,
        };
        fed.stat = self.stat().filter(|_| fed.problem.is_none());
        Ok(fed)
    }
}
