//! Filling the index database from the log: what its segments say, or the packs themselves.

use crate::repository::error::{Error, Result};
use crate::repository::objects::{read_directory, read_segment};
use crate::repository::state::{Changes, Segment};
use crate::repository::{Repository, descriptions, log};
use esker_format::checkpoint::PackState;
use esker_format::ids::{PackId, SegmentId};
use esker_format::segment::SegmentPack;
use std::collections::HashSet;

/// Chunks of packs that are brought into the index in one go, some 10 MiB in memory.
const CHUNKS_AT_ONCE: usize = 256 << 10;

impl Repository {
    /// Whether the index lacks a segment of the log: a new one, or one that could not be read.
    pub(super) fn lacks_segments(&self) -> Result<bool> {
        let known = self.index.segments()?;
        Ok(self.segments().any(|segment| !known.contains(&segment.id)))
    }

    /// The segments that this key reads.
    pub(super) fn segments(&self) -> impl Iterator<Item = Segment> {
        let mine = self.state.segments.iter().filter(|s| self.access.has_scope(s.scope));
        mine.copied()
    }

    /// Brings what the log says into the index database: packs of `own`, which the segments `of`
    /// this run describe, and all others that it lacks. A segment that cannot be read is tried
    /// again whenever the repository is opened.
    pub(super) fn index_segments(&mut self, own: &[SegmentPack], of: &[SegmentId]) -> Result<()> {
        self.presence.learn(&self.state);
        let mut known = self.index.segments()?;
        let mut read = of.to_vec();
        // Nothing is in them that was not in those they came from; those that came from nothing describe anew.
        for (old, new) in &self.state.changes.compacted {
            if !old.is_empty() && old.iter().all(|id| known.contains(id)) {
                known.extend(new);
                read.extend(new);
            }
        }
        let new = |s: &Segment| !known.contains(&s.id) && !of.contains(&s.id);
        let new: Vec<Segment> = self.segments().filter(new).collect();
        let mut packs = Vec::new();
        let (mut failed, mut chunks) = (false, 0);
        for segment in new {
            match read_segment(&*self.store, &self.access, segment) {
                Ok(found) => {
                    chunks += found.iter().map(|pack| pack.chunks.len()).sum::<usize>();
                    packs.extend(found);
                    read.push(segment.id);
                    // Not all of a large index at once in memory.
                    if chunks > CHUNKS_AT_ONCE {
                        let some = descriptions::settle(self, own, std::mem::take(&mut packs))?;
                        let rows: Vec<_> = some.iter().filter_map(|p| self.wanted(p)).collect();
                        self.index.write(&rows, &read)?.keep()?;
                        read.clear();
                        chunks = 0;
                    }
                }
                // Whoever merges segments removes them: then the log names others by now.
                Err(Error::Missing { .. }) if self.reads_on() => {
                    return self.index_segments(own, of);
                }
                Err(e) => {
                    failed = true;
                    self.warnings.push(e);
                }
            }
        }
        if failed {
            let known = own.iter().chain(&packs).map(|p| p.id).collect();
            packs.extend(self.packs_without_segment(&known));
        }
        let packs = descriptions::settle(self, own, packs)?;
        let all = own.iter().chain(&packs);
        let rows: Vec<(u32, &SegmentPack)> = all.filter_map(|p| self.wanted(p)).collect();
        self.index.write(&rows, &read)?.save(&self.state)?;
        self.state.changes = Changes::default();
        Ok(())
    }

    /// Whether the log has more by now; what it has is folded in.
    fn reads_on(&mut self) -> bool {
        let read = log::replay(&*self.store, &self.access, &mut self.state);
        matches!(read, Ok(1..))
    }

    /// A pack that belongs into the index, with its ordinal: the log names it, and has not given
    /// it up.
    pub(super) fn wanted<'p>(&self, pack: &'p SegmentPack) -> Option<(u32, &'p SegmentPack)> {
        let ordinal = self.state.ordinal(pack.id)?;
        let is_gone = self.state.packs[ordinal as usize].state == PackState::Deleting;
        (!is_gone).then_some((ordinal, pack))
    }

    /// Directories of packs that no readable segment describes, from the packs themselves.
    fn packs_without_segment(&mut self, known: &HashSet<PackId>) -> Vec<SegmentPack> {
        let mut found = Vec::new();
        for (ordinal, pack) in self.state.packs.iter().enumerate() {
            let in_index = self.index.has_pack(ordinal as u32).unwrap_or(false);
            if known.contains(&pack.id) || in_index || pack.state == PackState::Deleting {
                continue;
            }
            match read_directory(&*self.store, &self.access, pack.id, pack.len) {
                Ok(pack) => found.push(pack),
                // Of a scope that this key has nothing to do with.
                Err(Error::NeedsOwner) => {}
                Err(e) => self.warnings.push(e),
            }
        }
        found
    }

    /// Brings what this run has appended into the index database. That it cannot be written is no
    /// failure: what is in the log is done.
    pub(super) fn settle(&mut self, packs: &[SegmentPack], segments: &[SegmentId]) {
        if let Err(failure) = self.index_segments(packs, segments) {
            self.warnings.push(failure);
        }
    }
}
