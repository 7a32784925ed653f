//! `esker snapshot`: save directories and files.

use crate::cli::exit::{Exit, Failure};
use crate::cli::place::{self, Places, places};
use crate::cli::progress::{Bar, Status};
use crate::cli::selection::{self, Excluded, Selection};
use crate::cli::{Global, Outcome, init, show, signals};
use crate::pipeline::{self, Compared, Progress, Report, Request, Rules};
use crate::repository::{Compression, Repository, shorten};
use crate::source::{Identity, Skip};
use esker_format::node::Time;
use serde::Serialize;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Save directories and files as one snapshot
///
/// Paths are stored under their absolute names. What cannot be read is listed at the end, the rest
/// is saved, and the exit code is 3. The repository itself, its caches and the key file are left out.
/// Patterns look at each PATH itself and at what is below it, not at the directories above it.
#[derive(clap::Args)]
pub struct Args {
    /// Name of the series; made of the paths when not given
    #[arg(long, value_name = "TEXT", value_parser = plain)]
    label: Option<String>,
    /// Name of this host
    #[arg(long, value_name = "NAME", value_parser = plain)]
    host: Option<String>,
    /// Remark to find it by; can be given several times
    #[arg(long = "tag", value_name = "TEXT", value_parser = plain)]
    tags: Vec<String>,
    /// Time that the snapshot is given instead of now: 2026-11-21, "2026-11-21 14:30[:05]" (local
    /// time), 2026-11-21T14:30:05Z, or @SECONDS
    #[arg(long, value_name = "TIME", value_parser = show::parse_time)]
    time: Option<Time>,
    /// How to compress: `auto` takes the level that pays, `off` none, 1 to 19 that level of zstd.
    /// What is stored already stays as it is
    #[arg(long, value_name = "auto|off|1..19", default_value = "auto", value_parser = compression)]
    compression: Compression,
    /// Threads that do the work; one for each core when not given
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
    /// Read every file, also those that look as they did
    #[arg(long)]
    force: bool,
    /// Take files for unchanged whose inode number changed (some network file systems)
    #[arg(long)]
    ignore_inode: bool,
    /// Take files for unchanged whose ctime changed: length and mtime decide
    #[arg(long)]
    ignore_ctime: bool,
    /// Make no snapshot when it would be equal to the last one of its series
    #[arg(long)]
    skip_if_unchanged: bool,
    /// Say what would be saved and write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Say of each entry whether it is new (+), changed (M) or unchanged (.)
    #[arg(long, short = 'v')]
    verbose: bool,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Serialize)]
struct Told {
    path: String,
    change: &'static str,
}

#[derive(Serialize)]
struct Counts {
    files: u64,
    directories: u64,
    others: u64,
    bytes: u64,
    new: u64,
    changed: u64,
    unchanged: u64,
    removed: u64,
    added_bytes: u64,
    stored_bytes: u64,
}

#[derive(Serialize)]
struct Shown {
    snapshot: Option<String>,
    dry_run: bool,
    host: String,
    label: String,
    start: String,
    end: String,
    base: Option<String>,
    complete: bool,
    counts: Counts,
    changing: u64,
    adopted_packs: usize,
    problems_total: u64,
    problems: Vec<(String, String)>,
    left_out: Vec<(String, &'static str)>,
    excluded: Excluded,
    unmatched: Vec<String>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let select = Arc::new(args.selection.select()?);
    let paths = args.selection.paths(global)?;
    let places = places(global)?;
    if places.is_default && !places.repository.join(esker_format::names::CONFIG).exists() {
        init::make_default(global, &places)?;
    }
    let mut repository = place::open_at(global, &places)?;
    signals::watch();
    let mut tags = args.tags.clone();
    tags.sort();
    tags.dedup();
    let request = Request {
        paths,
        select: Arc::clone(&select),
        allow_missing: args.selection.allows_missing(),
        host: args.host.clone().unwrap_or_else(host),
        label: args.label.clone(),
        tags,
        start: args.time.unwrap_or_else(show::now),
        clock: clock(args.time),
        compression: args.compression,
        threads: args.threads.map_or_else(super::cores, std::num::NonZero::get),
        skip: skips(global, &places, &repository),
        rules: Rules {
            ignore_inode: args.ignore_inode,
            ignore_ctime: args.ignore_ctime,
            force: args.force,
        },
        skip_if_unchanged: args.skip_if_unchanged,
        is_dry: args.dry_run,
        program: concat!("esker ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let progress = Arc::new(Progress::default());
    let report = {
        let watched = Arc::clone(&progress);
        let _bar = match args.verbose {
            true => None,
            false => Bar::follow(global, move || status(&watched)),
        };
        let tell = |path: &[u8], compared: Compared| tell(path, compared, global.json);
        let observer: pipeline::Observer<'_> = if args.verbose { Some(&tell) } else { None };
        pipeline::snapshot(&mut repository, &request, &progress, observer, signals::stop())?
    };
    for problem in &report.problems {
        show::warning(&format!("{} {}", show::name(&problem.path), problem.message));
    }
    let more = report.summary.problems - report.problems.len() as u64;
    if more > 0 {
        show::warning(&format!("and {more} more"));
    }
    if !report.indexed {
        show::warning(
            "the index database could not be written; the next run reads the index from the repository",
        );
    }
    if !report.tabled {
        show::warning("the cache folder could not be written; the next run reads every file again");
    }
    let unmatched = selection::unmatched(&select);
    if !global.quiet {
        selection::note_unmatched(&unmatched);
    }
    let excluded = selection::excluded(&select);
    if global.json {
        show::json(&Shown { excluded, unmatched, ..shown(&report, args) })?;
    } else if !global.quiet {
        print(&report, &excluded, global, args.dry_run)?;
    }
    Ok(if report.summary.problems > 0 { Exit::Partial } else { Exit::Ok })
}

fn print(
    report: &Report,
    excluded: &Excluded,
    global: &Global,
    is_dry: bool,
) -> Result<(), Failure> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let c = &report.summary.counts;
    for (path, what) in &report.left_out {
        writeln!(out, "left out: {} ({what})", show::name(path))?;
    }
    if let Some(line) = excluded.line() {
        writeln!(out, "{line}")?;
    }
    writeln!(
        out,
        "{}, {}, {} other, {}",
        show::count(c.files, "file", "files"),
        show::count(c.directories, "directory", "directories"),
        c.others,
        show::size(c.bytes)
    )?;
    writeln!(
        out,
        "new {}, changed {}, unchanged {}, gone {}",
        c.new, c.changed, c.unchanged, c.removed
    )?;
    writeln!(out, "added {} ({} stored)", show::size(c.added), show::size(c.stored))?;
    if report.summary.problems > 0 {
        let things = show::count(report.summary.problems, "thing", "things");
        writeln!(out, "partial: {things} could not be saved whole")?;
    }
    if report.changing > 0 {
        let files = show::count(report.changing, "file", "files");
        writeln!(out, "changed while they were read, as they may: {files}")?;
    }
    if report.adopted > 0 {
        let packs = show::count(report.adopted as u64, "pack", "packs");
        writeln!(out, "took over {packs} of a run that did not end")?;
    }
    let Some(id) = report.snapshot.as_ref().map(shorten) else {
        let why = if is_dry { "dry run: nothing was written" } else { "unchanged: no snapshot" };
        writeln!(out, "{why}")?;
        return Ok(());
    };
    writeln!(out, "snapshot {id}")?;
    let repo = match &global.repo {
        Some(path) => format!("--repo {} ", path.display()),
        None => String::new(),
    };
    writeln!(out, "restore it with: esker {repo}restore {id} TARGET")?;
    Ok(())
}

/// A line for one entry. Nobody who stops reading them ends a backup.
fn tell(path: &[u8], compared: Compared, json: bool) {
    use std::io::Write;
    let (sign, change) = match compared {
        Compared::New => ('+', "new"),
        Compared::Changed => ('M', "changed"),
        Compared::Same => ('.', "unchanged"),
    };
    if json {
        let _ = show::json(&Told { path: show::json_name(path), change });
    } else {
        let _ = writeln!(std::io::stdout().lock(), "{sign} {}", show::name(path));
    }
}

fn shown(report: &Report, args: &Args) -> Shown {
    let s = &report.summary;
    Shown {
        snapshot: report.snapshot.map(|id| id.to_string()),
        dry_run: args.dry_run,
        host: s.host.clone(),
        label: s.label.clone(),
        start: show::utc(s.start),
        end: show::utc(s.end),
        base: s.base.map(|id| id.to_string()),
        complete: s.problems == 0,
        counts: Counts {
            files: s.counts.files,
            directories: s.counts.directories,
            others: s.counts.others,
            bytes: s.counts.bytes,
            new: s.counts.new,
            changed: s.counts.changed,
            unchanged: s.counts.unchanged,
            removed: s.counts.removed,
            added_bytes: s.counts.added,
            stored_bytes: s.counts.stored,
        },
        changing: report.changing,
        adopted_packs: report.adopted,
        problems_total: s.problems,
        problems: report
            .problems
            .iter()
            .map(|p| (show::json_name(&p.path), p.message.clone()))
            .collect(),
        left_out: report.left_out.iter().map(|(p, what)| (show::json_name(p), *what)).collect(),
        excluded: Excluded::default(),
        unmatched: Vec::new(),
    }
}

/// What must not be saved: the repository would grow into itself, and the key does not belong
/// where it opens things.
pub fn skips(global: &Global, places: &Places, repository: &Repository) -> Vec<Skip> {
    let mut skip = Vec::new();
    if let Some((device, inode)) = repository.store().local_identity() {
        skip.push(Skip { what: "the repository", identity: Identity { device, inode } });
    }
    let key = global.key_file.as_ref().unwrap_or(&places.default_key);
    let mut add = |what, path: &Path| {
        if let Ok(found) = std::fs::metadata(path) {
            let identity = Identity { device: found.dev(), inode: found.ino() };
            skip.push(Skip { what, identity });
        }
    };
    add("the cache", &places.cache);
    add("the key file", key);
    skip
}

fn status(progress: &Progress) -> Status {
    Status {
        entries: progress.entries.load(Ordering::Relaxed),
        bytes: progress.bytes.load(Ordering::Relaxed),
        of_bytes: progress.seen_bytes.load(Ordering::Relaxed),
        of_is_final: progress.walked.load(Ordering::Relaxed),
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What the clock shows when a run ends: a run that was given a time ends so much later.
fn clock(given: Option<Time>) -> Box<dyn Fn() -> Time> {
    let Some(time) = given else { return Box::new(show::now) };
    let begin = std::time::Instant::now();
    Box::new(move || show::after(time, begin.elapsed()))
}

/// A name that shows in lists: there must be something to see, and nothing that moves the cursor.
fn plain(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is empty: leave the option out instead".to_owned());
    }
    match text.chars().find(|c| c.is_control()) {
        Some(control) => {
            Err(format!("it has a control character in it: {}", control.escape_debug()))
        }
        None => Ok(text.to_owned()),
    }
}

fn compression(text: &str) -> Result<Compression, String> {
    match text {
        "auto" => Ok(Compression::Auto),
        "off" => Ok(Compression::Off),
        level => match level.parse() {
            Ok(level @ 1..=19) => Ok(Compression::Level(level)),
            _ => Err("it is auto, off, or a level from 1 to 19".to_owned()),
        },
    }
}
