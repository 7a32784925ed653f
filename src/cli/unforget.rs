//! `esker unforget`: snapshots that are to be kept after all.

use crate::cli::choose::{self, Choose, parse_reason};
use crate::cli::{Global, Outcome, place};
use esker_format::ids::SnapshotId;

/// Bring forgotten snapshots back
///
/// Those that they need come back with them. What `esker gc` has collected is gone for good. Forgotten
/// snapshots are named by id; `esker snapshots --forgotten` lists them.
#[derive(clap::Args)]
pub struct Args {
    /// Snapshots to bring back
    #[arg(required = true, value_name = "SNAPSHOT")]
    what: Vec<String>,
    /// Why, for the log
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    reason: Option<String>,
    #[command(flatten)]
    choose: Choose,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let mut repository = place::open(global)?;
    let picked = args.choose.pick_all(&repository, &args.what)?;
    let ids: Vec<SnapshotId> = picked.iter().map(|snapshot| snapshot.id).collect();
    let changed = repository.unforget(&ids, args.reason.as_deref())?;
    choose::tell_changed(global, &repository, &ids, &changed, ("brought back", "was not forgotten"))
}
