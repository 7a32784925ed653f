//! The rules of what is said about snapshots: forget, unforget, hold.

use super::session::not_given_up;
use super::{Rule, has};
use crate::repository::state::{Snapshot, State};
use esker_format::checkpoint::PackState;
use esker_format::ids::SnapshotId;
use esker_format::limits::TAGS_MAX;
use esker_format::log_entry::{Damaged, Note, Snapshots};
use std::collections::{BTreeMap, HashSet};

pub fn exist(state: &State, snapshots: &[SnapshotId]) -> Result<(), Rule> {
    if snapshots.iter().all(|id| state.has_snapshot(id)) {
        Ok(())
    } else {
        Err("it names a snapshot that is not there")
    }
}

pub fn forgets(state: &State, list: &Snapshots) -> Result<(), Rule> {
    exist(state, &list.snapshots)?;
    none(state, list, |s| s.held, "it names a snapshot that is held")
}

pub fn holds(state: &State, list: &Snapshots) -> Result<(), Rule> {
    exist(state, &list.snapshots)?;
    none(state, list, |s| s.forgotten, "it names a snapshot that is forgotten")
}

/// What was said of tags stays, also of those that were taken away, and must have an end.
pub fn notes(state: &State, note: &Note) -> Result<(), Rule> {
    exist(state, &[note.snapshot])?;
    let said = state.snapshot(note.snapshot).map(|s| &s.tags);
    let mut tags: BTreeMap<&str, bool> =
        said.into_iter().flatten().map(|(tag, is_added)| (tag.as_str(), *is_added)).collect();
    tags.extend(note.remove.iter().map(|tag| (tag.as_str(), false)));
    tags.extend(note.add.iter().map(|tag| (tag.as_str(), true)));
    let added = tags.values().filter(|is_added| **is_added).count();
    if added > TAGS_MAX || tags.len() - added > TAGS_MAX {
        return Err(
            "more tags of its snapshot would have been added, or taken away, than there is room for",
        );
    }
    Ok(())
}

/// What is whole again needs packs that are there and stay.
pub fn damages(state: &State, damaged: &Damaged) -> Result<(), Rule> {
    exist(state, &damaged.snapshots)?;
    has(state, &damaged.packs, 0)?;
    let live: HashSet<SnapshotId> = state.live_snapshots().map(|s| s.id).collect();
    let mut seen = HashSet::new();
    for mended in &damaged.mended {
        if !seen.insert(mended.snapshot) {
            return Err("it says twice that a snapshot is whole");
        }
        if !live.contains(&mended.snapshot) {
            return Err("it says of a snapshot that is not there that it is whole");
        }
        has(state, &mended.set, 0)?;
        not_given_up(state, &mended.set)?;
    }
    Ok(())
}

/// A snapshot can be brought back as long as nothing of it was given up.
pub fn unforgets(state: &State, list: &Snapshots) -> Result<(), Rule> {
    exist(state, &list.snapshots)?;
    let given_up = |o: u32| state.packs[o as usize].state == PackState::Deleting;
    let is_collected = |s: &Snapshot| s.set.iter().any(given_up);
    none(state, list, is_collected, "it names a snapshot of which packs are given up")
}

/// Fails when one of the named snapshots is of that kind.
fn none(
    state: &State,
    list: &Snapshots,
    is: impl Fn(&Snapshot) -> bool,
    rule: Rule,
) -> Result<(), Rule> {
    let named: HashSet<&SnapshotId> = list.snapshots.iter().collect();
    let mut found = state.snapshots.iter().filter(|s| named.contains(&s.id));
    if found.any(is) { Err(rule) } else { Ok(()) }
}
