//! `esker promote`: take a copy into service.

use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, place, reach, show};
use crate::sync;
use serde::Serialize;
use std::io::Write;

/// Take a copy into service as the repository
///
/// For the day when the repository that it is a copy of is lost: from then on the copy takes snapshots like any
/// other repository. Needs no key. Make sure that nothing writes to the old one any more: from here on the two
/// have histories of their own, and neither can be synced to the other again.
///
/// A copy whose last sync was cut off is refused. Its snapshots up to that sync are whole: finish the sync if the
/// repository is still there, or give up what was on its way with --cut-off.
#[derive(clap::Args)]
pub struct Args {
    /// Give up the log entries of a sync that was not finished
    #[arg(long)]
    cut_off: bool,
    /// Show what would be done, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

#[derive(Serialize)]
struct Told {
    location: String,
    log_entries: u64,
    removed_entries: u64,
    promoted: bool,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let places = place::places(global)?;
    let store = reach::store(global, &places)?;
    let promoted = sync::promote(&*store, args.cut_off, args.dry_run)?;
    let location = places.repository.to_string();
    if global.json {
        show::json(&Told {
            location,
            log_entries: promoted.entries,
            removed_entries: promoted.removed,
            promoted: !args.dry_run,
        })?;
    } else if !global.quiet {
        let mut out = std::io::stdout().lock();
        let entries = show::count(promoted.entries, "log entry", "log entries");
        if promoted.removed > 0 {
            let removed = show::count(promoted.removed, "log entry", "log entries");
            let verb = if args.dry_run { "would remove" } else { "removed" };
            writeln!(out, "{verb} {removed} of an unfinished sync")?;
        }
        match args.dry_run {
            true => writeln!(out, "{location} would be in service, with {entries}")?,
            false => writeln!(
                out,
                "{location} is in service, with {entries}: it takes snapshots from now on. Let nothing \
                 write to the repository that it was a copy of"
            )?,
        }
    }
    Ok(Exit::Ok)
}
