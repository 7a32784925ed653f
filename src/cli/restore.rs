//! `esker restore`: give back a snapshot, or a part of it.

use crate::cli::choose::Choose;
use crate::cli::exit::Exit;
use crate::cli::progress::{Bar, Status};
use crate::cli::{Global, Outcome, place, show, signals};
use crate::restore::{Notes, Problem, Progress, Report, Request, restore};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Give back a snapshot, or a part of it
///
/// A whole snapshot is made again below TARGET with its absolute paths. With SNAPSHOT:PATH, what is
/// in the directory PATH goes into TARGET itself; a file goes into TARGET under its own name. TARGET
/// is made when it is not there, and must be empty when it is.
///
/// Owners are given back by root only. What could not be given back as it was is listed at the end,
/// and the exit code is 3; what the repository has lost is zero in the target and listed too, and
/// the exit code is 4.
#[derive(clap::Args)]
pub struct Args {
    /// SNAPSHOT or SNAPSHOT:PATH
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    what: String,
    /// A new or empty directory
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    #[command(flatten)]
    choose: Choose,
    /// Threads that write; one for each core when not given
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
}

#[derive(Serialize)]
struct Shown {
    snapshot: String,
    target: String,
    entries: u64,
    files: u64,
    bytes: u64,
    problems_total: usize,
    problems: Vec<(String, String)>,
    damaged_total: usize,
    damaged: Vec<(String, String)>,
    notes: ShownNotes,
}

#[derive(Serialize)]
struct ShownNotes {
    owners: u64,
    set_ids: u64,
    xattrs: u64,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let repository = place::open(global)?;
    signals::watch();
    let selected = args.choose.select(global, &repository, &args.what)?;
    let request = Request {
        selected: &selected,
        target: &args.target,
        threads: args.threads.map_or_else(super::cores, std::num::NonZero::get),
    };
    let progress = Arc::new(Progress::default());
    let report = {
        let watched = Arc::clone(&progress);
        let _bar = Bar::follow(global, move || Status {
            entries: watched.entries.load(Ordering::Relaxed),
            bytes: watched.bytes.load(Ordering::Relaxed),
            of_bytes: watched.of_bytes.load(Ordering::Relaxed),
            of_is_final: watched.planned.load(Ordering::Relaxed),
        });
        restore(&repository, &request, &progress, signals::stop())?
    };
    for Problem { path, message } in &report.problems {
        show::warning(&format!("{}: {message}", show::name(path)));
    }
    for Problem { path, message } in &report.damaged {
        show::error(&format!("{} {message}", show::name(path)));
    }
    if global.json {
        show::json(&shown(&report, &request))?;
    } else if !global.quiet {
        print(&report, &request)?;
    }
    Ok(if !report.damaged.is_empty() {
        Exit::Damage
    } else if !report.problems.is_empty() {
        Exit::Partial
    } else {
        Exit::Ok
    })
}

fn print(report: &Report, request: &Request<'_>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let Notes { owners, set_ids, xattrs } = report.notes;
    let entries = |n| show::count(n, "entry", "entries");
    if owners > 0 {
        writeln!(out, "without their owners, which only root can give back: {}", entries(owners))?;
    }
    if set_ids > 0 {
        let bits = "without set-user-id and set-group-id bits, as the owner changed";
        writeln!(out, "{bits}: {}", entries(set_ids))?;
    }
    if xattrs > 0 {
        let attributes = show::count(xattrs, "extended attribute", "extended attributes");
        writeln!(out, "left out, as only root can set them: {attributes}")?;
    }
    let things = |n: &[Problem]| show::count(n.len() as u64, "thing", "things");
    if !report.problems.is_empty() {
        writeln!(out, "partial: {} not as it was saved", things(&report.problems))?;
    }
    if !report.damaged.is_empty() {
        writeln!(out, "damaged: {} that the repository has lost", things(&report.damaged))?;
    }
    writeln!(
        out,
        "restored {}, {} of {} into {}",
        entries(report.entries),
        show::count(report.files, "file", "files"),
        show::size(report.bytes),
        request.target.display()
    )
}

fn shown(report: &Report, request: &Request<'_>) -> Shown {
    let list = |problems: &[Problem]| {
        problems.iter().map(|p| (show::json_name(&p.path), p.message.clone())).collect()
    };
    let Notes { owners, set_ids, xattrs } = report.notes;
    Shown {
        snapshot: request.selected.snapshot.id.to_string(),
        target: show::json_name(std::os::unix::ffi::OsStrExt::as_bytes(request.target.as_os_str())),
        entries: report.entries,
        files: report.files,
        bytes: report.bytes,
        problems_total: report.problems.len(),
        problems: list(&report.problems),
        damaged_total: report.damaged.len(),
        damaged: list(&report.damaged),
        notes: ShownNotes { owners, set_ids, xattrs },
    }
}
