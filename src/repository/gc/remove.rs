//! Giving up: an entry that says so, and then the files go.

use super::Amount;
use super::inventory::Stray;
use super::mark::{nothing, unless_nothing};
use super::plan::Plan;
use crate::repository::Repository;
use crate::repository::error::Result;
use crate::store::StoreErrorKind;
use esker_format::cbor::Extra;
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::ids::{SessionId, SnapshotId};
use esker_format::log_entry::{Abort, Body, Delete};
use esker_format::names;
use std::collections::HashSet;

/// Ends a session that has not ended; false when it has, in whatever way.
///
/// # Errors
/// When the store fails or the log refuses.
pub fn fence(repository: &mut Repository, own: SessionId, session: SessionId) -> Result<bool> {
    let appended = repository.append(own, &mut |state| match state.session_state(session) {
        Some(SessionState::Committed | SessionState::Aborted) => nothing(),
        Some(SessionState::Open) | None => {
            Ok(Body::Abort(Abort { session, extra: Extra::default() }))
        }
    });
    Ok(unless_nothing(appended)?.is_some())
}

/// Packs and manifests that one entry names at most: half of the room that it has.
#[cfg(not(test))]
const NAMED: (usize, usize) = (100_000, 30_000);
/// So few that several entries are needed.
#[cfg(test)]
const NAMED: (usize, usize) = (2, 1);

/// Gives up packs that are marked and snapshots that are forgotten, in as many entries as it needs;
/// returns what there is to remove.
///
/// # Errors
/// When the store fails or the log refuses.
pub fn give_up(
    repository: &mut Repository,
    own: SessionId,
    packs: &[u32],
    plan: &Plan,
) -> Result<Vec<Stray>> {
    let (mut packs, mut snapshots) = (packs, &plan.aged_snapshots[..]);
    let mut gone = Vec::new();
    while !packs.is_empty() || !snapshots.is_empty() {
        let (some, more) = packs.split_at(packs.len().min(NAMED.0));
        let (named, others) = snapshots.split_at(snapshots.len().min(NAMED.1));
        gone.extend(give_up_some(repository, own, some, named, plan)?);
        (packs, snapshots) = (more, others);
    }
    Ok(gone)
}

fn give_up_some(
    repository: &mut Repository,
    own: SessionId,
    packs: &[u32],
    snapshots: &[SnapshotId],
    plan: &Plan,
) -> Result<Vec<Stray>> {
    let (mut gone, mut manifests) = (Vec::new(), Vec::new());
    let wanted: HashSet<&SnapshotId> = snapshots.iter().collect();
    let appended = repository.append(own, &mut |state| {
        let is_marked = |o: &u32| state.packs[*o as usize].state == PackState::Marked;
        gone = packs.iter().copied().filter(is_marked).collect();
        let forgotten = state.snapshots.iter().filter(|s| s.forgotten && !s.held);
        manifests = forgotten.map(|s| s.id).filter(|id| wanted.contains(id)).collect();
        if gone.is_empty() && manifests.is_empty() {
            return nothing();
        }
        Ok(Body::Delete(Delete {
            packs: gone.iter().copied().collect(),
            manifests: manifests.clone(),
            segments: Vec::new(),
            sets: Vec::new(),
            extra: Extra::default(),
        }))
    });
    if unless_nothing(appended)?.is_none() {
        return Ok(Vec::new());
    }
    let state = repository.state();
    let packs = gone.iter().map(|o| &state.packs[*o as usize]);
    let packs = packs.map(|pack| Stray { name: names::pack(pack.id), size: pack.len });
    let size = |id: &SnapshotId| plan.inventory.manifests.get(id).copied().unwrap_or(0);
    let manifests = manifests.iter().map(|id| Stray { name: names::manifest(*id), size: size(id) });
    Ok(packs.chain(manifests).collect())
}

/// What became of files.
#[derive(Debug, Default)]
pub struct Removed {
    /// Those that are gone.
    pub gone: Amount,
    /// Those that the store would not give up: they stay given up, and are tried again.
    pub refused: Amount,
}

/// Removes objects that the log has given up.
///
/// # Errors
/// When the store cannot be reached. What is left is removed by the next collection.
pub fn remove(repository: &Repository, strays: &[Stray]) -> Result<Removed> {
    let mut removed = Removed::default();
    for stray in strays {
        match repository.store().delete(&stray.name) {
            Ok(()) => removed.gone.add(stray.size),
            Err(e) if matches!(e.kind(), StoreErrorKind::Permission | StoreErrorKind::Other) => {
                removed.refused.add(stray.size);
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(removed)
}
