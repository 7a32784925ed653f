//! `esker repair`: make a damaged repository whole again.

mod tell;

use crate::cli::exit::{Exit, Failure};
use crate::cli::place::{self, Places};
use crate::cli::progress::{Bar, Status};
use crate::cli::{Global, Outcome, reach, signals};
use crate::repository::Lock;
use crate::repository::check::Progress;
use crate::repository::repair::{self, Wrong};
use crate::store::Store;
use crate::sync::mend::{First, Mending, Request};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tell::Teller;

/// Objects that are brought from a copy at the same time.
const THREADS: usize = 4;

/// Make a damaged repository whole again
///
/// Says first what is wrong with which object and what becomes of it, and then does it. Whatever a copy named with
/// --from has whole comes back from there: a copy that `esker sync` made, or for such a copy the repository itself.
/// Of the rest, what can be made anew is: segments from packs, checkpoints from the log, and what is sound in a
/// damaged pack goes into new ones, which needs the owner's key. What is lost is named with its paths, and the
/// snapshots that lost it are marked: `esker snapshots` shows them as DAMAGED. The next `esker snapshot` stores anew what
/// is still on disk, and the next repair takes back the marks of snapshots that are whole again.
///
/// Nothing is deleted that is not replaced. The exit code is 4 when something stays lost.
#[derive(clap::Args)]
pub struct Args {
    /// Bring damaged and missing objects back from here: an address as of --repo, of a copy of this repository, or of
    /// the repository that this is a copy of. May be given several times
    #[arg(long, value_name = "ADDRESS")]
    from: Vec<PathBuf>,
    /// Read all data to find what is damaged; without it packs are only looked for
    #[arg(long)]
    read_data: bool,
    /// Show what would be done, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Bring key slots back that --from has and that are missing here or have other bytes: a passphrase that was
    /// removed on purpose opens the repository again
    #[arg(long, requires = "from")]
    key_slots: bool,
    /// Remove a damaged entry at the end of the log that no copy has; what it said is lost
    #[arg(long)]
    cut_log: bool,
    /// Threads that read; one for each core when not given
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let places = place::places(global)?;
    let mending = open(global, args, &places)?;
    signals::watch();
    let mut teller = Teller::new(global, args.dry_run);
    let first = mending.first()?;
    teller.first(&mending, &first)?;
    let holes = first.holes.clone();
    let removed = fix(args, &places, &mending, first, &mut teller)?;
    let opened = place::open_to_repair(global, &places, removed > 0);
    let mut repository = match opened {
        Err(failure) if failure.exit() == Exit::Damage && teller.has_told() => {
            teller.cannot_look(&failure)?;
            return teller.end();
        }
        opened => opened?,
    };
    let progress = Arc::new(Progress::default());
    let _bar = follow(global, &progress);
    let request =
        repair::Request { read_data: args.read_data, threads: crate::cli::threads(args.threads) };
    let (wrong, described) = repair::look(&repository, request, &progress, signals::stop())?;
    let (rest, is_pending) = bring(args, &mending, wrong, &progress, &mut teller)?;
    // What copies gave back, the index of this machine does not have yet.
    repository.refresh()?;
    if is_pending {
        // Without what is to be brought back it is not known what is lost.
        teller.pending(&rest)?;
        return teller.end();
    }
    let plan =
        repair::plan(&mut repository, (rest, described), &holes, &progress, signals::stop())?;
    teller.plan(&plan)?;
    if !args.dry_run {
        let report = repair::apply(&mut repository, plan, signals::stop())?;
        teller.report(report)?;
    }
    teller.end()
}

/// Opens the places.
fn open(global: &Global, args: &Args, places: &Places) -> Result<Mending, Failure> {
    let options = reach::options(global, places)?;
    let here = reach::anything(global, places)?;
    let sources = args.from.iter().map(|from| -> Result<Arc<dyn Store>, Failure> {
        Ok(reach::address(from)?.open(&options)?)
    });
    let request = Request {
        key_slots: args.key_slots,
        cut_log: args.cut_log,
        threads: args.threads.map_or(THREADS, |_| crate::cli::threads(args.threads)),
    };
    Ok(Mending::open(here, sources.collect::<Result<_, _>>()?, request)?)
}

/// Does what was planned before the repository is opened; returns how many objects were removed.
fn fix(
    args: &Args,
    places: &Places,
    mending: &Mending,
    first: First,
    teller: &mut Teller<'_>,
) -> Result<u64, Failure> {
    if args.dry_run || first.is_empty() {
        return Ok(0);
    }
    // Who writes there is only known when the repository can be opened.
    let mut turn = None;
    if mending.needs_one_writer() {
        teller.one_writer()?;
        turn = places.state.as_deref();
    }
    let _turn = turn.map(|state| Lock::take(state, mending.repository())).transpose()?;
    let fixed = mending.fix(first)?;
    let removed = fixed.removed;
    teller.fixed(fixed);
    Ok(removed)
}

/// Brings back what copies have; returns the rest, and whether something is still to be brought.
fn bring(
    args: &Args,
    mending: &Mending,
    wrong: Vec<Wrong>,
    progress: &Progress,
    teller: &mut Teller<'_>,
) -> Result<(Vec<Wrong>, bool), Failure> {
    let names: Vec<_> = wrong.iter().map(|wrong| (wrong.name.clone(), wrong.len)).collect();
    let found = mending.find(&names);
    let (there, mut rest): (Vec<Wrong>, Vec<Wrong>) =
        wrong.into_iter().partition(|wrong| found.contains_key(&wrong.name));
    teller.found(mending, &there, &found)?;
    if args.dry_run || there.is_empty() {
        return Ok((rest, !there.is_empty()));
    }
    let names: Vec<_> = there.iter().map(|wrong| (wrong.name.clone(), wrong.len)).collect();
    let brought = mending.bring(&names, &progress.bytes, signals::stop())?;
    rest.extend(there.into_iter().filter(|wrong| !brought.objects.contains_key(&wrong.name)));
    // What a copy has whole is not to be given up, only because it cannot be put here today.
    let is_pending = !brought.refused.is_empty();
    rest.retain(|wrong| !brought.refused.contains_key(&wrong.name));
    teller.brought(brought);
    Ok((rest, is_pending))
}

fn follow(global: &Global, progress: &Arc<Progress>) -> Option<Bar> {
    let watched = Arc::clone(progress);
    Bar::follow(global, move || Status {
        entries: watched.entries.load(Ordering::Relaxed),
        bytes: watched.bytes.load(Ordering::Relaxed),
        of_bytes: watched.of_bytes.load(Ordering::Relaxed),
        of_is_final: false,
    })
}
