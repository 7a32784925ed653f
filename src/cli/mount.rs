//! `esker mount`: a repository as a file system.

mod detach;

use crate::browse::mount::{self, Event, MountError, Mounted, Observer, Options, Shown, Wanted};
use crate::cli::choose::Choose;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Global, Outcome, place, show, signals};
use crate::repository::view::View;
use detach::Role;
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Threads that answer at most: more only take memory.
const THREADS: usize = 4;

/// How often is looked whether to end.
const PAUSE: Duration = Duration::from_millis(100);

/// Show snapshots as a file system, for reading
///
/// MOUNTPOINT is an empty directory. In it are by-id/ID, by-time/TIME (UTC) and by-series/LABEL/TIME with
/// by-series/LABEL/latest, where / in a label is %2F; the last three are links to the first. Snapshots that
/// are saved meanwhile show up, and forgotten ones go. With --snapshot, that snapshot itself is there.
///
/// Files have their owners, modes, times, attributes and links, and streams are files. A disk image NAME is a
/// file, and its partitions are NAME.parts/1 and so on: mount -o loop,ro shows what is in one of them; a
/// journal that was not clean needs noload (ext4) or norecovery (xfs) with it.
///
/// What cannot be read is an input/output error for whoever reads it, and is told here once; the exit code is 4
/// then. It unmounts with Ctrl-C, or when somebody else does (umount, fusermount3 -u), and ends when nobody uses
/// any of it any more, or with a second Ctrl-C. When it is killed, nothing stays mounted, as fusermount3 (package
/// fuse3) sees to that; without it only root can mount, in the foreground.
#[derive(clap::Args)]
pub struct Args {
    /// An empty directory
    mountpoint: PathBuf,
    /// Show this snapshot alone, at MOUNTPOINT itself
    #[arg(long, value_name = "SNAPSHOT")]
    snapshot: Option<String>,
    /// Let other users look, as far as the modes of files let them; who is not root needs user_allow_other in
    /// /etc/fuse.conf for it
    #[arg(long)]
    allow_other: bool,
    /// Go on in the background once it is mounted
    #[arg(long)]
    detach: bool,
    /// Where what goes wrong is written to in the background; otherwise nobody hears of it
    #[arg(long, value_name = "FILE", requires = "detach")]
    log: Option<PathBuf>,
    /// Memory for content that was read, such as 256M
    #[arg(long, value_name = "BYTES", default_value = "64M", value_parser = show::parse_size)]
    memory: u64,
    #[command(flatten)]
    choose: Choose,
}

#[derive(Serialize)]
struct Told {
    mountpoint: String,
    process: u32,
    snapshot: Option<String>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let role = match args.detach {
        true => detach::role(),
        false => Role::Foreground,
    };
    if let Role::Front = role {
        return detach::send();
    }
    let log = args.log.as_deref().map(open_log).transpose()?;
    let repository = place::open_to_read(global)?;
    let filter = args.choose.filter(&repository)?;
    let wanted = match &args.snapshot {
        None => Wanted::All(filter),
        Some(what) => {
            let choice = args.choose.pick(global, &repository, what)?;
            if let Some(path) = choice.path {
                let hint = "mount the snapshot, and look there".to_owned();
                let message = format!("--snapshot takes no path, and {path} is one");
                return Err(Failure::Usage(message, Some(hint)));
            }
            Wanted::One(Box::new(choice.snapshot))
        }
    };
    let snapshot = match &wanted {
        Wanted::One(snapshot) => Some(snapshot.id.to_string()),
        Wanted::All(_) => None,
    };
    // Where it is does not change, wherever links lead later.
    let mountpoint = std::path::absolute(&args.mountpoint)?;
    let threads = super::cores().clamp(2, THREADS);
    let options = Options {
        mountpoint: std::fs::canonicalize(&mountpoint).unwrap_or(mountpoint),
        allow_other: args.allow_other,
        must_end: args.detach,
        name: repository.store().location(),
        threads,
    };
    if let Wanted::All(filter) = &wanted
        && !repository.snapshots()?.iter().any(|snapshot| filter.lists(snapshot))
    {
        show::note("there is no such snapshot yet: what is saved from now on shows up");
    }
    let budget = usize::try_from(args.memory).unwrap_or(usize::MAX);
    let view = View::new(repository, budget, threads);
    let was_damage = Arc::new(AtomicBool::new(false));
    let observer = observer(&was_damage);
    let shown = Arc::new(Shown::new(&view, wanted, show::now(), observer));
    signals::watch();
    let mounted = mount::mount(shown, &options).map_err(failure)?;
    say(global, &options, snapshot)?;
    if let Role::Back = role {
        detach::leave(log)?;
    }
    wait(&mounted);
    if mounted.unmount() {
        show::note(
            "unmounted, but some of it is still in use: this goes on until nobody uses it, and a second signal ends it",
        );
        while !mounted.is_over() {
            std::thread::sleep(PAUSE);
        }
    }
    Ok(match was_damage.load(Ordering::Relaxed) {
        true => Exit::Damage,
        false => Exit::Ok,
    })
}

/// Until somebody wants it to end.
fn wait(mounted: &Mounted) {
    while !signals::stop().load(Ordering::Relaxed) && !mounted.is_over() {
        std::thread::sleep(PAUSE);
    }
}

fn say(global: &Global, options: &Options, snapshot: Option<String>) -> Result<(), Failure> {
    let path = &options.mountpoint;
    let process = std::process::id();
    if global.json {
        let mountpoint = show::json_name(path.as_os_str().as_encoded_bytes());
        show::json(&Told { mountpoint, process, snapshot })?;
    } else if !global.quiet {
        let mut out = std::io::stdout();
        writeln!(out, "mounted at {}", show_path(path))?;
        let end = match options.must_end {
            true => {
                format!(
                    "process {process} goes on; fusermount3 -u {} ends it",
                    show::word(path.as_os_str())
                )
            }
            false => "Ctrl-C ends it".to_owned(),
        };
        if out.is_terminal() || options.must_end {
            writeln!(out, "{end}")?;
        }
    }
    std::io::stdout().flush()?;
    Ok(())
}

/// Says what goes wrong, and remembers whether it was damage.
fn observer(was_damage: &Arc<AtomicBool>) -> Observer {
    let was_damage = Arc::clone(was_damage);
    Box::new(move |event| {
        if matches!(&event, Event::Unreadable { error, .. } if error.is_damage()) {
            was_damage.store(true, Ordering::Relaxed);
        }
        tell(&event);
    })
}

fn tell(event: &Event<'_>) {
    match event {
        Event::Collected { snapshot } => show::warning(&format!(
            "{snapshot} was forgotten, and a collection has taken what it needs: it cannot be read any more"
        )),
        Event::Stale(error) => show::warning(&format!(
            "the log cannot be read on, so what is new is not shown: {}",
            place::describe(error)
        )),
        Event::Unreadable { snapshot, path, error } => show::warning(&format!(
            "{snapshot}:{} cannot be read whole: {}",
            show::name(path),
            place::describe(error)
        )),
    }
}

/// The same with what to do about it.
fn failure(error: MountError) -> Failure {
    let hint = match &error {
        MountError::Place { .. } => Some("name an empty directory of your own"),
        MountError::Dead(_) => {
            Some("`fusermount3 -u` or `umount -l` with that directory takes it away")
        }
        MountError::NoFuse(_) => {
            Some("load the module `fuse`, or give the container the device /dev/fuse")
        }
        MountError::NoFusermount => Some(
            "install it (package fuse3); without it, only root can mount, and not with --detach",
        ),
        MountError::Refused(said) if said.contains("user_allow_other") => {
            Some("add the line user_allow_other to /etc/fuse.conf, or leave --allow-other out")
        }
        MountError::Refused(_) | MountError::Io(_) => None,
    };
    Failure::Usage(place::describe(&error), hint.map(str::to_owned))
}

fn open_log(path: &Path) -> Result<std::fs::File, Failure> {
    let opened = std::fs::File::options().append(true).create(true).open(path);
    opened.map_err(|error| Failure::usage(format!("{} cannot be written: {error}", path.display())))
}

fn show_path(path: &Path) -> String {
    show::name(path.as_os_str().as_encoded_bytes())
}
