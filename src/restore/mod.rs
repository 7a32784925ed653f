//! Giving back what was saved: one restore of a path map below a target, on one screen.
//!
//! ```text
//! plan     walk the map: directories and special files at once, chunks of files gathered in a
//!          window and put together by frame                               the calling thread
//! work     fetch and open each frame once, check each chunk, write it     a thread for each core
//! finish   hard links, then metadata of directories, deepest first        the calling thread
//! ```
//! A file is made when its first chunk comes and gets its metadata after its last one. What the
//! repository has lost reads as zero in the target and is named in the report.

mod error;
pub mod metadata;
mod outcome;
mod pending;
mod place;
mod plan;
pub mod tree;
mod window;
mod worker;

pub use error::{Error, Result};
pub use metadata::Notes;
pub use outcome::Problem;

use crate::repository::{Bounds, Chunks, Frames, Map, Repository, Selected};
use esker_format::node::NodeKind;
use outcome::Outcome;
use place::Place;
use plan::Plan;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tree::Tree;

/// Memory for frames of pages, bytes.
const BUDGET: usize = 8 << 20;

/// What to restore, and where to.
pub struct Request<'r> {
    /// A snapshot, or an entry of one.
    pub selected: &'r Selected,
    /// A new or empty directory.
    pub target: &'r Path,
    /// Threads that write.
    pub threads: usize,
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
    let tree = Tree::create(request.target, tree::Options::default())?;
    let outcome = Outcome::new(&tree, request.target, &place, progress, stop);
    let mut plan = Plan::new(&outcome, Chunks::new(repository, BUDGET)?);
    if let (Some(key), Some(entry)) = (key, entry)
        && entry.node.kind == NodeKind::Directory
    {
        plan.directory(key, &entry.node)?;
    }
    let (jobs, work) = crossbeam_channel::bounded(request.threads * 2);
    let links = std::thread::scope(|scope| {
        for _ in 0..request.threads {
            let (frames, outcome, work) = (Frames::new(repository), &outcome, work.clone());
            scope.spawn(move || worker::run(frames, outcome, &work));
        }
        drop(work);
        plan.run(Map::new(root, bounds), jobs)
    });
    outcome.end(links?)
}
