//! The rules of collecting: mark, delete, narrow, compact.

use super::{Rule, has, session::new_packs, snapshots};
use crate::repository::state::{Pack, State};
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::ids::SnapshotId;
use esker_format::log_entry::{Compact, Delete, Mark, Narrow, Place};
use esker_format::ordinals::Ordinals;
use std::collections::{HashMap, HashSet};

pub fn marks(state: &State, place: &Place, mark: &Mark) -> Result<(), Rule> {
    let added = mark.added.len();
    not_ended(state, place)?;
    new_packs(state, &mark.added, mark.session.unwrap_or(place.session))?;
    has(state, &mark.packs, added)?;
    // What an entry adds is live, and nobody's who is still at it.
    let old = |o: u32| state.packs.get(o as usize);
    for pack in mark.packs.iter().filter_map(old) {
        is_free(state, pack)?;
    }
    if state.holds.values().any(|hold| hold.meets(&mark.packs)) {
        return Err("it marks a pack that an open session holds");
    }
    let swap = replacements(state, mark)?;
    let walked: HashSet<&SnapshotId> = mark.walked.iter().collect();
    for snapshot in state.live_snapshots().filter(|s| s.set.meets(&mark.packs)) {
        if !walked.contains(&snapshot.id) {
            return Err("it marks a pack of a snapshot that was not walked");
        }
        if snapshot.set.common(&mark.packs).any(|o| !swap.contains_key(&o)) {
            return Err("it marks a pack of a snapshot without a replacement");
        }
    }
    Ok(())
}

/// Whether what the session has put is still there: whoever ends one removes what no entry names.
fn not_ended(state: &State, place: &Place) -> Result<(), Rule> {
    match state.session_state(place.session) {
        Some(SessionState::Aborted | SessionState::Committed) => Err("its session has ended"),
        Some(SessionState::Open) | None => Ok(()),
    }
}

/// Whether a pack may be marked as far as sessions are concerned.
fn is_free(state: &State, pack: &Pack) -> Result<(), Rule> {
    if pack.state == PackState::Deleting {
        return Err("it marks a pack that is given up");
    }
    match state.session_state(pack.session) {
        Some(SessionState::Open) => Err("it marks a pack of an open session"),
        _ => Ok(()),
    }
}

/// What stands in for packs that go: live packs which stay.
fn replacements<'m>(state: &State, mark: &'m Mark) -> Result<HashMap<u32, &'m Ordinals>, Rule> {
    let mut swap = HashMap::new();
    for replacement in &mark.replacements {
        let new = &replacement.new;
        has(state, new, mark.added.len())?;
        let is_live = |o: u32| state.packs.get(o as usize).is_none_or(Pack::is_good);
        if new.meets(&mark.packs) || !new.iter().all(is_live) {
            return Err("a replacement does not stay");
        }
        if !mark.packs.contains(replacement.old) {
            return Err("it replaces a pack that it does not mark");
        }
        if swap.insert(replacement.old, new).is_some() {
            return Err("it replaces a pack twice");
        }
    }
    Ok(swap)
}

pub fn deletes(state: &State, delete: &Delete) -> Result<(), Rule> {
    has(state, &delete.packs, 0)?;
    if delete.packs.iter().any(|o| state.packs[o as usize].state == PackState::Live) {
        return Err("it gives up a pack that is not marked");
    }
    snapshots::exist(state, &delete.manifests)?;
    let named: HashSet<&SnapshotId> = delete.manifests.iter().collect();
    let mut found = state.snapshots.iter().filter(|s| named.contains(&s.id));
    if found.any(|s| !s.forgotten || s.held) {
        return Err("it gives up a snapshot that is not forgotten");
    }
    if delete.segments.iter().any(|id| state.has_segment(id)) {
        return Err("it gives up a segment that is live");
    }
    Ok(())
}

pub fn narrows(state: &State, narrow: &Narrow) -> Result<(), Rule> {
    let sets: HashMap<SnapshotId, &Ordinals> =
        state.live_snapshots().map(|s| (s.id, &s.set)).collect();
    let mut seen = HashSet::new();
    for narrowed in &narrow.sets {
        if !seen.insert(narrowed.snapshot) {
            return Err("it shrinks a set twice");
        }
        match sets.get(&narrowed.snapshot) {
            None => return Err("it shrinks the set of a snapshot that is not there"),
            Some(set) if !narrowed.set.is_within(set) => return Err("a set would not shrink"),
            Some(_) => {}
        }
    }
    Ok(())
}

pub fn compacts(state: &State, place: &Place, compact: &Compact) -> Result<(), Rule> {
    not_ended(state, place)?;
    let live: HashMap<_, _> = state.segments.iter().map(|s| (s.id, s.scope)).collect();
    if compact.old.iter().any(|id| live.get(id) != Some(&compact.scope)) {
        return Err("it replaces a segment that is not live in its scope");
    }
    if compact.new.iter().any(|id| live.contains_key(id)) {
        return Err("it brings a segment that is live already");
    }
    Ok(())
}
