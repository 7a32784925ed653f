//! Giving back what was saved: one restore of a path map below a target, on one screen.
//!
//! ```text
//! plan     walk the map: directories and special files at once, chunks of files gathered in a
//!          window and put together by frame                               the calling thread
//! work     fetch and open each frame once, check each chunk, write it     a thread for each core
//! finish   hard links, then metadata of directories, deepest first        the calling thread
//! ```
//! A file is made when its first chunk comes and gets its metadata after its last one. What the
//! repository has lost reads as zero in the target and is named in the report. A target that has
//! things in it takes the way of `existing`.

mod archive;
mod change;
mod command;
pub mod device;
mod error;
mod existing;
mod filter;
mod group;
mod how;
mod loader;
pub mod metadata;
mod outcome;
mod owner;
mod packed;
mod pending;
mod place;
mod plan;
mod scope;
mod stream;
pub mod swap;
pub mod tree;
mod verify;
mod window;
mod worker;

pub use crate::pattern::PatternError;
pub use archive::{Export, Exported};
pub use change::{Action, Change, Counts, What};
pub use command::{FeedError, feed};
pub use error::{Error, Result};
pub use filter::Filter;
pub use how::{How, Overwrite, Owner};
pub use metadata::Notes;
pub use outcome::Problem;
pub use packed::Zstd;
pub use scope::Guarded;
pub use stream::{Source, StreamError};

use crate::repository::{Bounds, Chunks, Frames, Map, Repository, Selected};
use esker_format::node::NodeKind;
use esker_format::path::MapKey;
use existing::Over;
use existing::journal::{self, Cut, Journal};
use outcome::{Counters, Outcome};
use place::Place;
use plan::Plan;
use scope::Scope;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tree::Tree;

/// Memory for frames of pages, bytes.
const BUDGET: usize = 8 << 20;

/// What to restore, and where to.
pub struct Request<'r> {
    /// A snapshot, or an entry of one.
    pub selected: &'r Selected,
    /// A directory; it is made when it is not there.
    pub target: &'r Path,
    /// What the target is called in messages.
    pub called: &'r Path,
    /// Threads that write.
    pub threads: usize,
    /// How to treat what is there, and what to take.
    pub how: &'r How,
    /// Told of each change, by any thread.
    pub observe: &'r (dyn Fn(&Change<'_>) + Sync),
}

/// How far a restore is; read by whoever shows it.
#[derive(Default)]
pub struct Progress {
    /// Entries done.
    pub entries: AtomicU64,
    /// Bytes of content done.
    pub bytes: AtomicU64,
    /// Bytes of content, as far as known.
    pub of_bytes: AtomicU64,
    /// Set when that is all there is.
    pub planned: AtomicBool,
}

/// What was restored, and what was not.
#[derive(Debug)]
pub struct Report {
    /// Entries that are there now.
    pub entries: u64,
    /// Files among them.
    pub files: u64,
    /// Bytes of their content, holes included.
    pub bytes: u64,
    /// What had to be done for that.
    pub counts: Counts,
    /// Files that were read again from disk, when that was asked for.
    pub verified: Option<u64>,
    /// Where the directory is that was there before a swap.
    pub kept_as: Option<PathBuf>,
    /// What could not be made as it was, for reasons other than damage.
    pub problems: Vec<Problem>,
    /// What the repository has lost.
    pub damaged: Vec<Problem>,
    /// What was left out for want of privilege.
    pub notes: Notes,
}

/// Restores below a target, which is left with what was done when this fails.
///
/// # Errors
/// When the target cannot be used or is full, when store or index fail, or `stop` was set. What
/// concerns single paths is in the report.
pub fn restore(
    repository: &Repository,
    request: &Request<'_>,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Report> {
    let Selected { manifest, key, entry, .. } = request.selected;
    let root = manifest.root.as_ref().map(|root| (root, manifest.root_level as u8));
    let (place, bounds) = match (key, entry) {
        (Some(key), Some(entry)) if entry.node.kind == NodeKind::Directory => {
            (Place::below(key), Bounds::Below(key.clone()))
        }
        (Some(key), _) => (Place::only(key), Bounds::One(key.clone())),
        (None, _) => (Place::whole(), Bounds::All),
    };
    if key.is_none() {
        progress.of_bytes.store(manifest.summary.counts.bytes, Ordering::Relaxed);
        progress.planned.store(true, Ordering::Relaxed);
    }
    let options = tree::Options::default();
    let tree = match request.how.dry_run {
        true => Tree::look_into(request.target, options)?,
        false => Tree::open(request.target, options)?,
    };
    let tree = match request.how.run {
        Some(run) => tree.with_run(run),
        None => tree,
    };
    let what = journal::What {
        snapshot: request.selected.snapshot.id.to_string(),
        path: key.as_ref().map(MapKey::path).unwrap_or_default(),
    };
    let journal = Journal::new(tree.target(), tree.run(), &what, request.how.dry_run);
    let scope = Scope::new(manifest, &request.how.guarded);
    let outcome = Outcome {
        tree: &tree,
        place: &place,
        progress,
        how: request.how,
        journal: &journal,
        observe: request.observe,
        scope: &scope,
        target: request.called,
        stop,
        counters: Counters::default(),
    };
    let over = begin(&outcome)?;
    let of_scope = request.selected.snapshot.scope;
    let keys = repository.access().scope_keys_of(of_scope)?;
    let others = Mutex::new(Chunks::new(repository, of_scope, BUDGET)?);
    let extents = repository.extents();
    let chunks = Chunks::new(repository, of_scope, BUDGET)?;
    let mut plan = Plan::new(&outcome, chunks, over, extents.is_far());
    repository.expect_much(bounds == Bounds::All);
    if let (Some(key), Some(entry)) = (key, entry)
        && entry.node.kind == NodeKind::Directory
    {
        plan.root(key, &entry.node)?;
    }
    let (jobs, work) = crossbeam_channel::bounded(request.threads * 2);
    let planned = std::thread::scope(|scope| {
        for _ in 0..request.threads {
            let (frames, outcome, work) = (Frames::new(repository), &outcome, work.clone());
            let (keys, others) = (&keys, &others);
            scope.spawn(move || worker::run(frames, others, keys, outcome, &work));
        }
        let jobs = match extents.is_far() {
            true => {
                let (ahead, planned) = crossbeam_channel::bounded(request.threads);
                loader::start(scope, extents, &outcome, &planned, &jobs);
                ahead
            }
            false => jobs,
        };
        drop(work);
        plan.run(Map::new(root, bounds.clone()), jobs)
    });
    let mut report = outcome.end(&planned?, &what)?;
    if request.how.verify && !request.how.dry_run {
        let chunks = Chunks::new(repository, of_scope, BUDGET)?;
        let map = Map::new(root, bounds);
        verify::verify(&keys, chunks, &outcome, request.threads, map, &mut report)?;
    }
    Ok(report)
}

/// What an earlier run left behind is looked at, and what it left under temporary names removed. An
/// empty target is announced as being made; what is in another one, when it is changed.
fn begin(outcome: &Outcome<'_>) -> Result<Option<Over>> {
    let Outcome { tree, how, .. } = outcome;
    if !tree.is_over() {
        let made = outcome.journal.making(&MapKey::root());
        made.map_err(|error| outcome.with_target(error))?;
        return Ok(None);
    }
    let cut = Cut::read(tree.target()).map_err(|error| outcome.with_target(error))?;
    if let Some(cut) = &cut
        && !how.dry_run
    {
        cut.changed().iter().for_each(|(run, parent)| tree.remove_temporaries(*run, parent));
    }
    if how.delete && outcome.scope.is_vague() {
        let message = "nothing is deleted: the snapshot could not save everything, and does not \
                       say what all";
        outcome.partial(&MapKey::root(), message);
    }
    let target = tree.look(&MapKey::root()).map_err(|error| outcome.with_target(error))?;
    Ok(target.map(|target| Over::new(&target, cut)))
}

impl Report {
    /// Threads find things in any order.
    fn sort(&mut self) {
        self.problems.sort_by(|a, b| a.path.cmp(&b.path));
        self.damaged.sort_by(|a, b| a.path.cmp(&b.path));
    }
}
