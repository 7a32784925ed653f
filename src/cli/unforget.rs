//! `esker unforget`: snapshots that are to be kept after all.

use crate::cli::choose::parse_reason;
use crate::cli::exit::Failure;
use crate::cli::named::Named;
use crate::cli::{Global, Outcome};
use crate::repository::Error;

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
    let words = ("brought back", "was not forgotten");
    let done = args.named.change(global, words, |repository, ids| repository.unforget(ids, reason));
    done.map_err(|failure| match failure {
        Failure::Repository(error @ Error::NoSnapshot { .. }) => {
            let hint = "`esker snapshots --forgotten` lists what can be brought back; what is not there \
                        may have been collected, and is gone for good";
            Failure::Usage(error.to_string(), Some(hint.to_owned()))
        }
        failure => failure,
    })
}
