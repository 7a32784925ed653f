//! What segments say of packs, where two of them say different things.
//!
//! Whoever has a writer's key can put a segment of his own scope into the log, and say in it what he
//! likes, of packs of others too. Of a pack that two segments do not describe alike, the pack itself
//! is asked: its directory opens with the key of its own scope and no other.

use crate::repository::error::{Error, Result};
use crate::repository::{Repository, read_directory};
use esker_format::ids::PackId;
use esker_format::segment::SegmentPack;
use std::collections::{HashMap, HashSet};

/// The descriptions among `packs` that are to be believed, beside those of `own` packs, which this
/// run has made itself, and those that the index has.
///
/// # Errors
/// When index or store fail.
pub fn settle(
    repository: &Repository,
    own: &[SegmentPack],
    packs: Vec<SegmentPack>,
) -> Result<Vec<SegmentPack>> {
    let mut first: HashMap<PackId, &SegmentPack> = own.iter().map(|p| (p.id, p)).collect();
    let mut contested = HashSet::new();
    let mut lookup = repository.lookup_in_all()?;
    for pack in &packs {
        let mut is_contested = *first.entry(pack.id).or_insert(pack) != pack;
        if let Some(ordinal) = repository.state.ordinal(pack.id)
            && repository.index.has_pack(ordinal)?
        {
            // A row that is not sound says nothing; the new one takes its place.
            is_contested |= lookup.pack(ordinal).is_ok_and(|known| known.pack != *pack);
        }
        if is_contested {
            contested.insert(pack.id);
        }
    }
    if contested.is_empty() {
        return Ok(packs);
    }
    let mut settled: Vec<SegmentPack> =
        packs.into_iter().filter(|pack| !contested.contains(&pack.id)).collect();
    contested.retain(|id| own.iter().all(|pack| pack.id != *id));
    for id in contested {
        settled.extend(from_itself(repository, id)?);
    }
    Ok(settled)
}

/// What a pack says of itself; none when it does not say, or not to this key.
fn from_itself(repository: &Repository, id: PackId) -> Result<Option<SegmentPack>> {
    let Some(pack) = repository.state.ordinal(id).map(|o| &repository.state.packs[o as usize])
    else {
        return Ok(None);
    };
    match read_directory(&*repository.store, &repository.access, id, pack.len) {
        Ok(pack) => Ok(Some(pack)),
        Err(Error::NeedsOwner) => Ok(None),
        Err(error) if error.is_damage() => Ok(None),
        Err(error) => Err(error),
    }
}
