//! One run that writes: claims chunks, publishes packs, commits a snapshot.

mod adopt;
mod end;
mod needs;
mod publish;
#[cfg(test)]
mod tests;

pub use end::Finished;
pub use publish::Published;
pub(super) use publish::{pack_add, put_segments};

use crate::repository::access::Access;
use crate::repository::error::Result;
use crate::repository::frame_writer::{FrameWriter, Kept};
use crate::repository::index::{DeadRun, Journal, Lookup};
use crate::repository::packer::{Packer, lock};
use crate::repository::{Repository, entropy};
use crate::store::{DryStore, Store};
use esker_format::ids::{ChunkId, SessionId, SnapshotId};
use esker_format::log_entry::ROLE_APPEND;
use esker_format::ordinals::Ordinals;
use esker_format::segment::{Prefix, prefix};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// Claims are spread over so many locks.
const SHARDS: usize = 16;

/// A run that writes.
pub struct Session {
    id: SessionId,
    store: Arc<dyn Store>,
    access: Arc<Access>,
    packer: Packer,
    /// Chunks of this run that are not yet in the index.
    claims: Vec<Mutex<Claims>>,
    /// Ordinals of the packs that hold what the snapshot refers to.
    used: Mutex<HashSet<u32>>,
    /// Snapshots whose references were taken over without looking for each of them, and the packs
    /// that they needed then.
    bases: Mutex<Vec<(SnapshotId, Ordinals)>>,
    /// When set, no look-up can find anything.
    index_is_empty: AtomicBool,
    added: AtomicU64,
    /// What the next run learns of this one; none where no cache can be written.
    journal: Option<Arc<Journal>>,
    /// When something was published last.
    published: Mutex<Instant>,
    /// Runs whose packs were taken over, held until this one has ended.
    adopted: Mutex<Vec<DeadRun>>,
    /// Whether nothing is written.
    is_dry: bool,
}

type Claims = HashSet<Prefix, BuildHasherDefault<PrefixHasher>>;

impl Session {
    /// Begins a run with `threads` threads, which leaves no journal.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn begin(repository: &Repository, threads: usize) -> Result<Self> {
        Self::begin_with(repository, threads, Self::new_id(), None)
    }

    /// Begins a run under a session id that its journal knows.
    ///
    /// # Errors
    /// When nothing may be appended to this log, by this key or at all, or the index database fails.
    pub fn begin_with(
        repository: &Repository,
        threads: usize,
        id: SessionId,
        journal: Option<Journal>,
    ) -> Result<Self> {
        repository.expect_role(ROLE_APPEND, "save snapshots")?;
        // Before anything is uploaded that no entry would name.
        repository.expect_appendable()?;
        Self::new(repository, threads, id, journal)
    }

    fn new(
        repository: &Repository,
        threads: usize,
        id: SessionId,
        journal: Option<Journal>,
    ) -> Result<Self> {
        let journal = journal.map(Arc::new);
        let (store, access) = (repository.shared_store(), Arc::clone(&repository.access));
        // A pack that was there may be gone by now.
        repository.presence.forget();
        Ok(Self {
            id,
            packer: Packer::new(
                Arc::clone(&store),
                Arc::clone(&access),
                id,
                threads,
                journal.clone(),
            ),
            store,
            access,
            claims: (0..SHARDS).map(|_| Mutex::default()).collect(),
            used: Mutex::default(),
            bases: Mutex::default(),
            index_is_empty: AtomicBool::new(repository.is_empty()?),
            added: AtomicU64::new(0),
            journal,
            published: Mutex::new(Instant::now()),
            adopted: Mutex::default(),
            is_dry: false,
        })
    }

    /// Begins a run that writes nothing.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn begin_dry(repository: &Repository, threads: usize, id: SessionId) -> Result<Self> {
        repository.expect_role(ROLE_APPEND, "save snapshots")?;
        let store: Arc<dyn Store> = Arc::new(DryStore::new(repository.shared_store()));
        let dry = Self::new(repository, threads, id, None)?;
        let packer = Packer::new(Arc::clone(&store), Arc::clone(&dry.access), id, threads, None);
        Ok(Self { store, packer, is_dry: true, ..dry })
    }

    /// A session that nobody had before.
    pub fn new_id() -> SessionId {
        SessionId::new(entropy().take())
    }

    /// What the next run learns of this one.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_deref()
    }

    /// Takes a snapshot as base: what it refers to need not be looked for, because all packs of its
    /// set are there. False when one is not.
    ///
    /// # Errors
    /// When the store fails.
    pub fn build_on(&self, repository: &Repository, base: SnapshotId) -> Result<bool> {
        let state = repository.state();
        let Some(snapshot) = state.live_snapshots().find(|s| s.id == base) else {
            return Ok(false);
        };
        // What it lost is in no pack of its set: whatever is still on disk is looked for and stored again.
        if snapshot.damaged {
            return Ok(false);
        }
        for ordinal in snapshot.set.iter() {
            let Some(pack) = state.packs.get(ordinal as usize) else { return Ok(false) };
            if !pack.is_good() || !repository.presence.has(pack.id, pack.len)? {
                return Ok(false);
            }
        }
        lock(&self.bases).push((base, snapshot.set.clone()));
        Ok(true)
    }

    /// Whether a chunk need not be stored: it is in the repository or on its way there.
    ///
    /// # Errors
    /// When the index database or the store fails.
    pub fn knows(&self, prefix: &Prefix, lookup: &mut Lookup) -> Result<bool> {
        if self.claims_of(prefix).contains(prefix) {
            return Ok(true);
        }
        let place = lookup.find_prefix(prefix)?;
        lock(&self.used).extend(place.map(|place| place.pack));
        Ok(place.is_some())
    }

    /// The claims among which a chunk's would be.
    fn claims_of(&self, prefix: &Prefix) -> MutexGuard<'_, Claims> {
        lock(&self.claims[usize::from(prefix[15]) % SHARDS])
    }

    /// The keys in use.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The packs of this run.
    pub const fn packer(&self) -> &Packer {
        &self.packer
    }

    /// Plaintext bytes of new chunks so far.
    pub fn added(&self) -> u64 {
        self.added.load(Ordering::Relaxed)
    }

    /// Whether the caller must store this chunk: it is in no pack of the store and no other thread
    /// has it. A pack that is gone heals by what is stored again.
    ///
    /// # Errors
    /// When the index database or the store fails.
    pub fn claim(&self, id: &ChunkId, len: usize, lookup: &mut Lookup) -> Result<Kept> {
        let prefix = prefix(id);
        if self.claims_of(&prefix).contains(&prefix) {
            return Ok(Kept::Known);
        }
        if !self.index_is_empty.load(Ordering::Acquire)
            && let Some(location) = lookup.find_present(id)?
        {
            lock(&self.used).insert(location.pack);
            return Ok(Kept::Known);
        }
        if !self.claims_of(&prefix).insert(prefix) {
            return Ok(Kept::Known);
        }
        self.added.fetch_add(len as u64, Ordering::Relaxed);
        Ok(Kept::New)
    }

    /// Stores a page, unless it is known.
    ///
    /// # Errors
    /// When index or store fail.
    pub fn page(
        &self,
        bytes: &[u8],
        writer: &mut FrameWriter,
        lookup: &mut Lookup,
    ) -> Result<ChunkId> {
        let id = self.access.scope_keys.page_id(bytes);
        if self.claim(&id, bytes.len(), lookup)? == Kept::New {
            writer.space(bytes.len(), &self.packer)?.copy_from_slice(bytes);
            writer.keep(id, bytes.len());
        }
        Ok(id)
    }
}

/// A prefix is random already: its first bytes are its hash.
#[derive(Default)]
struct PrefixHasher(u64);

impl Hasher for PrefixHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }
    fn write_usize(&mut self, _: usize) {}
}
