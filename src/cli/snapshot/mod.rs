//! `esker snapshot`: save directories and files, or streams.

mod images;
mod making;
mod report;
mod streams;

use crate::cli::exit::{Exit, Failure};
use crate::cli::place::{self, Places, places};
use crate::cli::progress::{Bar, Status};
use crate::cli::selection::{self, Selection};
use crate::cli::{Global, Outcome, init, show, signals};
use crate::pipeline::{self, Compared, Progress, Report, Request, Rules, Shrunk};
use crate::repository::Repository;
use crate::source::{Feed, Identity, Select, Skip};
use images::Images;
pub use making::Making;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use streams::Streams;

/// Save directories and files, or streams, or disks, as one snapshot
///
/// Paths are stored under their absolute names. What cannot be read is listed at the end, the rest
/// is saved, and the exit code is 3. The repository itself, its caches and the key file are left out.
/// Patterns look at each PATH itself and at what is below it, not at the directories above it.
///
/// With --stdin or --command streams are saved instead, under names below /. There is a snapshot only
/// if all of them come to a good end. With --image disks are saved as images.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    making: Making,
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
    /// Say of each entry whether it is new (+), changed (M) or unchanged (.)
    #[arg(long, short = 'v')]
    verbose: bool,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    streams: Streams,
    #[command(flatten)]
    images: Images,
    /// The command of --command and its arguments; without it further paths
    #[arg(last = true, value_name = "CMD")]
    words: Vec<OsString>,
}

/// What is read once.
type Feeds = Vec<Box<dyn Feed>>;

pub fn run(global: &Global, args: &Args) -> Outcome {
    let select = Arc::new(args.selection.select()?);
    let places = places(global)?;
    let (paths, feeds) = args.what(global, &places)?;
    if paths.is_empty() && feeds.is_empty() {
        show::note("note: nothing to save: the list is empty");
        return Ok(Exit::Ok);
    }
    if places.is_default
        && places.folder().is_some_and(|f| !f.join(esker_format::names::CONFIG).exists())
        && !args.making.dry_run
    {
        // Nothing is made for a run that has nothing to save.
        let looked = paths.iter().map(|path| (path, path.symlink_metadata()));
        let missing: Vec<_> =
            looked.filter_map(|(p, m)| Some((p.clone(), m.err()?.to_string()))).collect();
        if feeds.is_empty() && missing.len() == paths.len() {
            return Err(pipeline::Error::NothingToSave(missing).into());
        }
        init::make_default(global, &places)?;
    }
    let mut repository = place::open_at(global, &places)?;
    signals::watch();
    let request = Request {
        paths,
        select: Arc::clone(&select),
        allow_missing: args.selection.allows_missing(),
        skip: skips(global, &places, &repository),
        rules: Rules {
            ignore_inode: args.ignore_inode,
            ignore_ctime: args.ignore_ctime,
            force: args.force,
        },
        skip_if_unchanged: args.skip_if_unchanged,
        ..args.making.request()
    };
    let progress = Arc::new(Progress::default());
    let report = {
        let watched = Arc::clone(&progress);
        let _bar = match args.verbose {
            true => None,
            false => Bar::follow(global, move || status(&watched)),
        };
        let tell = |path: &[u8], compared: Compared| report::entry(path, compared, global.json);
        let observer: pipeline::Observer<'_> = if args.verbose { Some(&tell) } else { None };
        let (repository, stop) = (&mut repository, signals::stop());
        match feeds.is_empty() {
            true => pipeline::snapshot(repository, &request, &progress, observer, stop)?,
            false => pipeline::snapshot_of(repository, &request, feeds, &progress, observer, stop)?,
        }
    };
    repository.tell();
    warn(&report);
    let unmatched = selection::unmatched(&select);
    if !global.quiet {
        selection::note_unmatched(&unmatched);
    }
    let excluded = selection::excluded(&select);
    if global.json {
        report::json(&report, args.making.dry_run, excluded, unmatched)?;
    } else if !global.quiet {
        let can_read = repository.access().reading().is_ok();
        report::text(&report, &excluded, global, args.making.dry_run, can_read)?;
    }
    Ok(if report.summary.problems > 0 { Exit::Partial } else { Exit::Ok })
}

/// Says what is not as it should be.
fn warn(report: &Report) {
    for problem in &report.problems {
        show::warning(&format!("{} {}", show::name(&problem.path), problem.message));
    }
    let more = report.summary.problems - report.problems.len() as u64;
    if more > 0 {
        show::warning(&format!("and {more} more"));
    }
    for Shrunk { path, before, now } in &report.shrunk {
        let (before, now) = (show::size(*before), show::size(*now));
        show::warning(&format!("{} has {now}; the last time it had {before}", show::name(path)));
    }
    if !report.indexed {
        show::warning(
            "the index database could not be written; the next run reads the index from the repository",
        );
    }
    if !report.tabled {
        show::warning("the cache folder could not be written; the next run reads every file again");
    }
}

/// Says what became of a run without patterns.
///
/// # Errors
/// When standard output is closed.
pub fn told(
    global: &Global,
    repository: &Repository,
    report: &Report,
    is_dry: bool,
) -> std::io::Result<()> {
    warn(report);
    let excluded = selection::excluded(&Select::default());
    if global.json {
        return report::json(report, is_dry, excluded, Vec::new());
    }
    if global.quiet {
        return Ok(());
    }
    let can_read = repository.access().reading().is_ok();
    report::text(report, &excluded, global, is_dry, can_read)
}

impl Args {
    /// What is to be saved: paths or streams.
    fn what(&self, global: &Global, places: &Places) -> Result<(Vec<PathBuf>, Feeds), Failure> {
        if !self.streams.is_some() && !self.images.is_some() {
            self.streams.check_unused()?;
            return Ok((self.selection.paths(global, &self.words)?, Vec::new()));
        }
        let usage = |message: &str, hint: &str| {
            Err(Failure::Usage(message.to_owned(), Some(hint.to_owned())))
        };
        if self.selection.names_any() {
            return usage(
                "paths cannot be in one snapshot with streams or images",
                "make a snapshot of each; the words of a command go behind `--`",
            );
        }
        if self.skip_if_unchanged && self.streams.is_some() {
            return usage(
                "--skip-if-unchanged is for files: a stream is never the same as the last one",
                "leave it out: what was stored before is not stored again",
            );
        }
        self.streams.check_unused()?;
        let mut feeds = self.images.feeds(places)?;
        feeds.extend(self.streams.feeds(global, &self.words)?);
        Ok((Vec::new(), feeds))
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
    // Every run changes it, and put back it would only be out of date.
    places.state.iter().for_each(|state| add("the state folder", state));
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
