//! `esker copy`: snapshots into another repository.

use crate::cli::choose::{self, Choose};
use crate::cli::exit::{Exit, Failure};
use crate::cli::opened::Opened;
use crate::cli::progress::{Bar, Status};
use crate::cli::{Global, Outcome, place, show, signals};
use crate::repository::copy::{Copied, Progress, copy, twin};
use crate::repository::{Error, Repository, Snapshot, shorten};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Copy snapshots into another repository, under its keys
///
/// Content is read with the owner's key and saved there as a snapshot of its own, which keeps times, host, label,
/// tags, paths and what could not be saved whole. What the other repository has is not stored again, and with its
/// owner's key what an earlier copy has is not read again. A snapshot that is there already (same series, same
/// times) is passed over. For a copy of everything under the same keys, see `esker sync`.
#[derive(clap::Args)]
pub struct Args {
    /// Snapshots to copy; all that are left by the options below when none is named
    #[arg(value_name = "SNAPSHOT")]
    what: Vec<String>,
    /// The other repository: an address as of --repo
    #[arg(long, value_name = "ADDRESS")]
    to: PathBuf,
    /// Key file that opens the other repository; without it the passphrase is asked for, or taken from
    /// ESKER_PASSWORD and its like
    #[arg(long, value_name = "FILE")]
    to_key_file: Option<PathBuf>,
    /// Show what would be copied, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    choose: Choose,
}

#[derive(Serialize)]
struct Row {
    snapshot: String,
    copy: Option<String>,
    was_there: bool,
    taken_entries: u64,
    read_bytes: u64,
    added_bytes: u64,
    stored_bytes: u64,
    error: Option<String>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let mut source = place::open_to_read(global)?;
    let mut snapshots = match args.what.is_empty() {
        true => args.choose.snapshots(&source)?,
        false => pick(args, &source)?,
    };
    // The order counts there too.
    snapshots.sort_by_key(|snapshot| snapshot.seq);
    let mut target = open_target(global, args)?;
    if source.config().genesis == target.config().genesis {
        let hint = "`esker sync` copies a repository as a whole, under the same keys";
        let message = "this is the same repository, or a copy of it".to_owned();
        return Err(Failure::Usage(message, Some(hint.to_owned())));
    }
    if !args.dry_run {
        target.expect_appendable()?;
    }
    signals::watch();
    let mut is_damaged = false;
    for snapshot in &snapshots {
        let copied = match args.dry_run {
            true => dry(&target, snapshot),
            false => one(global, &mut source, &mut target, snapshot).map(Some),
        };
        match copied {
            Ok(copied) => tell(global, &source, snapshot, copied.as_ref())?,
            // The others can be copied all the same.
            Err(error) if is_of_snapshot(&error) => {
                is_damaged = true;
                tell_failed(global, snapshot, &error)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if snapshots.is_empty() && !global.quiet && !global.json {
        show::note("no snapshots to copy; `esker snapshots` lists what there is");
    }
    Ok(if is_damaged { Exit::Damage } else { Exit::Ok })
}

fn pick(args: &Args, source: &Repository) -> Result<Vec<Snapshot>, Failure> {
    let picked = args.choose.pick_all(source, &args.what)?;
    match picked.unlisted.first() {
        // Nobody could tell whether it is there already.
        Some(id) => Err(Failure::usage(format!(
            "snapshot {} cannot be copied",
            choose::describe_unlisted(source, id)
        ))),
        None => Ok(picked.listed),
    }
}

fn open_target(global: &Global, args: &Args) -> Result<Opened, Failure> {
    let global = Global {
        repo: Some(args.to.clone()),
        key_file: args.to_key_file.clone(),
        recovery_key: false,
        cache_dir: global.cache_dir.clone(),
        state_dir: global.state_dir.clone(),
        stores_file: global.stores_file.clone(),
        ..*global
    };
    place::open(&global)
}

fn one(
    global: &Global,
    source: &mut Repository,
    target: &mut Repository,
    snapshot: &Snapshot,
) -> Result<Copied, Error> {
    let progress = Arc::new(Progress::default());
    progress.of_bytes.store(snapshot.summary.counts.bytes, Ordering::Relaxed);
    let watched = Arc::clone(&progress);
    let _bar = Bar::follow(global, move || Status {
        entries: watched.entries.load(Ordering::Relaxed),
        bytes: watched.bytes.load(Ordering::Relaxed),
        of_bytes: watched.of_bytes.load(Ordering::Relaxed),
        of_is_final: false,
    });
    let program = concat!("esker ", env!("CARGO_PKG_VERSION"));
    copy(source, target, snapshot, program, &progress, signals::stop())
}

/// What would be done: none where the snapshot would be copied.
fn dry(target: &Repository, snapshot: &Snapshot) -> Result<Option<Copied>, Error> {
    let there = twin(target, snapshot)?;
    let (taken, read, added, stored) = Default::default();
    Ok(there.map(|snapshot| Copied { snapshot, was_there: true, taken, read, added, stored }))
}

/// Whether it is this snapshot alone that cannot be copied.
const fn is_of_snapshot(error: &Error) -> bool {
    matches!(
        error,
        Error::Damaged { .. }
            | Error::Unreadable { .. }
            | Error::Missing { .. }
            | Error::NoChunk { .. }
            | Error::NotCopied { .. }
    )
}

fn tell(
    global: &Global,
    source: &Repository,
    snapshot: &Snapshot,
    copied: Option<&Copied>,
) -> std::io::Result<()> {
    if global.json {
        let number = |of: fn(&Copied) -> u64| copied.map_or(0, of);
        return show::json(&Row {
            snapshot: snapshot.id.to_string(),
            copy: copied.map(|copied| copied.snapshot.to_string()),
            was_there: copied.is_some_and(|copied| copied.was_there),
            taken_entries: number(|copied| copied.taken),
            read_bytes: number(|copied| copied.read),
            added_bytes: number(|copied| copied.added),
            stored_bytes: number(|copied| copied.stored),
            error: None,
        });
    }
    if global.quiet {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    let which = choose::describe(source, snapshot);
    match copied {
        None => writeln!(out, "would copy {which}"),
        Some(Copied { snapshot, was_there: true, .. }) => {
            writeln!(out, "is there as {}: {which}", shorten(snapshot))
        }
        Some(Copied { snapshot, read, stored, .. }) => writeln!(
            out,
            "copied to {}, read {}, stored {}: {which}",
            shorten(snapshot),
            show::size(*read),
            show::size(*stored)
        ),
    }
}

fn tell_failed(global: &Global, snapshot: &Snapshot, error: &Error) -> std::io::Result<()> {
    let why = place::describe(error);
    show::error(&format!("snapshot {} was not copied: {why}", shorten(&snapshot.id)));
    if !global.json {
        return Ok(());
    }
    show::json(&Row {
        snapshot: snapshot.id.to_string(),
        copy: None,
        was_there: false,
        taken_entries: 0,
        read_bytes: 0,
        added_bytes: 0,
        stored_bytes: 0,
        error: Some(why),
    })
}
