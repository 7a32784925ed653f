//! Giving up: an entry that says so, and then the files go.

use super::Amount;
use super::inventory::Stray;
use super::mark::{nothing, unless_nothing};
use super::plan::Plan;
use crate::repository::Repository;
use crate::repository::error::{Error, Result};
use crate::store::{Store, StoreErrorKind};
use esker_format::cbor::Extra;
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::ids::{SessionId, SnapshotId};
use esker_format::log_entry::{Abort, Body, Delete};
use esker_format::names;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

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

/// Objects that one thread removes alone; more are shared by several, because a store that is far away
/// takes its time for each.
const ALONE: usize = 32;
/// Threads that remove at a time.
const THREADS: usize = 8;

/// Removes objects that the log has given up.
///
/// # Errors
/// When the store cannot be reached. What is left is removed by the next collection.
pub fn remove(repository: &Repository, strays: &[Stray]) -> Result<Removed> {
    let next = AtomicUsize::new(0);
    let store = repository.store();
    let work = || remove_some(store, strays, &next);
    if strays.len() <= ALONE {
        return work();
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let mut all = Removed::default();
        // Each is waited for, also when one has failed.
        let removed: Vec<_> = threads.into_iter().map(ScopedJoinHandle::join).collect();
        for removed in removed {
            let Removed { gone, refused } = removed.map_err(|_| Error::Thread)??;
            all.gone.join(gone);
            all.refused.join(refused);
        }
        Ok(all)
    })
}

fn remove_some(store: &dyn Store, strays: &[Stray], next: &AtomicUsize) -> Result<Removed> {
    let mut removed = Removed::default();
    while let Some(stray) = strays.get(next.fetch_add(1, Ordering::Relaxed)) {
        match store.delete(&stray.name) {
            Ok(()) => removed.gone.add(stray.size),
            Err(e) if matches!(e.kind(), StoreErrorKind::Permission | StoreErrorKind::Other) => {
                removed.refused.add(stray.size);
            }
            Err(e) => {
                // The others end, too.
                next.store(strays.len(), Ordering::Relaxed);
                return Err(e.into());
            }
        }
    }
    Ok(removed)
}
