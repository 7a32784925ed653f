//! What the stages of a run hand to each other.

use crate::repository::Error;
use crate::source::Listed;
use crossbeam_channel::{Receiver, Sender, bounded};
use esker_format::content::Item;
use esker_format::node::{Node, Xattr};
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
        /// The entries, names ascending.
        entries: Vec<Listed>,
    },
    /// Consecutive chunks of a large file.
    Piece {
        /// The bytes.
        buffer: Vec<u8>,
        /// Lengths of the chunks that they begin with.
        chunks: Vec<usize>,
    },
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
    /// Content of the large file that is being read.
    Items(Vec<Item>),
    /// The end of that file: its node without content, and attributes that do not fit it.
    FileEnd(Box<Saved>, Vec<Xattr>),
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
