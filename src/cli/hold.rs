//! `esker hold`: snapshots that no forget may take.

use crate::cli::choose::parse_reason;
use crate::cli::named::Named;
use crate::cli::{Global, Outcome};

/// Hold snapshots: no forget takes them
///
/// Neither by name nor by rules, until `esker unhold`. `esker snapshots` marks them.
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
    args.named
        .change(global, ("held", "was held before"), |repository, ids| repository.hold(ids, reason))
}
