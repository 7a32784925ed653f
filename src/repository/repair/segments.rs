//! Segments made anew: what they said of packs the packs say themselves, or the index of this machine.

use crate::repository::access::Access;
use crate::repository::error::{Error, Result};
use crate::repository::gc::mark::{expect_open, nothing, unless_nothing};
use crate::repository::session::put_segments;
use crate::repository::state::Segment;
use crate::repository::{Repository, read_directory, read_segment};
use esker_format::cbor::Extra;
use esker_format::checkpoint::PackState;
use esker_format::envelope::Header;
use esker_format::ids::{PackId, SegmentId, SessionId};
use esker_format::log_entry::{Body, Compact};
use esker_format::segment::SegmentPack;
use std::collections::{BTreeMap, HashSet};

/// Puts segments in the place of lost ones; returns how many gave way. Packs that cannot be told by anything stay
/// without a description.
///
/// # Errors
/// When store or index fail, or the log refuses.
pub fn rebuild(repository: &mut Repository, lost: &[Segment], session: SessionId) -> Result<u64> {
    let mut scopes: BTreeMap<u32, (Vec<SegmentId>, Vec<SegmentPack>)> = BTreeMap::new();
    for segment in lost {
        scopes.entry(segment.scope).or_default().0.push(segment.id);
    }
    for pack in undescribed(repository, lost)? {
        if let Ok((header, _)) = Header::decode(&pack.header) {
            scopes.entry(header.scope).or_default().1.push(pack);
        }
    }
    let mut count = 0;
    for (scope, (old, packs)) in scopes {
        count += replace(repository, scope, old, &packs, session)?;
    }
    Ok(count)
}

/// Replaces segments of a scope by such that describe these packs.
fn replace(
    repository: &mut Repository,
    scope: u32,
    old: Vec<SegmentId>,
    packs: &[SegmentPack],
    session: SessionId,
) -> Result<u64> {
    let other;
    let access: &Access = match scope == repository.access().scope {
        true => repository.access(),
        false => {
            other = repository.access().in_scope(scope)?;
            &other
        }
    };
    let new = put_segments(repository.store(), access, session, packs)?;
    repository.store().barrier()?;
    let appended = repository.append(session, &mut |state| {
        expect_open(state, session)?;
        // A collection may have merged some of them meanwhile, which it cannot have: they are damaged. Or another
        // repair was faster.
        if !old.iter().all(|id| state.has_segment(id)) {
            return nothing();
        }
        let (old, new, extra) = (old.clone(), new.clone(), Extra::default());
        Ok(Body::Compact(Compact { old, new, scope, extra }))
    });
    let is_done = unless_nothing(appended)?.is_some();
    repository.settle(packs, if is_done { &new } else { &[] });
    Ok(if is_done { old.len() as u64 } else { 0 })
}

/// The packs that no sound segment describes, as they describe themselves, or as the index knows them.
fn undescribed(repository: &Repository, lost: &[Segment]) -> Result<Vec<SegmentPack>> {
    let (store, access, state) = (repository.store(), repository.access(), repository.state());
    let mut described: HashSet<PackId> = HashSet::new();
    for segment in repository.segments().filter(|segment| !lost.contains(segment)) {
        match read_segment(store, access, segment) {
            Ok(packs) => described.extend(packs.iter().map(|pack| pack.id)),
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error),
        }
    }
    let mut lookup = repository.lookup_in_all()?;
    let mut found = Vec::new();
    for (ordinal, pack) in (0..).zip(&state.packs) {
        if pack.state == PackState::Deleting || described.contains(&pack.id) {
            continue;
        }
        match read_directory(store, access, pack.id, pack.len) {
            Ok(pack) => found.push(pack),
            // Of a scope that this key has nothing to do with.
            Err(Error::NeedsOwner) => {}
            Err(error) if error.is_damage() => {
                found.extend(lookup.pack_if_there(ordinal)?.map(|known| known.pack.clone()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
