//! A pack as the index knows it.

use super::lookup::Location;
use esker_format::frame::FrameHead;
use esker_format::segment::{Prefix, SegmentPack};
use std::collections::HashMap;
use std::ops::Range;

/// One pack of the index, ready for look-ups.
pub struct KnownPack {
    /// Its ordinal.
    pub ordinal: u32,
    /// Its scope, whose keys name its chunks.
    pub scope: u32,
    /// What the segment says of it.
    pub pack: SegmentPack,
    /// Where each chunk lies.
    pub(super) chunks: HashMap<Prefix, Location>,
    /// Where each frame begins in the pack.
    offsets: Vec<u64>,
}

impl KnownPack {
    /// Takes it apart.
    pub(in crate::repository) fn new(ordinal: u32, scope: u32, pack: SegmentPack) -> Self {
        let mut chunks = HashMap::with_capacity(pack.chunks.len());
        let (mut list, mut at) = (pack.chunks.iter(), pack.header.len() as u64);
        let mut number = 0;
        let mut offsets = Vec::with_capacity(pack.frames.len());
        for (frame, head) in pack.frames.iter().enumerate() {
            offsets.push(at);
            at += u64::from(head.sealed_len);
            let mut offset = 0;
            for (prefix, len) in list.by_ref().take(head.chunks as usize) {
                let frame = frame as u32;
                let place = Location { pack: ordinal, frame, offset, len: *len, number };
                number += 1;
                chunks.insert(*prefix, place);
                offset += len;
            }
        }
        Self { ordinal, scope, pack, chunks, offsets }
    }

    /// Head of a frame and where it begins in the pack.
    pub fn frame(&self, number: u32) -> Option<(FrameHead, u64)> {
        let number = number as usize;
        Some((*self.pack.frames.get(number)?, *self.offsets.get(number)?))
    }

    /// Where a frame lies in the pack.
    pub fn span(&self, number: u32) -> Option<Range<u64>> {
        let (head, start) = self.frame(number)?;
        Some(start..start + u64::from(head.sealed_len))
    }

    /// Where all frames lie in the pack.
    pub fn frames_span(&self) -> Range<u64> {
        let last = self.pack.frames.len().saturating_sub(1);
        let end = self.span(last as u32).map_or(0, |span| span.end);
        self.offsets.first().copied().unwrap_or(end)..end
    }

    /// The frames around one that have its type and follow each other.
    pub fn neighbours(&self, number: u32) -> Range<u32> {
        let (frames, at) = (&self.pack.frames, number as usize);
        let Some(of_type) = frames.get(at).map(|head| head.frame_type) else {
            return number..number;
        };
        let other = |head: &FrameHead| head.frame_type != of_type;
        let start = frames[..at].iter().rposition(other).map_or(0, |before| before + 1);
        let end = frames[at..].iter().position(other).map_or(frames.len(), |behind| at + behind);
        start as u32..end as u32
    }
}
