//! `esker unhold`: the end of a hold.

use crate::cli::choose::parse_reason;
use crate::cli::named::Named;
use crate::cli::{Global, Outcome};

/// Release snapshots that were held
///
/// From then on `esker forget` may take them.
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
    args.named.change(global, ("released", "was not held"), |repository, ids| {
        repository.unhold(ids, reason)
    })
}
