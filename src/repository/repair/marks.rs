//! Which snapshots lost something: marks are set, and taken back when all is there again.

use crate::repository::Repository;
use crate::repository::error::Result;
use crate::repository::gc::mark::{nothing, unless_nothing};
use crate::repository::gc::usage::Usage;
use crate::repository::gc::{Inventory, Listed};
use crate::repository::state::State;
use esker_format::cbor::Extra;
use esker_format::checkpoint::PackState;
use esker_format::ids::{SessionId, SnapshotId};
use esker_format::log_entry::{Body, Damaged, Narrowed};
use esker_format::ordinals::Ordinals;
use std::collections::HashSet;

/// Snapshots that one entry names at most.
const NAMED: usize = 10_000;

/// Says which snapshots lost something, and which packs nothing new may rely on: before anything else is done, so
/// that nobody builds on what is lost.
///
/// # Errors
/// When the store fails or the log refuses.
pub fn set(
    repository: &mut Repository,
    session: SessionId,
    snapshots: &[SnapshotId],
    packs: &[u32],
) -> Result<()> {
    let mut packs: Ordinals = packs.iter().copied().collect();
    let mut rest = snapshots;
    loop {
        let (some, more) = rest.split_at(rest.len().min(NAMED));
        let appended = repository.append(session, &mut |state: &State| {
            let is_new =
                |id: &&SnapshotId| state.live_snapshots().any(|s| s.id == **id && !s.damaged);
            let snapshots: Vec<SnapshotId> = some.iter().filter(is_new).copied().collect();
            let packs: Ordinals =
                packs.iter().filter(|o| !state.packs[*o as usize].damaged).collect();
            match snapshots.is_empty() && packs.runs().is_empty() {
                true => nothing(),
                false => Ok(Body::Damaged(Damaged {
                    snapshots,
                    packs,
                    mended: Vec::new(),
                    extra: Extra::default(),
                })),
            }
        });
        unless_nothing(appended)?;
        repository.settle(&[], &[]);
        (rest, packs) = (more, Ordinals::default());
        if rest.is_empty() {
            return Ok(());
        }
    }
}

/// Takes the marks of these snapshots back, as far as a walk finds all that they need, and gives each snapshot the
/// packs in which it was found: also those that were never marked, and whose packs are others by now. Returns those
/// whose marks were taken back.
///
/// # Errors
/// When store or index fail, or the log refuses.
pub fn take_back(
    repository: &mut Repository,
    session: SessionId,
    snapshots: &[SnapshotId],
) -> Result<Vec<SnapshotId>> {
    let listed = Listed::read(repository)?;
    repository.refresh()?;
    let inventory = Inventory::of(repository, listed)?;
    let mut usage = Usage::new(repository)?;
    usage.walk(repository, &inventory.packs, &mut || Ok(()))?;
    let named: HashSet<SnapshotId> = snapshots.iter().copied().collect();
    let mut done = Vec::new();
    loop {
        let mut now = Vec::new();
        let appended = repository.append(session, &mut |state: &State| {
            let live = state.live_snapshots();
            let mended = live.filter_map(|snapshot| {
                let set = usage.sets.get(&snapshot.id)?;
                // What was found damaged since this was walked is no ground to stand on.
                let is_lost = |o: u32| {
                    state
                        .packs
                        .get(o as usize)
                        .is_none_or(|p| p.damaged || p.state == PackState::Deleting)
                };
                if set.iter().any(is_lost) {
                    return None;
                }
                let is_mended = snapshot.damaged && named.contains(&snapshot.id);
                let is_damaged = |ordinal: u32| state.packs[ordinal as usize].damaged;
                let is_elsewhere = !snapshot.damaged
                    && (!set.is_within(&snapshot.set) || snapshot.set.iter().any(is_damaged));
                let whole =
                    Narrowed { snapshot: snapshot.id, set: set.clone(), extra: Extra::default() };
                (is_mended || is_elsewhere).then_some((whole, is_mended))
            });
            let mended: Vec<(Narrowed, bool)> = mended.take(NAMED).collect();
            now = mended.iter().filter(|(_, is)| *is).map(|(whole, _)| whole.snapshot).collect();
            if mended.is_empty() {
                return nothing();
            }
            let mended = mended.into_iter().map(|(whole, _)| whole).collect();
            let (snapshots, packs) = (Vec::new(), Ordinals::default());
            Ok(Body::Damaged(Damaged { snapshots, packs, mended, extra: Extra::default() }))
        });
        if unless_nothing(appended)?.is_none() {
            return Ok(done);
        }
        repository.settle(&[], &[]);
        done.append(&mut now);
    }
}
