//! One backup of directories, top to bottom.
//!
//! ```text
//! sequence   walk in map order, cut large files              one thread
//! work       read, identify, gather, compress, seal, pack    a thread for each core
//! collect    nodes in order -> pages, problems, counts       the calling thread
//! commit     segment, manifest, barrier, one log entry
//! ```
//! Results come back with the number of their task, so that the path map is built in order
//! whatever order the work is done in. Queues are bounded, and so is the memory.

mod base;
mod collect;
mod error;
mod sequence;
mod series;
mod task;
mod verdict;
mod worker;

pub use error::{Error, Result};
pub use task::Progress;

use crate::repository::{Compression, FrameWriter, Repository, Session};
use crate::source::{Roots, Select, Skip, Walk};
use base::Base;
use collect::{Collected, Collector};
use esker_format::cbor::Extra;
use esker_format::chunking::PROFILE_FILES;
use esker_format::ids::{SeriesId, SnapshotId};
use esker_format::node::Time;
use esker_format::snapshot::{Counts, Manifest, Problem, Summary};
use series::{check_names, default_label};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use task::queues;

/// What to save, and as what.
pub struct Request {
    /// Files and directories.
    pub paths: Vec<PathBuf>,
    /// What of them is left out.
    pub select: Arc<Select>,
    /// Whether a path that is not there is no problem.
    pub allow_missing: bool,
    /// Name of the host.
    pub host: String,
    /// Label of the series; made of the paths when there is none.
    pub label: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// When the run began.
    pub start: Time,
    /// Gives the time when the run ends.
    pub clock: Box<dyn Fn() -> Time>,
    /// How content is compressed.
    pub compression: Compression,
    /// Threads that do the work.
    pub threads: usize,
    /// What must not be saved.
    pub skip: Vec<Skip>,
    /// Program and version.
    pub program: String,
}

/// What was saved.
#[derive(Debug)]
pub struct Report {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What lists show of it.
    pub summary: Summary,
    /// What could not be saved whole: the first of them.
    pub problems: Vec<Problem>,
    /// What was left out on purpose, and what it is.
    pub left_out: Vec<(Vec<u8>, &'static str)>,
    /// Whether the index database learned of it.
    pub indexed: bool,
}

/// Takes a snapshot of directories and files.
///
/// # Errors
/// When nothing could be saved, store or log fail, or `stop` was set; then there is no snapshot.
pub fn snapshot(
    repository: &mut Repository,
    request: &Request,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Report> {
    let mut roots = Roots::resolve(&request.paths, &request.select)?;
    if request.allow_missing {
        roots.allow_missing();
    }
    if roots.paths.is_empty() {
        return Err(Error::nothing_to_save(&roots));
    }
    let label = request.label.clone().unwrap_or_else(|| default_label(&roots.asked));
    check_names(&request.host, &label, &request.tags, &roots.paths)?;
    let base = Base::find(repository, &request.host, &label)?;
    let cutter = base::cutter(repository)?;
    let session = Session::begin(repository, request.threads)?;
    let (sequence_ends, worker_ends, collector_ends) = queues(request.threads);

    let collected = std::thread::scope(|scope| -> Result<Collected> {
        let (skip, select) = (request.skip.clone(), Arc::clone(&request.select));
        let walk = Walk::new(&roots, skip, select, request.threads.min(4));
        let (session, cutter) = (&session, &cutter);
        let mut stages = vec![
            scope.spawn(|| sequence::run(walk, cutter, session, sequence_ends, progress, stop)),
        ];
        for thread in 0..request.threads {
            let (lookup, ends) = (repository.lookup()?, worker_ends.clone());
            let data = FrameWriter::data(thread).compressed(request.compression);
            let run = move || worker::run(data, session, cutter, lookup, &ends, progress);
            stages.push(scope.spawn(run));
        }
        drop(worker_ends);
        let collector = Collector::new(session, repository, &base)?;
        let collected = collector.run(collector_ends, &roots, repository, stop);
        for stage in stages {
            stage.join().map_err(|_| crate::repository::Error::Thread)??;
        }
        collected
    })?;

    let Collected { root, counts, problems, problems_total, mut left_out } = collected;
    let given = roots.left_out.iter();
    left_out.extend(given.map(|(path, why)| (series::bytes(path).to_vec(), why.text())));
    let mut summary = Summary {
        series: base.series,
        host: request.host.clone(),
        label,
        tags: request.tags.clone(),
        paths: roots.paths.iter().map(|p| series::bytes(p).to_vec()).collect(),
        start: request.start,
        end: (request.clock)(),
        counts,
        problems: problems_total,
        base: base.snapshot,
        position: None,
        requires: Vec::new(),
        replaces: None,
        extra: Extra::default(),
    };
    let mut made = None;
    let finished = session.commit(repository, |added, stored| {
        summary.counts = Counts { added, stored, ..summary.counts.clone() };
        let (root, root_level) = match &root {
            Some((page, level)) => (Some(page.clone()), u32::from(*level)),
            None => (None, 0),
        };
        let manifest = Manifest {
            summary: summary.clone(),
            root,
            root_level,
            profiles: vec![PROFILE_FILES],
            problems: problems.clone(),
            program: request.program.clone(),
            extra: Extra::default(),
        };
        made = Some(summary);
        manifest
    })?;
    let summary = made.ok_or(crate::repository::Error::Thread)?;
    let (snapshot, indexed) = (finished.snapshot, finished.indexed);
    Ok(Report { snapshot, summary, problems, left_out, indexed })
}

/// A series that was never seen before.
fn new_series() -> SeriesId {
    SeriesId::new(crate::repository::entropy().take())
}
