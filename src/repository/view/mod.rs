//! Looking into a repository without restoring it: look up, list, read at. What mounts, block devices
//! and web pages show is all read here, by any number of threads.
//!
//! ```text
//! View   a repository that is read on in while others append       frames in memory, bounded
//!  Tree    one snapshot: entries by number or path, directories    pages of the map
//!   File     the content of one entry: bytes at, and holes         pages of the list, read ahead
//! ```
//! An entry is known by its number in map order, which says where it is and never changes: whoever needs
//! inode numbers has them without a table.

mod ahead;
mod file;
mod leaves;
mod pages;
mod readers;
mod tree;

#[cfg(test)]
mod tests;

pub use file::{File, Stretch};
pub use tree::{Child, Tree};

use crate::repository::chunks::{ChunkSource, Chunks};
use crate::repository::error::Result;
use crate::repository::frame_cache::FrameCache;
use crate::repository::packer::lock;
use crate::repository::{Repository, Selected, Snapshot, select};
use ahead::Ahead;
use esker_format::ids::{Seq, SnapshotId};
use pages::Pages;
use readers::Readers;
use std::ops::DerefMut;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// How long the store is not asked again whether a snapshot is still there.
const ASKED: Duration = Duration::from_secs(1);

/// An open repository, whoever keeps it.
type Held = Box<dyn DerefMut<Target = Repository> + Send>;

/// A repository that is looked into.
pub struct View {
    repository: Mutex<Held>,
    frames: Arc<FrameCache>,
    readers: Readers,
    pages: Pages,
    /// Threads that open frames before somebody wants them, once that is of use.
    ahead: OnceLock<Ahead>,
    threads: usize,
    /// When the store was asked whether a snapshot is still there.
    asked: Mutex<Option<Instant>>,
}

impl View {
    /// Looks into a repository, with up to `budget` bytes of content in memory, and so many threads that
    /// read at a time. As many more read ahead.
    pub fn new(
        repository: impl DerefMut<Target = Repository> + Send + 'static,
        budget: usize,
        threads: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            repository: Mutex::new(Box::new(repository)),
            frames: Arc::new(FrameCache::new(budget)),
            // Nobody who asks waits for what nobody asked for yet.
            readers: Readers::new(2 * threads),
            pages: Pages::default(),
            ahead: OnceLock::new(),
            threads,
            asked: Mutex::default(),
        })
    }

    /// Reads on in the log, for all who look: whether there is something new for one of them he sees at its
    /// [`end`](Self::end).
    ///
    /// # Errors
    /// When the log is damaged or the store fails.
    pub fn refresh(&self) -> Result<()> {
        let mut repository = lock(&self.repository);
        let before = repository.state().next();
        repository.refresh()?;
        if repository.state().next() != before {
            self.readers.renew();
        }
        Ok(())
    }

    /// The number that the next entry of the log will have, as of the last refresh.
    pub fn end(&self) -> Seq {
        lock(&self.repository).state().next()
    }

    /// Whether requests to the store cost a journey.
    pub fn is_far(&self) -> bool {
        lock(&self.repository).extents().is_far()
    }

    /// Whether a snapshot is not there any more. Who cannot find out does not say so.
    pub fn has_lost(&self, id: &SnapshotId) -> bool {
        // Who finds a thousand things damaged does not ask the store each time.
        let mut asked = lock(&self.asked);
        if asked.is_none_or(|at| at.elapsed() >= ASKED) {
            if self.refresh().is_err() {
                return false;
            }
            *asked = Some(Instant::now());
        }
        drop(asked);
        self.snapshots().is_ok_and(|list| list.iter().all(|snapshot| snapshot.id != *id))
    }

    /// The snapshots as of the last refresh, oldest first, as [`Repository::snapshots`] has them.
    ///
    /// # Errors
    /// None yet.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        lock(&self.repository).snapshots()
    }

    /// Looks into a snapshot.
    ///
    /// # Errors
    /// When its manifest is missing or damaged, or the key cannot read content.
    pub fn tree(self: &Arc<Self>, id: SnapshotId, scope: u32) -> Result<Tree> {
        let manifest = lock(&self.repository).manifest(id)?;
        Ok(Tree::new(Arc::clone(self), scope, manifest))
    }

    /// Finds a snapshot, and the entry when a path is given, as [`select`] does.
    ///
    /// # Errors
    /// When there is no such snapshot or path.
    pub fn select(&self, what: &str) -> Result<Selected> {
        select(&lock(&self.repository), what)
    }

    /// Reads chunks of a scope; waits while as many do as may.
    fn read<T>(&self, scope: u32, read: impl FnOnce(&mut Chunks) -> Result<T>) -> Result<T> {
        let mut reader = self.readers.take(|| {
            let repository = lock(&self.repository);
            Chunks::sharing(&repository, scope, &self.frames)
        })?;
        reader.chunks().within(scope);
        read(reader.chunks())
    }

    fn ahead(&self) -> &Ahead {
        self.ahead.get_or_init(|| Ahead::new(self.threads))
    }
}

/// For who reads much once, an archive say: with frames of his own, so that he does not drive out those that
/// others look at.
impl ChunkSource for View {
    fn chunks(&self, scope: u32, budget: usize) -> Result<Chunks> {
        Chunks::new(&lock(&self.repository), scope, budget)
    }
}
