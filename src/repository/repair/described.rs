//! Which packs the segments of the log describe, and what the others say of themselves.

use crate::repository::error::{Error, Result};
use crate::repository::objects::decode_segment;
use crate::repository::state::Segment;
use crate::repository::{Repository, read_directory, read_segment};
use esker_format::checkpoint::PackState;
use esker_format::ids::{PackId, SegmentId};
use esker_format::segment::SegmentPack;
use std::collections::HashSet;

/// What was read of segments: each is read once in a repair, however often somebody asks.
#[derive(Debug, Default)]
pub struct Described {
    segments: HashSet<SegmentId>,
    packs: HashSet<PackId>,
}

impl Described {
    /// Takes over what the bytes of a segment say. One that this key does not open says nothing.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn take(&mut self, repository: &Repository, segment: Segment, bytes: &[u8]) -> Result<()> {
        match decode_segment(repository.access(), segment, bytes) {
            Ok(packs) => self.add(segment, &packs),
            Err(Error::NeedsOwner) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn add(&mut self, segment: Segment, packs: &[SegmentPack]) {
        self.segments.insert(segment.id);
        self.packs.extend(packs.iter().map(|pack| pack.id));
    }

    /// Reads the segments of the log that were not read yet: those that a copy has brought back, and new ones.
    fn read_on(&mut self, repository: &Repository) -> Result<()> {
        let new = |segment: &Segment| !self.segments.contains(&segment.id);
        for segment in repository.segments().filter(new).collect::<Vec<_>>() {
            match read_segment(repository.store(), repository.access(), segment) {
                Ok(packs) => self.add(segment, &packs),
                Err(error @ Error::Unreadable { .. }) => return Err(error),
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The packs that no sound segment describes, as they describe themselves, or as the index knows them. Those that
    /// nothing tells anything of are not among them.
    ///
    /// # Errors
    /// When store or index fail.
    pub fn others(&mut self, repository: &Repository) -> Result<Vec<SegmentPack>> {
        self.read_on(repository)?;
        let mut lookup = repository.lookup_in_all()?;
        let mut found = Vec::new();
        for (ordinal, pack) in (0..).zip(&repository.state().packs) {
            if pack.state == PackState::Deleting || self.packs.contains(&pack.id) {
                continue;
            }
            match read_directory(repository.store(), repository.access(), pack.id, pack.len) {
                Ok(pack) => found.push(pack),
                // Of a scope that this key has nothing to do with.
                Err(Error::NeedsOwner) => {}
                // What cannot be read is not lost.
                Err(error @ Error::Unreadable { .. }) => return Err(error),
                Err(error) if error.is_damage() => {
                    found.extend(lookup.pack_if_there(ordinal)?.map(|known| known.pack.clone()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}
