//! `esker unhold`: the end of a hold.

use crate::cli::choose::{self, Choose, parse_reason};
use crate::cli::{Global, Outcome, place};
use esker_format::ids::SnapshotId;

/// Release snapshots that were held
///
/// From then on `esker forget` may take them.
#[derive(clap::Args)]
pub struct Args {
    /// Snapshots to release
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
    let changed = repository.unhold(&ids, args.reason.as_deref())?;
    choose::tell_changed(global, &repository, &ids, &changed, ("released", "was not held"))
}
