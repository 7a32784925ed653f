//! `esker hold`: snapshots that no forget may take.

use crate::cli::choose::{self, Choose, parse_reason};
use crate::cli::{Global, Outcome, place};
use esker_format::ids::SnapshotId;

/// Hold snapshots: no forget takes them
///
/// Neither by name nor by rules, until `esker unhold`. `esker snapshots` marks them.
#[derive(clap::Args)]
pub struct Args {
    /// Snapshots to hold
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
    let changed = repository.hold(&ids, args.reason.as_deref())?;
    choose::tell_changed(global, &repository, &ids, &changed, ("held", "was held before"))
}
