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

/// Snapshots that one entry names at most, some 340 KiB.
const NAMED: usize = if cfg!(test) { 3 } else { 10_000 };

/// Packs that one entry names at most: apart from each other they take some 1 MiB.
const PACKS: usize = if cfg!(test) { 10 } else { 100_000 };

/// Walks at most, when others collect again and again what is being walked.
const WALKS: u32 = 4;

/// Says which snapshots lost something, and which packs nothing new may rely on: before anything else is done, so
/// that nobody builds on what is lost. Returns the snapshots of which it was not said before.
///
/// # Errors
/// When the store fails or the log refuses.
pub fn set(
    repository: &mut Repository,
    session: SessionId,
    snapshots: &[SnapshotId],
    packs: &[u32],
) -> Result<Vec<SnapshotId>> {
    let (mut snapshots, mut packs) = (snapshots.chunks(NAMED), packs.chunks(PACKS));
    let mut done = Vec::new();
    loop {
        let (some, of_packs) = (snapshots.next(), packs.next());
        if some.is_none() && of_packs.is_none() {
            return Ok(done);
        }
        let (some, of_packs) = (some.unwrap_or_default(), of_packs.unwrap_or_default());
        let mut now = Vec::new();
        let appended = repository.append(session, &mut |state: &State| {
            let is_new =
                |id: &&SnapshotId| state.live_snapshots().any(|s| s.id == **id && !s.damaged);
            now = some.iter().filter(is_new).copied().collect();
            let new = of_packs.iter().filter(|o| !state.packs[**o as usize].damaged);
            let packs: Ordinals = new.copied().collect();
            match now.is_empty() && packs.runs().is_empty() {
                true => nothing(),
                false => Ok(damaged(now.clone(), packs, Vec::new())),
            }
        });
        if unless_nothing(appended)?.is_some() {
            done.append(&mut now);
            repository.settle(&[], &[]);
        }
    }
}

fn damaged(snapshots: Vec<SnapshotId>, packs: Ordinals, mended: Vec<Narrowed>) -> Body {
    Body::Damaged(Damaged { snapshots, packs, mended, extra: Extra::default() })
}

/// What a walk at the end of a repair has found.
#[derive(Debug, Default)]
pub struct Found {
    /// Snapshots whose marks were taken back.
    pub mended: Vec<SnapshotId>,
    /// Snapshots that have lost something all the same, and were not marked: they were saved while this repair ran.
    pub marked: Vec<SnapshotId>,
}

/// Takes the marks of these snapshots back, as far as a walk finds all that they need, and gives each snapshot the
/// packs in which it was found: also those that were never marked, and whose packs are others by now. Those that lack
/// something and have no mark get one.
///
/// # Errors
/// When store or index fail, or the log refuses.
pub fn take_back(
    repository: &mut Repository,
    session: SessionId,
    snapshots: &[SnapshotId],
) -> Result<Found> {
    let usage = walk(repository)?;
    let lost: Vec<SnapshotId> = usage.broken.keys().copied().collect();
    let mut found = Found { marked: set(repository, session, &lost, &[])?, ..Found::default() };
    let named: HashSet<SnapshotId> = snapshots.iter().copied().collect();
    loop {
        let mut now = Vec::new();
        let appended = repository.append(session, &mut |state: &State| {
            let mut whole: Vec<(Narrowed, bool)> = whole(state, &usage, &named);
            // More than an entry holds: the rest is for the next one.
            let body = loop {
                if whole.is_empty() {
                    return nothing();
                }
                let sets = whole.iter().map(|(whole, _)| whole.clone()).collect();
                let body = damaged(Vec::new(), Ordinals::default(), sets);
                if whole.len() == 1 || body.check().is_ok() {
                    break body;
                }
                whole.truncate(whole.len() / 2);
            };
            now = whole.iter().filter(|(_, is)| *is).map(|(whole, _)| whole.snapshot).collect();
            Ok(body)
        });
        if unless_nothing(appended)?.is_none() {
            return Ok(found);
        }
        repository.settle(&[], &[]);
        found.mended.append(&mut now);
    }
}

/// Snapshots that were found in other packs than the log says, or have a mark that is to be taken back; and which of
/// the two it is.
fn whole(state: &State, usage: &Usage, named: &HashSet<SnapshotId>) -> Vec<(Narrowed, bool)> {
    let is_damaged = |ordinal: u32| state.packs[ordinal as usize].damaged;
    // What was found damaged since this was walked is no ground to stand on.
    let is_lost = |ordinal: u32| {
        let pack = state.packs.get(ordinal as usize);
        pack.is_none_or(|pack| pack.damaged || pack.state == PackState::Deleting)
    };
    let whole = state.live_snapshots().filter_map(|snapshot| {
        let set = usage.sets.get(&snapshot.id)?;
        if set.iter().any(is_lost) {
            return None;
        }
        let is_mended = snapshot.damaged && named.contains(&snapshot.id);
        let is_elsewhere = !snapshot.damaged
            && (!set.is_within(&snapshot.set) || snapshot.set.iter().any(is_damaged));
        let (snapshot, set) = (snapshot.id, set.clone());
        let whole = Narrowed { snapshot, set, extra: Extra::default() };
        (is_mended || is_elsewhere).then_some((whole, is_mended))
    });
    whole.take(NAMED).collect()
}

/// Walks all live snapshots. When one cannot be walked to its end, others may have collected what it needed: then the
/// log has gone on, and all is looked at anew.
fn walk(repository: &mut Repository) -> Result<Usage> {
    for _ in 1..WALKS {
        let usage = walk_once(repository)?;
        let before = repository.state().next();
        if usage.broken.is_empty() {
            return Ok(usage);
        }
        repository.refresh()?;
        if repository.state().next() == before {
            return Ok(usage);
        }
    }
    walk_once(repository)
}

fn walk_once(repository: &mut Repository) -> Result<Usage> {
    let listed = Listed::read(repository)?;
    repository.refresh()?;
    let inventory = Inventory::of(repository, listed)?;
    let mut usage = Usage::new(repository)?;
    usage.walk(repository, &inventory.packs, &mut || Ok(()))?;
    Ok(usage)
}
