//! Segments made anew: what they said of packs the packs say themselves, or the index of this machine.

use crate::repository::Repository;
use crate::repository::access::Access;
use crate::repository::error::Result;
use crate::repository::gc::mark::{expect_open, nothing, unless_nothing};
use crate::repository::session::put_segments;
use crate::repository::state::Segment;
use esker_format::cbor::Extra;
use esker_format::envelope::Header;
use esker_format::ids::{SegmentId, SessionId};
use esker_format::log_entry::{Body, Compact};
use esker_format::segment::SegmentPack;
use std::collections::BTreeMap;

/// Puts segments that describe these packs in the place of lost ones; returns how many gave way. Packs of which
/// nothing tells anything stay without a description, until a copy brings them back.
///
/// # Errors
/// When store or index fail, or the log refuses.
pub fn rebuild(
    repository: &mut Repository,
    lost: &[Segment],
    packs: Vec<SegmentPack>,
    session: SessionId,
) -> Result<u64> {
    let mut scopes: BTreeMap<u32, (Vec<SegmentId>, Vec<SegmentPack>)> = BTreeMap::new();
    for segment in lost {
        scopes.entry(segment.scope).or_default().0.push(segment.id);
    }
    for pack in packs {
        if let Ok((header, _)) = Header::decode(&pack.header) {
            scopes.entry(header.scope).or_default().1.push(pack);
        }
    }
    let mut count = 0;
    for (scope, (old, packs)) in scopes {
        if !packs.is_empty() {
            describe(repository, scope, &packs, session)?;
        }
        if !old.is_empty() {
            count += drop_lost(repository, scope, &old, session)?;
        }
    }
    Ok(count)
}

/// Puts segments that describe packs. They take nobody's place in the log: whoever has read lost ones reads these too,
/// as they may say more.
fn describe(
    repository: &mut Repository,
    scope: u32,
    packs: &[SegmentPack],
    session: SessionId,
) -> Result<()> {
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
    repository.append(session, &mut |state| {
        expect_open(state, session)?;
        let (old, new, extra) = (Vec::new(), new.clone(), Extra::default());
        Ok(Body::Compact(Compact { old, new, scope, extra }))
    })?;
    repository.settle(packs, &new);
    Ok(())
}

/// Takes lost segments out of the log; returns how many.
fn drop_lost(
    repository: &mut Repository,
    scope: u32,
    lost: &[SegmentId],
    session: SessionId,
) -> Result<u64> {
    let mut old = Vec::new();
    let appended = repository.append(session, &mut |state| {
        expect_open(state, session)?;
        // Another repair may have been faster.
        old = lost.iter().filter(|id| state.has_segment(id)).copied().collect();
        if old.is_empty() {
            return nothing();
        }
        let (old, new, extra) = (old.clone(), Vec::new(), Extra::default());
        Ok(Body::Compact(Compact { old, new, scope, extra }))
    });
    let is_done = unless_nothing(appended)?.is_some();
    repository.settle(&[], &[]);
    Ok(if is_done { old.len() as u64 } else { 0 })
}
