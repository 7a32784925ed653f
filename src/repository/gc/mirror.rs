//! Collecting in a copy: what its log gave up is removed, and nothing is appended. Whoever may delete in
//! the store may do that, with any key that reads the log.

use super::apply::Report;
use super::inventory::{Inventory, Listed, Stray};
use super::plan::{Plan, expect_understood};
use super::remove::remove;
use crate::repository::checkpoint::candidates;
use crate::repository::error::Result;
use crate::repository::state::State;
use crate::repository::{Repository, log};
use esker_format::ids::{SegmentId, Seq};
use esker_format::names;
use std::collections::{BTreeMap, HashSet};

/// Checkpoints that stay, as in the repository itself.
const CHECKPOINTS: usize = 3;

/// Plans what is removed from a copy. A copy that is not finished shows an older log, and what that gave
/// up is given up for ever.
pub fn plan(repository: &Repository, listed: Listed) -> Result<Plan> {
    // What another history gave up is no reason to remove anything.
    repository.expect_own_history()?;
    expect_understood(repository)?;
    let mut inventory = Inventory::of(repository, listed)?;
    let replaced = replaced_segments(repository, &mut inventory.pending)?;
    inventory.given_up.extend(replaced);
    inventory.given_up.extend(old_checkpoints(repository)?);
    inventory.given_up.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Plan::of_copy(inventory))
}

/// Removes it.
pub fn apply(repository: &Repository, plan: Plan) -> Result<Report> {
    let mut report = Report::default();
    report.take(remove(repository, &plan.inventory.given_up)?);
    repository.store().barrier()?;
    Ok(report)
}

/// Segments that the log replaced by others. Their sessions need not have ended, so that only the log
/// tells them from what a run has put and not named yet; it is read from its start when there are any.
fn replaced_segments<K: Ord>(
    repository: &Repository,
    pending: &mut BTreeMap<K, Vec<Stray>>,
) -> Result<Vec<Stray>> {
    let is_segment = |stray: &Stray| stray.name.starts_with(names::INDEX);
    if !pending.values().flatten().any(is_segment) {
        return Ok(Vec::new());
    }
    let mut state = State::new(repository.access().owner_key);
    log::replay(repository.store(), repository.access(), &mut state)?;
    let compacted = state.changes.compacted.iter().flat_map(|(old, _)| old);
    let old: HashSet<String> = compacted
        .filter(|id| !state.has_segment(id))
        .map(|id: &SegmentId| names::segment(*id))
        .collect();
    let mut replaced = Vec::new();
    for strays in pending.values_mut() {
        let (gone, rest) = std::mem::take(strays).into_iter().partition(|s| old.contains(&s.name));
        *strays = rest;
        replaced.extend::<Vec<Stray>>(gone);
    }
    pending.retain(|_, strays| !strays.is_empty());
    Ok(replaced)
}

/// Checkpoints that are older than the last ones that the log names: a sync brings new ones and takes none away.
fn old_checkpoints(repository: &Repository) -> Result<Vec<Stray>> {
    let state = repository.state();
    let found = candidates(repository.store())?;
    let named = |seq: Seq, id| state.checkpoints.iter().any(|known| *known == (seq, id));
    let kept = found.iter().filter(|c| named(c.seq, c.id)).nth(CHECKPOINTS - 1);
    let Some(oldest) = kept.map(|candidate| candidate.seq) else { return Ok(Vec::new()) };
    let old = found.into_iter().filter(|candidate| candidate.seq < oldest);
    Ok(old.map(|old| Stray { name: old.name, size: old.size }).collect())
}
