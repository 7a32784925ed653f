//! Snapshots that are named to change something of them, and what became of each.

use crate::cli::choose::{Choose, describe, describe_unlisted};
use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, place, show};
use crate::repository::{Repository, Result};
use esker_format::ids::SnapshotId;
use serde::Serialize;
use std::io::Write;

/// The snapshots that are named.
#[derive(clap::Args)]
pub struct Named {
    /// Which ones: ids, their beginnings, or LABEL:latest
    #[arg(required = true, value_name = "SNAPSHOT")]
    what: Vec<String>,
    #[command(flatten)]
    choose: Choose,
}

#[derive(Serialize)]
struct Changed<'c> {
    snapshot: String,
    changed: bool,
    forgotten: bool,
    held: bool,
    tags: &'c [String],
}

impl Named {
    /// Has them changed by `change`, which returns those where something changed, and tells of each
    /// whether it did, with the words for it and for nothing; then of those that changed beside them.
    ///
    /// # Errors
    /// When one cannot be found, or the change fails.
    pub fn change(
        &self,
        global: &Global,
        words: (&str, &str),
        change: impl FnOnce(&mut Repository, &[SnapshotId]) -> Result<Vec<SnapshotId>>,
    ) -> Outcome {
        let mut repository = place::open(global)?;
        let picked = self.choose.pick_all(&repository, &self.what)?;
        let listed = picked.listed.iter().map(|snapshot| snapshot.id);
        let named: Vec<SnapshotId> = listed.chain(picked.unlisted).collect();
        let changed = change(&mut repository, &named)?;
        tell(global, &repository, &named, &changed, words)
    }
}

fn tell(
    global: &Global,
    repository: &Repository,
    named: &[SnapshotId],
    changed: &[SnapshotId],
    (done, nothing): (&str, &str),
) -> Outcome {
    let all = repository.snapshots()?;
    let others = changed.iter().filter(|id| !named.contains(id));
    for id in named.iter().chain(others) {
        let has_changed = changed.contains(id);
        let snapshot = all.iter().find(|s| s.id == *id);
        if global.json {
            let Some(standing) = repository.state().snapshot(*id) else { continue };
            let (forgotten, held) = (standing.forgotten, standing.held);
            let tags = snapshot.map_or(&[][..], |s| &s.summary.tags);
            let snapshot = id.to_string();
            show::json(&Changed { snapshot, changed: has_changed, forgotten, held, tags })?;
        } else if !global.quiet {
            let what = if has_changed { done } else { nothing };
            let which = match snapshot {
                Some(snapshot) => describe(repository, snapshot),
                None => describe_unlisted(repository, id),
            };
            writeln!(std::io::stdout().lock(), "{what}: {which}")?;
        }
    }
    Ok(Exit::Ok)
}
