//! `esker gc`: give back the space of what no snapshot needs.

mod print;
mod told;

use crate::cli::exit::Exit;
use crate::cli::progress::{Bar, Status};
use crate::cli::{Global, Outcome, place, show, signals};
use crate::repository::gc::{self, Progress, Report, Request};
use crate::repository::{Error, Repository};
use esker_format::ids::SnapshotId;
use print::print;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use told::{Done, Told};

/// Attempts of a collection that another one has ended.
const ATTEMPTS: u32 = 3;

/// Give back the space of what no snapshot needs
///
/// Forgotten snapshots and what only they need go for good when --grace is over: until then `esker
/// unforget` brings them back. With --grace 0 the space is back after one run. It
/// works beside backups, restores and other collections: safety does not hang on the grace. With the
/// owner's key, packs that are used in part are written anew, and many small ones are merged; without
/// it, whole packs go.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    how: How,
    /// Show what would be done, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// How to collect.
#[derive(clap::Args)]
pub struct How {
    /// How long forgotten snapshots and what is out of use stay before they are gone for good, counted
    /// from the first collection of this machine that saw them: 30min, 36h, 1d, 2w, or 0
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = show::parse_duration)]
    grace: Duration,
    /// How long a backup may be silent before it is taken for dead and what it left is removed; one
    /// that comes back starts over. A running one is heard of every ten minutes. Units: s, min, h, d, w
    #[arg(long, value_name = "TIME", default_value = "1w", value_parser = show::parse_duration)]
    abort_after: Duration,
    /// Bytes of partly used packs that are written anew at most: 0 for none
    #[arg(long, value_name = "SIZE", value_parser = show::parse_size)]
    max_repack: Option<u64>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let mut repository = place::open(global)?;
    collect(global, &mut repository, &args.how, args.dry_run, Vec::new())
}

/// Collects in an open repository; a dry run as if the snapshots in `forgotten` were forgotten too.
///
/// # Errors
/// When the key may not, or the store fails.
pub fn collect(
    global: &Global,
    repository: &mut Repository,
    how: &How,
    is_dry: bool,
    forgotten: Vec<SnapshotId>,
) -> Outcome {
    signals::watch();
    let request = Request {
        grace: how.grace,
        abort_after: how.abort_after,
        max_repack: how.max_repack,
        now: show::now().seconds,
        is_dry,
        forgotten,
    };
    let mut attempt = 1;
    let (told, report) = loop {
        match once(global, repository, &request) {
            // It is taken for dead while it was only slow.
            Err(Error::Fenced { .. }) if attempt < ATTEMPTS => attempt += 1,
            other => break other?,
        }
    };
    let is_damaged = !told.broken.is_empty() || report.iter().any(|r| !r.failed.is_empty());
    if global.json {
        show::json(&told)?;
        report.iter().try_for_each(|report| show::json(&Done::new(report)))?;
    } else {
        print(global, &told, report.as_ref())?;
    }
    Ok(if is_damaged { Exit::Damage } else { Exit::Ok })
}

fn once(
    global: &Global,
    repository: &mut Repository,
    request: &Request,
) -> Result<(Told, Option<Report>), Error> {
    let progress = Arc::new(Progress::default());
    let watched = Arc::clone(&progress);
    let _bar = Bar::follow(global, move || Status {
        entries: watched.snapshots.load(Ordering::Relaxed),
        bytes: watched.repacked.load(Ordering::Relaxed),
        of_bytes: watched.of_repacked.load(Ordering::Relaxed),
        of_is_final: true,
    });
    let plan = gc::plan(repository, request, &progress, signals::stop())?;
    let mut told = Told::new(&plan, request);
    told.look_at(repository, &plan.aged_snapshots);
    if request.is_dry {
        return Ok((told, None));
    }
    let report = gc::apply(repository, plan, request, &progress, signals::stop())?;
    // Somebody may have brought one back meanwhile.
    told.lines.retain(|(id, _)| !repository.state().has_snapshot(id));
    told.gone = told.lines.iter().map(|(id, _)| id.to_string()).collect();
    Ok((told, Some(report)))
}
