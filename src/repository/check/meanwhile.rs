//! Checking beside whoever else is at work: what the log gave up after a check began is not missed.

use crate::repository::Repository;
use crate::repository::check::Finding;
use crate::repository::error::{Error, Result};
use crate::repository::state::State;
use esker_format::checkpoint::PackState;
use esker_format::ids::SnapshotId;

/// Reads on in the log; whether it says more than before. What is given up is given up there first,
/// and is gone from the store only then.
///
/// # Errors
/// When store or index fail. That the log is damaged was found where it was read from its start.
pub fn read_on(repository: &mut Repository) -> Result<bool> {
    let before = repository.state().next();
    match repository.refresh() {
        Ok(()) => Ok(repository.state().next() != before),
        Err(error) if error.is_damage() || matches!(error, Error::Newer { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Drops findings about packs, segments and snapshots that the log has given up by now.
pub fn drop_given_up(state: &State, findings: &mut Vec<Finding>) {
    let lives = |id: &SnapshotId| state.live_snapshots().any(|snapshot| snapshot.id == *id);
    findings.retain(|finding| match finding {
        Finding::Object { name, .. }
        | Finding::Leftover { name, .. }
        | Finding::Index { pack: name, .. } => !is_given_up(state, name),
        Finding::Path { snapshot, .. }
        | Finding::Snapshot { snapshot, .. }
        | Finding::Whole { snapshot } => lives(snapshot),
        Finding::History { .. } | Finding::Void { .. } | Finding::NotUnderstood { .. } => true,
    });
}

fn is_given_up(state: &State, name: &str) -> bool {
    let Some((folder, last)) = name.split_once('/') else { return false };
    let last = last.rsplit('/').next().unwrap_or_default();
    match folder {
        "pack" => last
            .parse()
            .ok()
            .and_then(|id| state.ordinal(id))
            .is_some_and(|ordinal| state.packs[ordinal as usize].state == PackState::Deleting),
        "index" => last.parse().is_ok_and(|id| !state.has_segment(&id)),
        _ => false,
    }
}
