//! Merging segments, so that whoever comes anew has few of them to read.

use super::inventory::{Inventory, Stray};
use super::mark::{expect_open, nothing, unless_nothing};
use super::plan::Plan;
use crate::repository::access::Access;
use crate::repository::descriptions::settle;
use crate::repository::error::{Error, Result};
use crate::repository::session::put_segments;
use crate::repository::state::{Segment, State};
use crate::repository::{Repository, read_segment};
use esker_format::cbor::Extra;
use esker_format::ids::SegmentId;
use esker_format::limits::SEGMENT_WRITTEN;
use esker_format::log_entry::{Body, Compact};
use esker_format::names;
use std::collections::{BTreeMap, HashSet};

/// So many segments of about one size are merged.
const MERGE: usize = 8;
/// Bytes of a segment that is left as it is: half of what one is given.
const LARGE: u64 = SEGMENT_WRITTEN as u64 / 2;

/// Which segments are merged: groups of one scope and about one size. Pure.
pub fn groups(segments: &[(SegmentId, u32, u64)]) -> Vec<(u32, Vec<SegmentId>)> {
    let mut alike: BTreeMap<(u32, u32), Vec<SegmentId>> = BTreeMap::new();
    for (id, scope, size) in segments.iter().filter(|(_, _, size)| *size < LARGE) {
        alike.entry((*scope, (*size).max(1).ilog(4))).or_default().push(*id);
    }
    let many = alike.into_iter().filter(|(_, ids)| ids.len() >= MERGE);
    many.map(|((scope, _), ids)| (scope, ids)).collect()
}

/// The live segments whose sizes are known and that this key opens, with their scopes and sizes.
pub fn sized(state: &State, access: &Access, inventory: &Inventory) -> Vec<(SegmentId, u32, u64)> {
    let mine = state.segments.iter().filter(|s| access.has_scope(s.scope));
    let size = |id: &SegmentId| inventory.segments.get(id).copied();
    mine.filter_map(|s| Some((s.id, s.scope, size(&s.id)?))).collect()
}

/// What merging did.
#[derive(Default)]
pub struct Merged {
    /// Segments that are not needed any more.
    pub gone: Vec<Stray>,
    /// Bytes of those that were put.
    pub written: u64,
}

/// Merges segments.
///
/// # Errors
/// When the store fails or the log refuses.
pub fn compact(repository: &mut Repository, plan: &Plan) -> Result<Merged> {
    let sized = sized(repository.state(), repository.access(), &plan.inventory);
    let mut done = Merged::default();
    for (scope, old) in groups(&sized) {
        merge(repository, plan, scope, old, &mut done)?;
    }
    Ok(done)
}

/// Bytes of segments in the store.
pub fn len_of(repository: &Repository, segments: &[SegmentId]) -> u64 {
    let size = |id: &SegmentId| repository.store().size(&names::segment(*id)).ok().flatten();
    segments.iter().filter_map(size).sum()
}

fn merge(
    repository: &mut Repository,
    plan: &Plan,
    scope: u32,
    old: Vec<SegmentId>,
    done: &mut Merged,
) -> Result<()> {
    let other;
    let access = match scope == repository.access().scope {
        true => repository.access(),
        false => {
            other = repository.access().in_scope(scope)?;
            &other
        }
    };
    let mut packs = Vec::new();
    for id in &old {
        match read_segment(repository.store(), access, Segment { id: *id, scope }) {
            Ok(found) => {
                packs.extend(found.into_iter().filter(|p| repository.wanted(p).is_some()));
            }
            // Another collection was faster, or it is damaged: both are seen elsewhere.
            Err(Error::Missing { .. } | Error::Damaged { .. } | Error::Newer { .. }) => {
                return Ok(());
            }
            Err(e) => return Err(e),
        }
    }
    // What one writer says falsely of a pack must not take the place of what is right.
    let mut packs = settle(repository, &[], packs)?;
    let mut seen = HashSet::new();
    packs.retain(|pack| seen.insert(pack.id));
    let session = plan.session;
    let new = put_segments(repository.store(), access, session, &packs)?;
    repository.store().barrier()?;
    let appended = repository.append(session, &mut |state| {
        expect_open(state, session)?;
        if !old.iter().all(|id| state.has_segment(id)) {
            return nothing();
        }
        let (old, new, extra) = (old.clone(), new.clone(), Extra::default());
        Ok(Body::Compact(Compact { old, new, scope, extra }))
    });
    let is_done = unless_nothing(appended)?.is_some();
    repository.settle(&[], &[]);
    let (gone, len) = if is_done { (&old, len_of(repository, &new)) } else { (&new, 0) };
    let size = |id: &SegmentId| plan.inventory.segments.get(id).copied().unwrap_or(0);
    done.gone.extend(gone.iter().map(|id| Stray { name: names::segment(*id), size: size(id) }));
    done.written += len;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_segments_of_one_size_and_scope_are_merged() {
        let segment = |n: u8, scope, size| (SegmentId::new([n; 32]), scope, size);
        let few: Vec<_> = (0..7).map(|n| segment(n, 0, 2000)).collect();
        assert!(groups(&few).is_empty());
        let mut many = few;
        many.push(segment(7, 0, 2001));
        many.extend((8..15).map(|n| segment(n, 1, 2000)));
        many.extend((20..40).map(|n| segment(n, 0, LARGE)));
        let merged = groups(&many);
        assert_eq!(merged.len(), 1);
        assert_eq!((merged[0].0, merged[0].1.len()), (0, 8));
    }
}
