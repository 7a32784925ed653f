//! `esker diff`: what differs between two snapshots, or a snapshot and the file system.

mod tell;

use crate::cli::choose::Choose;
use crate::cli::exit::{Exit, Failure};
use crate::cli::place::{self, places};
use crate::cli::{Global, Outcome, show, snapshot};
use crate::compare::{self, Live};
use crate::repository::{
    Choice, Chunks, Diff, Error, Repository, Step, entry_at, map_key, shorten,
};
use esker_format::node::NodeKind;
use esker_format::path::MapKey;
use esker_format::snapshot::Manifest;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tell::Teller;

/// What the help says at length, line by line as it stands.
const LONG: &str = "\
Show what differs between two snapshots, or a snapshot and the file system

Each difference is a line that begins with one of these:

    +  only B has it
    -  only A has it
    T  it is of another kind
    M  its content differs
    m  only metadata differ, which are named
    ?  with --live: same size, another time; --content tells whether it is M or m

Snapshots are compared by what their maps do not share; content by the ids of its chunks. With
--live, B is the file system as it is now, by what it says of each file: kind, size, time, mode,
owner, target. What the snapshot left out by choice shows as +. An image is compared with the file or
disk that it is of; of a disk only --content tells whether it has changed.";

/// Show what differs between two snapshots, or a snapshot and the file system
#[derive(clap::Args)]
#[command(
    long_about = LONG,
    override_usage = "esker diff [OPTIONS] A B [PATH]
       esker diff [OPTIONS] A --live[=PLACE] [PATH]"
)]
pub struct Args {
    /// SNAPSHOT or SNAPSHOT:PATH, the old one
    #[arg(value_name = "A")]
    old: String,
    /// SNAPSHOT or SNAPSHOT:PATH, the new one; and an absolute PATH to compare alone
    #[arg(value_name = "B PATH", num_args = 0..=2)]
    rest: Vec<String>,
    /// Compare with the file system; with PLACE, with what `esker restore A PLACE` made there
    #[arg(long, value_name = "PLACE", require_equals = true)]
    live: Option<Option<PathBuf>>,
    /// With --live: read files of equal size, and extended attributes, and compare them too
    #[arg(long, requires = "live")]
    content: bool,
    /// Leave out what differs in metadata alone
    #[arg(long)]
    ignore_metadata: bool,
    /// End with exit code 1 when anything differs
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    choose: Choose,
}

/// Memory for frames of pages.
const BUDGET: usize = 32 << 20;

pub fn run(global: &Global, args: &Args) -> Outcome {
    let usage = |message: &str| {
        let hint = "`esker diff A B [PATH]`, or `esker diff A --live [PATH]`".to_owned();
        Failure::Usage(message.to_owned(), Some(hint))
    };
    let (other, path) = match (&args.live, &args.rest[..]) {
        (Some(_), []) => (None, None),
        (Some(_), [path]) => (None, Some(path)),
        (Some(_), _) => return Err(usage("--live takes the place of the second snapshot")),
        (None, []) => return Err(usage("one snapshot alone cannot be compared")),
        (None, [other]) => (Some(other), None),
        (None, [other, path, ..]) => (Some(other), Some(path)),
    };
    let repository = place::open_to_read(global)?;
    let old = args.choose.pick(global, &repository, &args.old)?;
    let new = other.map(|what| args.choose.pick(global, &repository, what)).transpose()?;
    let path = one_path([
        old.path.as_deref(),
        new.as_ref().and_then(|new| new.path.as_deref()),
        path.map(String::as_str),
    ])?;
    let mut teller = Teller::new(global.json, args.ignore_metadata);
    match new {
        Some(new) => snapshots(&repository, &old, &new, path, &mut teller)?,
        None => live(global, args, &repository, &old, path, &mut teller)?,
    }
    let told = teller.end(global.quiet)?;
    Ok(match told {
        Exit::Ok if args.exit_code && teller.has_differences() => Exit::Error,
        exit => exit,
    })
}

/// The path that is compared, which may be said more than once.
fn one_path(said: [Option<&str>; 3]) -> Result<Option<(String, MapKey)>, Failure> {
    let mut said = said.into_iter().flatten();
    let Some(first) = said.next() else { return Ok(None) };
    let key = |text: &str| {
        let hint = "paths in snapshots are absolute: `esker ls SNAPSHOT` lists them".to_owned();
        let message = format!("{} is no path in a snapshot", show::name(text.as_bytes()));
        map_key(text).ok_or(Failure::Usage(message, Some(hint)))
    };
    let path = key(first)?;
    for other in said {
        if key(other)? != path {
            let (a, b) = (show::name(first.as_bytes()), show::name(other.as_bytes()));
            let message = format!("{a} and {b} are two paths, and one is compared");
            return Err(Failure::usage(message));
        }
    }
    Ok(Some((first.to_owned(), path)))
}

fn snapshots(
    repository: &Repository,
    old: &Choice,
    new: &Choice,
    path: Option<(String, MapKey)>,
    teller: &mut Teller,
) -> Result<(), Failure> {
    let manifest = |choice: &Choice| repository.manifest(choice.snapshot.id);
    let manifests = [manifest(old)?, manifest(new)?];
    if let Some((text, key)) = &path {
        let is_in = |choice: &Choice, m: &Manifest| {
            Ok::<_, Error>(entry_at(repository, choice.snapshot.scope, m, key)?.is_some())
        };
        if !is_in(old, &manifests[0])? && !is_in(new, &manifests[1])? {
            return Err(missing(text, old).into());
        }
    }
    let key = path.map(|(_, key)| key);
    let one_scope = old.snapshot.scope == new.snapshot.scope;
    if !one_scope {
        show::note(
            "note: writers of two scopes saved these: files are compared by size and time, because \
             each scope names equal bytes differently",
        );
    }
    let mut diff = Diff::new(&manifests[0], &manifests[1], key.as_ref(), one_scope);
    let mut chunks = Chunks::of_all(repository, BUDGET)?;
    while let Some(step) = diff.next(&mut chunks)? {
        match step {
            Step::Difference(difference) => teller.difference(&difference)?,
            Step::Lost { first, entries, is_old, error } => {
                let side = if is_old { old } else { new };
                teller.lost(&first, entries, &shorten(&side.snapshot.id), &error)?;
            }
        }
    }
    Ok(())
}

fn live(
    global: &Global,
    args: &Args,
    repository: &Repository,
    old: &Choice,
    path: Option<(String, MapKey)>,
    teller: &mut Teller,
) -> Result<(), Failure> {
    let manifest = repository.manifest(old.snapshot.id)?;
    let given = args.live.as_ref().and_then(|place| place.as_deref());
    let entry = match &path {
        Some((_, key)) => entry_at(repository, old.snapshot.scope, &manifest, key)?,
        None => None,
    };
    let kind = entry.as_ref().map(|entry| entry.node.kind);
    let place = given.map(|place| stands_for(place, &path, kind)).transpose()?;
    if let (Some((text, key)), None) = (&path, &entry) {
        let same = key.path();
        let on_disk = place.as_deref().unwrap_or(Path::new(OsStr::from_bytes(&same)));
        if on_disk.symlink_metadata().is_err() {
            return Err(missing(text, old).into());
        }
    }
    let request = compare::Request {
        manifest: &manifest,
        scope: old.snapshot.scope,
        path: path.as_ref().map(|(_, key)| key),
        place: place.as_deref(),
        content: args.content,
        skip: snapshot::skips(global, &places(global)?, repository),
        threads: super::cores().min(4),
    };
    let mut live = Live::new(repository, &request)?;
    while let Some(step) = live.next()? {
        match step {
            compare::Step::Difference(difference) => teller.difference(&difference)?,
            compare::Step::Lost { first, entries, error } => {
                teller.lost(&first, entries, &shorten(&old.snapshot.id), &error)?;
            }
            compare::Step::Problem(key, message) => teller.problem(&key, &message)?,
        }
    }
    Ok(())
}

/// What on disk stands for what is compared: a restored file lies in PLACE under its own name.
fn stands_for(
    place: &Path,
    path: &Option<(String, MapKey)>,
    kind: Option<NodeKind>,
) -> Result<PathBuf, Failure> {
    let found = place.canonicalize().map_err(|source| Error::Io {
        action: "look at",
        path: show::name(place.as_os_str().as_bytes()),
        source,
    })?;
    Ok(match (path, kind) {
        (Some((_, key)), Some(kind)) if kind != NodeKind::Directory => {
            found.join(OsStr::from_bytes(&key.name))
        }
        _ => found,
    })
}

fn missing(path: &str, choice: &Choice) -> Error {
    Error::NoPath { path: path.to_owned(), snapshot: shorten(&choice.snapshot.id) }
}
