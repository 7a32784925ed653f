//! `esker gc`: give back the space of what no snapshot needs.

use crate::cli::exit::Exit;
use crate::cli::progress::{Bar, Status};
use crate::cli::{Failure, Global, Outcome, place, show, signals};
use crate::repository::gc::{self, Amount, Plan, Progress, Report, Request, Stays};
use crate::repository::{Error, Repository};
use esker_format::ids::SnapshotId;
use serde::Serialize;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Attempts of a collection that another one has ended.
const ATTEMPTS: u32 = 3;

/// Give back the space of what no snapshot needs
///
/// What only forgotten snapshots need is first taken out of use, and given up when --grace is over:
/// until then `esker unforget` brings it back. With --grace 0 the space is back after one run. It
/// works beside backups, restores and other collections: safety does not hang on the grace. With the
/// owner's key, packs that are used in part are written anew, and many small ones are merged; without
/// it, whole packs go.
///
/// In a copy that `esker sync` made, only what the repository gave up is removed, and nothing is appended.
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
    /// How long what is given up stays before its space is freed, as this machine has seen it: 36h,
    /// 2w, or 0
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = show::parse_duration)]
    grace: Duration,
    /// How long a backup may be silent before it is taken for dead and what it left is removed; one
    /// that comes back starts over. A running one is heard of every ten minutes
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
    let told = Told::new(&plan, request);
    if request.is_dry {
        return Ok((told, None));
    }
    let report = gc::apply(repository, plan, request, &progress, signals::stop())?;
    Ok((told, Some(report)))
}

/// A plan, ready to be told.
#[derive(Serialize)]
#[serde(tag = "kind", rename = "plan")]
struct Told {
    grace_seconds: u64,
    frees: u64,
    leftovers: Amount,
    silent_sessions: u64,
    silent: Amount,
    give_up: Amount,
    snapshots: u64,
    mark: Amount,
    repack: Amount,
    repacked: Amount,
    segments: i64,
    narrow: u64,
    stays: Stays,
    broken: Vec<Broken>,
    unreadable: Vec<String>,
    without_content: bool,
    copy: bool,
}

#[derive(Serialize)]
struct Broken {
    snapshot: String,
    message: String,
}

impl Told {
    fn new(plan: &Plan, request: &Request) -> Self {
        let broken = plan.broken.iter();
        Self {
            grace_seconds: request.grace.as_secs(),
            frees: plan.frees(),
            leftovers: plan.leftovers,
            silent_sessions: plan.fence.len() as u64,
            silent: plan.fenced,
            give_up: plan.give_up,
            snapshots: plan.manifests.count,
            mark: plan.mark,
            repack: plan.repack,
            repacked: plan.repacked,
            segments: plan.segments,
            narrow: plan.narrow,
            stays: plan.stays,
            broken: broken
                .map(|(id, message)| Broken { snapshot: id.to_string(), message: message.clone() })
                .collect(),
            unreadable: plan.unreadable.clone(),
            without_content: !plan.can_read,
            copy: plan.is_copy,
        }
    }
}

/// What was done, ready to be told.
#[derive(Serialize)]
#[serde(tag = "kind", rename = "done")]
struct Done {
    freed: i64,
    removed: Amount,
    refused: Amount,
    sessions_ended: u64,
    marked: Amount,
    repacked: Amount,
    written: Amount,
    narrowed: u64,
    segments_merged: u64,
    overtaken: u64,
    failed: Vec<String>,
}

impl Done {
    fn new(report: &Report) -> Self {
        Self {
            freed: report.freed(),
            removed: report.removed,
            refused: report.refused,
            sessions_ended: report.fenced,
            marked: report.marked,
            repacked: report.repacked,
            written: report.written,
            narrowed: report.narrowed,
            segments_merged: report.merged,
            overtaken: report.overtaken,
            failed: report.failed.clone(),
        }
    }
}

fn print(global: &Global, told: &Told, report: Option<&Report>) -> Result<(), Failure> {
    for broken in &told.broken {
        let text = format!(
            "snapshot {} cannot be walked, and all that it may need stays: {}",
            broken.snapshot.get(..16).unwrap_or(&broken.snapshot),
            broken.message
        );
        show::error(&text);
    }
    if !told.broken.is_empty() {
        show::hint("`esker check` says what is damaged");
    }
    for name in &told.unreadable {
        show::warning(&format!("{name} is not told by its header, and stays"));
    }
    for failed in report.iter().flat_map(|report| &report.failed) {
        show::error(&format!("{failed}: it stays as it is"));
    }
    if global.quiet {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    match report {
        None => dry(&mut out, told)?,
        Some(report) => done(&mut out, report)?,
    }
    stays(&mut out, told)?;
    if told.copy {
        writeln!(out, "this is a copy: what the repository gave up is removed, and nothing else")?;
    }
    if told.without_content {
        writeln!(out, "only whole packs were looked at: more needs the owner's key")?;
    }
    Ok(())
}

fn line(
    out: &mut impl Write,
    verb: &str,
    amount: Amount,
    one: &str,
    many: &str,
) -> std::io::Result<()> {
    if amount.count == 0 {
        return Ok(());
    }
    let count = show::count(amount.count, one, many);
    writeln!(out, "{verb} {count}, {}", show::size(amount.bytes))
}

fn dry(out: &mut impl Write, told: &Told) -> std::io::Result<()> {
    line(
        out,
        "would remove",
        told.leftovers,
        "object that was given up before",
        "objects that were given up before",
    )?;
    if told.silent_sessions > 0 {
        let sessions = show::count(told.silent_sessions, "silent session", "silent sessions");
        let left = show::count(told.silent.count, "object", "objects");
        writeln!(out, "would end {sessions} and remove {left}, {}", show::size(told.silent.bytes))?;
    }
    line(out, "would take out of use", told.mark, "pack", "packs")?;
    if told.repack.count > 0 {
        let packs = show::count(told.repack.count, "pack", "packs");
        let (old, new) = (show::size(told.repack.bytes), show::size(told.repacked.bytes));
        writeln!(out, "would write {packs} of {old} anew, to about {new}")?;
    }
    line(out, "would give up", told.give_up, "pack", "packs")?;
    writeln!(out, "would free about {}", show::size(told.frees))
}

fn done(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    if report.fenced > 0 {
        writeln!(out, "ended {}", show::count(report.fenced, "silent session", "silent sessions"))?;
    }
    line(out, "took out of use", report.marked, "pack", "packs")?;
    if report.repacked.count > 0 {
        let packs = show::count(report.repacked.count, "pack", "packs");
        let (old, new) = (show::size(report.repacked.bytes), show::size(report.written.bytes));
        writeln!(out, "wrote {packs} of {old} anew, to {new}")?;
    }
    if report.merged > 0 {
        writeln!(out, "merged {}", show::count(report.merged, "segment", "segments"))?;
    }
    line(out, "removed", report.removed, "object", "objects")?;
    line(out, "the store refused to remove", report.refused, "object", "objects")?;
    if report.overtaken > 0 {
        let packs = show::count(report.overtaken, "pack", "packs");
        writeln!(out, "left {packs} that others needed or took meanwhile")?;
    }
    match report.freed() {
        freed @ 0.. => writeln!(out, "freed {}", show::size(freed.unsigned_abs())),
        grown => {
            writeln!(out, "wrote {} more than was freed so far", show::size(grown.unsigned_abs()))
        }
    }
}

fn stays(out: &mut impl Write, told: &Told) -> std::io::Result<()> {
    let Stays { grace, running, partly, pinned } = told.stays;
    if grace.count > 0 {
        let (packs, bytes) = (show::count(grace.count, "pack", "packs"), show::size(grace.bytes));
        let time = show::duration(Duration::from_secs(told.grace_seconds));
        writeln!(out, "{packs}, {bytes}, out of use: freed when --grace ({time}) is over")?;
    }
    line(out, "unfinished backups have put", running, "object", "objects")?;
    line(out, "unfinished backups or damaged snapshots keep", pinned, "pack", "packs")?;
    if partly.count > 0 {
        let (packs, bytes) = (show::count(partly.count, "pack", "packs"), show::size(partly.bytes));
        writeln!(out, "about {bytes} unused in {packs} that hold what is in use")?;
    }
    Ok(())
}
