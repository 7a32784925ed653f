//! What the stages of a run hand to each other.

use crate::pipeline::error::Error;
use crate::pipeline::known::{Kept, Taken, Versus};
use crate::pipeline::mark::Mark;
use crate::source::Listed;
use crossbeam_channel::{Receiver, Sender, bounded};
use esker_format::content::Item;
use esker_format::node::{Node, Time, Xattr};
use esker_format::path::MapKey;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Tasks that may be begun before the oldest one is collected.
const WINDOW: usize = 64;
/// Bytes of a large file that are handed on at a time.
pub const PIECE: usize = 5 << 20;

/// Work for one thread.
pub struct Task {
    /// Its place in the order of the path map.
    pub number: u64,
    /// What to do.
    pub work: Work,
}

/// Kinds of work.
pub enum Work {
    /// Some entries of one directory.
    Entries {
        /// The parent that they have in the path map.
        parent: Arc<[u8]>,
        /// The directory, open.
        directory: Arc<OwnedFd>,
        /// The time before they were looked at.
        time: Time,
        /// The entries, names ascending.
        entries: Vec<Entry>,
    },
    /// Consecutive chunks of a large file.
    Piece {
        /// The bytes.
        buffer: Vec<u8>,
        /// Lengths of the chunks that they begin with.
        chunks: Vec<usize>,
    },
}

/// An entry of a directory.
pub enum Entry {
    /// To be saved, and how it compares with the base as far as is known.
    Save(Listed, Versus),
    /// Unchanged.
    Kept(Box<Kept>),
}

/// What came of a task.
pub struct Done {
    /// The number of the task.
    pub number: u64,
    /// What came of it.
    pub output: Result<Output, Error>,
}

/// Results of work.
pub enum Output {
    /// Entries, complete.
    Entries(Vec<Saved>),
    /// What was taken over from the file table.
    Taken(Vec<Taken>),
    /// Entries of the base that are not there any more.
    Gone(u64),
    /// Content of the large file that is being read.
    Items(Vec<Item>),
    /// That file is read again from its beginning.
    Again,
    /// The end of that file: its node without content, and attributes that do not fit it.
    FileEnd(Box<Saved>, Vec<Xattr>),
    /// Something whose place in the map comes later. The content that was handed out before is that of
    /// a stream or an image. The attributes are those that do not fit its node.
    Later(Box<Saved>, Vec<Xattr>),
    /// A further name of something that came as [`Output::Later`] before.
    Link(MapKey, MapKey),
    /// An entry that is unchanged, and has its place behind what is still to come.
    LaterKept(Box<Saved>),
    /// A directory that could not be listed, or a thing that was not saved at all.
    Problem(Vec<u8>, String),
    /// A thing that was left out on purpose.
    LeftOut(Vec<u8>, &'static str),
}

/// An entry, and what is wrong with it.
pub struct Saved {
    /// Where it stands.
    pub key: MapKey,
    /// What is there; none when nothing is there any more.
    pub node: Option<Node>,
    /// What could not be saved whole.
    pub problem: Option<String>,
    /// What the file system said of it; none when it is to be looked at again in any case.
    pub mark: Option<Mark>,
    /// Prefixes of what long content refers to, as [`Kept`] has them.
    pub refs: Vec<u8>,
    /// How it compares with the base.
    pub versus: Versus,
}

impl Saved {
    /// Something that is not there, and why.
    pub fn nothing(key: MapKey, problem: String) -> Self {
        let (mark, refs) = Default::default();
        Self { key, node: None, problem: Some(problem), mark, refs, versus: Versus::Unknown }
    }
}

impl From<Kept> for Saved {
    fn from(kept: Kept) -> Self {
        let Kept { entry, mark, refs, versus } = kept;
        let (key, node) = (entry.key, Some(entry.node));
        Self { key, node, problem: None, mark: Some(mark), refs, versus }
    }
}

/// How far a run is; read by whoever shows it.
#[derive(Default)]
pub struct Progress {
    /// Entries done.
    pub entries: AtomicU64,
    /// Bytes of content done.
    pub bytes: AtomicU64,
    /// Entries seen so far by the walk.
    pub seen: AtomicU64,
    /// Bytes seen so far by the walk.
    pub seen_bytes: AtomicU64,
    /// Set when the walk is over, so that the two above are totals.
    pub walked: AtomicBool,
}

impl Progress {
    /// Begins again.
    pub(super) fn reset(&self) {
        for count in [&self.entries, &self.bytes, &self.seen, &self.seen_bytes] {
            count.store(0, Ordering::Relaxed);
        }
        self.walked.store(false, Ordering::Relaxed);
    }

    pub(super) fn done(&self, entries: u64, bytes: u64) {
        self.entries.fetch_add(entries, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The walk's ends of the queues.
pub struct SequenceEnds {
    /// Work for the workers; they end when it is dropped.
    pub tasks: Sender<Task>,
    /// What needs no work goes straight to the collector.
    pub done: Sender<Done>,
    /// One for each task that may be begun; ends when the collector gives up.
    pub window: Receiver<()>,
    /// Memory for pieces of large files.
    pub buffers: Receiver<Vec<u8>>,
}

/// A worker's ends of the queues.
#[derive(Clone)]
pub struct WorkerEnds {
    /// Work.
    pub tasks: Receiver<Task>,
    /// Results. There is always room: the window is smaller.
    pub done: Sender<Done>,
    /// Memory of pieces goes back here.
    pub buffers: Sender<Vec<u8>>,
}

/// The collector's ends of the queues.
pub struct CollectorEnds {
    /// Results in any order; ends when all work is done.
    pub done: Receiver<Done>,
    /// A task was collected: another may begin.
    pub window: Sender<()>,
}

/// Queues for so many workers.
pub fn queues(threads: usize) -> (SequenceEnds, WorkerEnds, CollectorEnds) {
    let (tasks_in, tasks_out) = bounded(threads * 2);
    let (done_in, done_out) = bounded(WINDOW * 2);
    let (window_in, window_out) = bounded(WINDOW);
    let (buffers_in, buffers_out) = bounded(threads + 1);
    for _ in 0..WINDOW {
        let _ = window_in.try_send(());
    }
    for _ in 0..=threads {
        let _ = buffers_in.try_send(Vec::new());
    }
    let done = done_in.clone();
    (
        SequenceEnds { tasks: tasks_in, done, window: window_out, buffers: buffers_out },
        WorkerEnds { tasks: tasks_out, done: done_in, buffers: buffers_in },
        CollectorEnds { done: done_out, window: window_in },
    )
}
