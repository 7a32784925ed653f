//! `esker sync`: bring a copy of the repository up to date.

mod last;
mod tell;

use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::{Bar, Status};
use crate::cli::{Global, Outcome, place, reach, signals};
use crate::store::address::Address;
use crate::store::{MemoryStore, OpenError, OpenOptions, Store, StoreErrorKind};
use crate::sync::{self, Progress, Request};
use last::Last;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Objects that are copied at the same time.
const THREADS: usize = 4;

/// Bring a copy of the repository up to date
///
/// Copies what DESTINATION lacks, by name and without any key: whoever runs it needs to read the
/// repository and to write there, and nothing else. A new destination is made and marked as a copy: it can be read
/// like the repository, and takes no snapshots until `esker promote` takes it into service. At every moment it
/// has whole snapshots only, and the next sync goes on where one was cut off.
///
/// Each object is checked before it is copied: one that is damaged is named and passed over, and the exit
/// code is 4. Nothing is deleted in the copy; `esker gc` there gives back what the repository gave up. A
/// destination that is no copy of this repository, or has what the repository has not, is refused.
#[derive(clap::Args)]
pub struct Args {
    /// Where the copy is: an address as of --repo, of a folder that is empty, does not exist, or was synced
    /// before
    #[arg(value_name = "DESTINATION")]
    destination: PathBuf,
    /// Show what would be copied, and how far the copy is behind
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Objects that are copied at the same time; 4 when not given
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let places = place::places(global)?;
    let source = reach::store(global, &places)?;
    let address = reach::address(&args.destination)?;
    if let (Some(source), Some(folder)) = (places.folder(), address.folder()) {
        expect_apart(source, folder)?;
    }
    let options = reach::options(global, &places)?;
    let destination = destination(&address, &options, args.dry_run)?;
    signals::watch();
    let plan = sync::plan(&*source, &*destination)?;
    let location = address.to_string();
    let last = Last::of(&places, plan.repository, &destination.location());
    let told = tell::Planned::new(&plan, source.location(), location, last.read());
    told.tell(global, args.dry_run)?;
    if args.dry_run {
        return Ok(if plan.differing.is_empty() { Exit::Ok } else { Exit::Damage });
    }
    let progress = Arc::new(Progress::default());
    let watched = Arc::clone(&progress);
    let bar = Bar::follow(global, move || Status {
        entries: watched.objects.load(Ordering::Relaxed),
        bytes: watched.bytes.load(Ordering::Relaxed),
        of_bytes: watched.of_bytes.load(Ordering::Relaxed),
        of_is_final: true,
    });
    let threads = args.threads.map_or(THREADS, |_| super::threads(args.threads));
    let (request, stop) = (Request { threads }, signals::stop());
    let report = sync::apply(&*source, &*destination, plan, request, &progress, stop)?;
    drop(bar);
    last.write(report.end);
    tell::done(global, &told, &report)?;
    Ok(if report.bad.is_empty() { Exit::Ok } else { Exit::Damage })
}

/// Fails when one of two folders lies in the other.
fn expect_apart(source: &Path, destination: &Path) -> Result<(), Failure> {
    let whole = |path: &Path| -> Option<PathBuf> {
        // What does not exist yet has a parent that does.
        let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
        let (above, real) = there?;
        Some(real.join(path.strip_prefix(above).ok()?))
    };
    let absolute = std::path::absolute(destination).ok();
    let (Some(source), Some(destination)) = (whole(source), absolute.as_deref().and_then(whole))
    else {
        return Ok(());
    };
    if source != destination && destination.starts_with(&source) {
        let message = format!("{} is inside of the repository", destination.display());
        return Err(Failure::Usage(message, Some("name another folder for the copy".to_owned())));
    }
    Ok(())
}

/// The store that the copy is in; a new one is made, unless nothing is to be written.
fn destination(
    address: &Address,
    options: &OpenOptions,
    is_dry: bool,
) -> Result<Arc<dyn Store>, Failure> {
    let Some(path) = address.folder() else {
        return match address.open(options) {
            // A server has folders, and this one is not there yet.
            Err(OpenError::Store(e)) if e.kind() == StoreErrorKind::NotFound => match is_dry {
                true => Ok(Arc::new(MemoryStore::new())),
                false => Ok(address.create(options)?),
            },
            opened => Ok(opened?),
        };
    };
    let has = |name: &str| path.join(name).exists();
    if has(esker_format::names::MIRROR) || has(esker_format::names::CONFIG) || has("log") {
        return Ok(address.open(options)?);
    }
    if is_dry && !path.exists() {
        return Ok(Arc::new(MemoryStore::new()));
    }
    Ok(address.create(options)?)
}
