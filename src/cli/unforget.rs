//! `esker unforget`: snapshots that are to be kept after all.

use crate::cli::choose::parse_reason;
use crate::cli::named::Named;
use crate::cli::{Global, Outcome};

/// Bring forgotten snapshots back
///
/// Those that they need come back with them. What `esker gc` has collected is gone for good. Forgotten
/// snapshots are named by id; `esker snapshots --forgotten` lists them.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    named: Named,
    /// Why, for the log
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    reason: Option<String>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let reason = args.reason.as_deref();
    args.named.change(global, ("brought back", "was not forgotten"), |repository, ids| {
        repository.unforget(ids, reason)
    })
}
