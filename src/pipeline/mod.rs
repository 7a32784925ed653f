//! One backup of directories, or of streams and images, top to bottom.
//!
//! ```text
//! sequence   walk in map order, cut large files; or read
//!            what is read once, and cut it                   one thread
//! work       read, identify, gather, compress, seal, pack    a thread for each core
//! collect    nodes in order -> pages, problems, counts       the calling thread
//! commit     segment, manifest, barrier, one log entry
//! ```
//! Results come back with the number of their task, so that the path map is built in order
//! whatever order the work is done in. Queues are bounded, and so is the memory.

mod base;
mod collect;
mod counts;
mod error;
mod known;
mod later;
mod leaf_counts;
mod mark;
mod marks;
mod observe;
mod pages;
mod prior;
mod sequence;
mod series;
mod task;
mod verdict;
mod worker;

pub use base::Compared;
pub use collect::Shrunk;
pub use error::{Error, Result};
pub use mark::Rules;
pub use observe::Observer;
pub use task::Progress;

use crate::repository::{
    Compression, Cutters, Finished, FrameWriter, Repository, Session, profile_of,
};
use crate::source::{Feed, Roots, Select, Skip, Walk};
use base::{Base, Root, root_of, week};
use collect::{Collected, Collector};
use esker_format::cbor::Extra;
use esker_format::chunking::PROFILE_FILES;
use esker_format::ids::{SeriesId, SnapshotId};
use esker_format::node::{NodeKind, Time};
use esker_format::snapshot::{Counts, Manifest, Problem, Summary};
use prior::{Prior, Start};
use sequence::{Feeding, run_feeds};
use series::{check_names, default_label};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use task::queues;

/// What to save, and as what.
pub struct Request {
    /// Files and directories; none when streams or images are saved.
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
    /// What has to be equal for a file not to be read again.
    pub rules: Rules,
    /// Make no snapshot that would be equal to the last one.
    pub skip_if_unchanged: bool,
    /// Do everything but write.
    pub is_dry: bool,
    /// Program and version.
    pub program: String,
}

/// What was saved.
#[derive(Debug)]
pub struct Report {
    /// The snapshot; none when none was asked for, or nothing has changed.
    pub snapshot: Option<SnapshotId>,
    /// What lists show of it, or would.
    pub summary: Summary,
    /// What could not be saved whole: the first of them.
    pub problems: Vec<Problem>,
    /// What was left out on purpose, and what it is.
    pub left_out: Vec<(Vec<u8>, &'static str)>,
    /// Files that changed while they were read, as they may.
    pub changing: u64,
    /// Whether the index database learned of it.
    pub indexed: bool,
    /// Whether the next run knows which files are unchanged.
    pub tabled: bool,
    /// Packs of runs that were killed, or of earlier attempts, that this one took over.
    pub adopted: usize,
    /// Why the run started over, each time.
    pub started_over: Vec<String>,
    /// Streams that are less than half as long as the last time.
    pub shrunk: Vec<Shrunk>,
}

/// Takes a snapshot of directories and files.
///
/// # Errors
/// When nothing could be saved, store or log fail, or `stop` was set; then there is no snapshot.
pub fn snapshot(
    repository: &mut Repository,
    request: &Request,
    progress: &Progress,
    observer: Observer<'_>,
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
    let feeds = Feeds::default();
    let run =
        Run { request, roots: &roots, feeds, label: &label, base: &base, progress, observer, stop };
    run.repeat(repository, Start { is_fed: false, hold: false, ..start(request) })
}

/// Takes a snapshot of streams and images. They are read one after the other, once.
///
/// # Errors
/// As [`snapshot`], and when one of them does not come to a good end: then there is no snapshot.
pub fn snapshot_of(
    repository: &mut Repository,
    request: &Request,
    feeds: Vec<Box<dyn Feed>>,
    progress: &Progress,
    observer: Observer<'_>,
    stop: &AtomicBool,
) -> Result<Report> {
    // Before anything is begun.
    let cutters = Cutters::new(repository)?;
    feeds.iter().try_for_each(|feed| cutters.of(feed.kind()).map(|_| ()))?;
    let paths = feeds.iter().map(|feed| PathBuf::from(OsStr::from_bytes(feed.path())));
    let roots = Roots::named(paths.collect());
    let label = request.label.clone().unwrap_or_else(|| default_label(&roots.asked));
    check_names(&request.host, &label, &request.tags, &roots.paths)?;
    let base = Base::find(repository, &request.host, &label)?;
    let profiles = feeds.iter().map(|feed| profile_of(feed.kind())).collect();
    let feeds = Feeds { profiles, unread: Mutex::new(Some(feeds)) };
    let run =
        Run { request, roots: &roots, feeds, label: &label, base: &base, progress, observer, stop };
    // What is read once cannot be read again where others make a run start over.
    run.repeat(repository, Start { is_fed: true, hold: !request.is_dry, ..start(request) })
}

fn start(request: &Request) -> Start {
    let Request { threads, is_dry, .. } = *request;
    let week = week(request.start);
    Start { threads, is_dry, without_table: false, week, hold: false, is_fed: false }
}

/// What is read once.
#[derive(Default)]
struct Feeds {
    /// Numbers of the profiles that they are cut by.
    profiles: BTreeSet<u32>,
    /// As long as nobody has begun to read.
    unread: Mutex<Option<Vec<Box<dyn Feed>>>>,
}

impl Feeds {
    fn take(&self) -> Option<Vec<Box<dyn Feed>>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether they are there, and have been begun.
    fn were_read(&self) -> bool {
        let unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        !self.profiles.is_empty() && unread.is_none()
    }
}

/// Attempts of a run that others made start over: the last one holds what it relies on.
const ATTEMPTS: u32 = 4;

/// One attempt to make a snapshot.
struct Run<'r> {
    request: &'r Request,
    roots: &'r Roots,
    feeds: Feeds,
    label: &'r str,
    base: &'r Base,
    progress: &'r Progress,
    observer: Observer<'r>,
    stop: &'r AtomicBool,
}

impl Run<'_> {
    /// Makes attempts until one ends for good. What an attempt has uploaded is taken over by the next.
    fn repeat(&self, repository: &mut Repository, mut start: Start) -> Result<Report> {
        use crate::repository::Error as Cause;
        let (mut attempt, mut has_index, mut started_over) = (1, true, Vec::new());
        loop {
            match self.make(repository, start) {
                Err(Error::Repository(
                    cause @ (Cause::FileTable
                    | Cause::Database { .. }
                    | Cause::GivenUp { .. }
                    | Cause::Fenced { .. }),
                )) if self.feeds.were_read() => return Err(Error::ReadOnce(Box::new(cause))),
                // Another run has changed it, or a bit has.
                Err(Error::Repository(Cause::FileTable)) if !start.without_table => {
                    start.without_table = true;
                }
                // A cache as well: it is read from the repository, in another place if need be.
                Err(Error::Repository(failure @ Cause::Database { .. })) if has_index => {
                    has_index = false;
                    repository.renew_index(failure)?;
                }
                Err(Error::Repository(cause @ (Cause::GivenUp { .. } | Cause::Fenced { .. })))
                    if attempt < ATTEMPTS =>
                {
                    started_over.push(cause.to_string());
                    attempt += 1;
                    start.hold = attempt == ATTEMPTS;
                    repository.refresh()?;
                }
                other => {
                    return other.map(|report| {
                        let indexed = report.indexed && has_index;
                        Report { indexed, started_over, ..report }
                    });
                }
            }
            self.progress.reset();
        }
    }

    fn make(&self, repository: &mut Repository, start: Start) -> Result<Report> {
        let (host, label) = (&self.request.host, self.label);
        let (session, prior) = Prior::begin(repository, start, self.base, host, label)?;
        let (base, root, adopted) = (prior.base, prior.root.clone(), prior.adopted);
        let mut collected = self.collect(repository, &session, prior)?;
        let given = self.roots.left_out.iter();
        let given = given.map(|(path, why)| (series::bytes(path).to_vec(), why.text()));
        collected.left_out.extend(given);
        let summary = self.summary(&mut collected, base);
        let end = if self.request.is_dry {
            session.end_dry()?
        } else if self.request.skip_if_unchanged
            // What had to be stored again, or was taken over, is worth a snapshot: nothing else
            // would refer to it.
            && adopted == 0
            && session.added() == 0
            && self.equals_last(repository, &collected, base, root)
        {
            session.end_unchanged(self.base.snapshot, collected.root.clone())
        } else {
            return self.commit(repository, session, collected, summary, adopted);
        };
        let counts = Counts { added: end.added, stored: end.stored, ..summary.counts.clone() };
        let Collected { problems, left_out, changing, shrunk, .. } = collected;
        let (snapshot, indexed, tabled) = (None, true, true);
        let summary = Summary { counts, ..summary };
        let started_over = Vec::new();
        Ok(Report {
            snapshot,
            summary,
            problems,
            left_out,
            changing,
            indexed,
            tabled,
            adopted,
            started_over,
            shrunk,
        })
    }

    /// Whether a snapshot of this would be that of the last one of the series, which was whole.
    /// `root` is that of `base`: the table may stand for an older snapshot.
    fn equals_last(
        &self,
        repository: &Repository,
        collected: &Collected,
        base: Option<SnapshotId>,
        root: Option<Root>,
    ) -> bool {
        let last = self.base.snapshot;
        let root = if base == last { root } else { last.and_then(|id| root_of(repository, id)) };
        let is_whole = self.base.is_whole && collected.problems_total == 0;
        is_whole && root.is_some() && collected.root == root
    }

    /// The stages, from the walk to the root of the path map.
    fn collect(
        &self,
        repository: &mut Repository,
        session: &Session,
        prior: Prior,
    ) -> Result<Collected> {
        let Self { request, roots, progress, stop, .. } = self;
        let feeds = self.feeds.take();
        let kind = feeds.as_ref().and_then(|feeds| feeds.first());
        let kind = kind.map_or(NodeKind::File, |feed| feed.kind());
        let is_over = AtomicBool::new(false);
        let cutters = Cutters::new(repository)?;
        let (sequence_ends, worker_ends, collector_ends) = queues(request.threads);
        let (counting, known, pages) = prior.into_parts(session, repository, request.rules)?;
        std::thread::scope(|scope| -> Result<Collected> {
            let (cutters, is_over, start) = (&cutters, &is_over, request.start);
            let cutter = cutters.of(NodeKind::File)?;
            let mut stages = vec![match feeds {
                Some(feeds) => {
                    let feeding =
                        Feeding { cutters, session, known, progress, stop, is_over, start };
                    scope.spawn(move || run_feeds(feeds, feeding, sequence_ends))
                }
                None => {
                    let (skip, select) = (request.skip.clone(), Arc::clone(&request.select));
                    let walk = Walk::new(roots, skip, select, request.threads.min(4));
                    let ends = sequence_ends;
                    scope.spawn(move || {
                        sequence::run(walk, cutter, session, known, ends, progress, stop)
                    })
                }
            }];
            for thread in 0..request.threads {
                let (lookup, ends) = (repository.lookup()?, worker_ends.clone());
                let mut data = FrameWriter::data(thread).compressed(request.compression);
                data.gather(kind);
                let run = move || worker::run(data, session, cutter, lookup, &ends, progress);
                stages.push(scope.spawn(run));
            }
            drop(worker_ends);
            let collector =
                Collector::new(session, pages, counting, self.observer, &request.select);
            let collected = collector.run(collector_ends, roots, repository, start, stop);
            is_over.store(true, Ordering::Relaxed);
            for stage in stages {
                stage.join().map_err(|_| crate::repository::Error::Thread)??;
            }
            collected
        })
    }

    fn summary(&self, collected: &mut Collected, base: Option<SnapshotId>) -> Summary {
        let request = self.request;
        Summary {
            series: self.base.series,
            host: request.host.clone(),
            label: self.label.to_owned(),
            tags: request.tags.clone(),
            paths: self.roots.paths.iter().map(|p| series::bytes(p).to_vec()).collect(),
            start: request.start,
            end: (request.clock)(),
            counts: std::mem::take(&mut collected.counts),
            problems: collected.problems_total,
            base,
            position: None,
            requires: Vec::new(),
            replaces: None,
            extra: Extra::default(),
        }
    }

    /// Makes everything durable, and then the snapshot exist.
    fn commit(
        &self,
        repository: &mut Repository,
        session: Session,
        collected: Collected,
        mut summary: Summary,
        adopted: usize,
    ) -> Result<Report> {
        let Collected { root, problems, left_out, changing, shrunk, .. } = collected;
        let profiles: Vec<u32> = match self.feeds.profiles.is_empty() {
            true => vec![PROFILE_FILES],
            false => self.feeds.profiles.iter().copied().collect(),
        };
        let finished = session.commit(repository, |added, stored| {
            summary.counts = Counts { added, stored, ..summary.counts.clone() };
            let root_level = root.as_ref().map_or(0, |(_, level)| u32::from(*level));
            Manifest {
                summary: summary.clone(),
                root: root.map(|(page, _)| page),
                root_level,
                profiles: profiles.clone(),
                problems: problems.clone(),
                program: self.request.program.clone(),
                extra: Extra::default(),
            }
        })?;
        let Finished { snapshot, indexed, tabled } = finished;
        let snapshot = Some(snapshot);
        let started_over = Vec::new();
        Ok(Report {
            snapshot,
            summary,
            problems,
            left_out,
            changing,
            indexed,
            tabled,
            adopted,
            started_over,
            shrunk,
        })
    }
}

/// A series that was never seen before.
fn new_series() -> SeriesId {
    SeriesId::new(crate::repository::entropy().take())
}
