//! One run that writes: claims chunks, publishes packs, commits a snapshot.

mod adopt;
#[cfg(test)]
mod tests;

use crate::repository::access::Access;
use crate::repository::error::Result;
use crate::repository::frame_writer::{FrameWriter, Kept};
use crate::repository::index::{DeadRun, Journal, Lookup, Standing};
use crate::repository::packer::{Packer, lock};
use crate::repository::state::State;
use crate::repository::{Repository, entropy};
use crate::store::{DryStore, Durability, Store};
use esker_format::cbor::Extra;
use esker_format::checkpoint::PackState;
use esker_format::envelope::{Header, Kind};
use esker_format::ids::{ChunkId, Named, SegmentId, SessionId, SnapshotId};
use esker_format::log_entry::{Add, Body, Commit, PackAdd};
use esker_format::names;
use esker_format::ordinals::Ordinals;
use esker_format::page::PageRef;
use esker_format::segment::{self, Prefix, SegmentPack, prefix};
use esker_format::snapshot::{Manifest, SummaryOf, seal_summary};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Packs after which what was stored so far is published: 1 GiB.
const PUBLISH_PACKS: usize = 64;
/// Chunks after which it is, so that the claims stay within some 32 MiB.
const PUBLISH_CHUNKS: usize = 500_000;
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
    /// Snapshots whose references were taken over without looking for each of them.
    bases: Mutex<Vec<SnapshotId>>,
    /// When set, no look-up can find anything.
    index_is_empty: AtomicBool,
    added: AtomicU64,
    /// What the next run learns of this one; none where no cache can be written.
    journal: Option<Arc<Journal>>,
    /// Runs whose packs were taken over, held until this one has ended.
    adopted: Mutex<Vec<DeadRun>>,
    /// Whether nothing is written.
    is_dry: bool,
}

type Claims = HashSet<Prefix, BuildHasherDefault<PrefixHasher>>;

/// What a commit made.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Whether the index database learned of it; if not, the next run reads it from the store.
    pub indexed: bool,
    /// Whether the file table did; if not, the next run reads files again.
    pub tabled: bool,
}

/// What a run without a snapshot has done.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// Plaintext bytes of new chunks.
    pub added: u64,
    /// Bytes of the packs that hold them.
    pub stored: u64,
}

/// Whether there was something to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Not yet enough.
    Nothing,
    /// An add entry is in the log.
    Packs,
}

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
    /// When the index database fails.
    pub fn begin_with(
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
            adopted: Mutex::default(),
            is_dry: false,
        })
    }

    /// Begins a run that writes nothing.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn begin_dry(repository: &Repository, threads: usize, id: SessionId) -> Result<Self> {
        let store: Arc<dyn Store> = Arc::new(DryStore::new(repository.shared_store()));
        let dry = Self::begin_with(repository, threads, id, None)?;
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
        let Some(snapshot) = state.snapshots.iter().find(|s| s.id == base) else {
            return Ok(false);
        };
        for ordinal in snapshot.set.iter() {
            let Some(pack) = state.packs.get(ordinal as usize) else { return Ok(false) };
            if pack.state != PackState::Live || !repository.presence.has(pack.id, pack.len)? {
                return Ok(false);
            }
        }
        lock(&self.used).extend(snapshot.set.iter());
        lock(&self.bases).push(base);
        Ok(true)
    }

    /// Whether a chunk need not be stored: it is in the repository or on its way there.
    ///
    /// # Errors
    /// When the index database or the store fails.
    pub fn knows(&self, prefix: &Prefix, lookup: &mut Lookup) -> Result<bool> {
        if lock(&self.claims[usize::from(prefix[15]) % SHARDS]).contains(prefix) {
            return Ok(true);
        }
        let place = lookup.find_prefix(prefix)?;
        lock(&self.used).extend(place.map(|place| place.pack));
        Ok(place.is_some())
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
        let shard = &self.claims[usize::from(prefix[15]) % SHARDS];
        if lock(shard).contains(&prefix) {
            return Ok(Kept::Known);
        }
        if !self.index_is_empty.load(Ordering::Acquire)
            && let Some(location) = lookup.find_present(id)?
        {
            lock(&self.used).insert(location.pack);
            return Ok(Kept::Known);
        }
        if !lock(shard).insert(prefix) {
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

    /// Publishes the packs that were put, when there are enough of them: after a crash they need
    /// not be uploaded again, others can share them, and the memory for their claims is free.
    ///
    /// # Errors
    /// When the store fails or the log refuses.
    pub fn publish(&self, repository: &mut Repository) -> Result<Published> {
        let (packs, chunks) = self.packer.done_len();
        if packs < PUBLISH_PACKS && chunks < PUBLISH_CHUNKS {
            return Ok(Published::Nothing);
        }
        if self.is_dry {
            // Not to be remembered for ever: what comes again is counted again.
            self.forget(&self.packer.take_done());
            return Ok(Published::Nothing);
        }
        self.publish_done(repository)?;
        Ok(Published::Packs)
    }

    /// Publishes the packs that were put.
    fn publish_done(&self, repository: &mut Repository) -> Result<()> {
        let packs = self.packer.take_done();
        let segments = self.put_segments(&packs)?;
        self.store.barrier()?;
        repository.append(self.id, &mut |state| {
            Ok(Body::Add(Add {
                session: self.id,
                segments: segments.clone(),
                packs: self.pack_adds(&packs, state),
                hold: Ordinals::default(),
                extra: Extra::default(),
            }))
        })?;
        let ordinals = packs.iter().filter_map(|p| repository.state().ordinal(p.id));
        lock(&self.used).extend(ordinals);
        repository.index_segments(&packs, &segments)?;
        // Only now, when the index answers for them and is asked, may the claims go.
        self.index_is_empty.store(false, Ordering::Release);
        self.forget(&packs);
        Ok(())
    }

    fn forget(&self, packs: &[SegmentPack]) {
        for (prefix, _) in packs.iter().flat_map(|p| &p.chunks) {
            lock(&self.claims[usize::from(prefix[15]) % SHARDS]).remove(prefix);
        }
    }

    /// Ends a run that wrote nothing; returns what it would have added.
    ///
    /// # Errors
    /// When this machine computes wrongly.
    pub fn end_dry(self) -> Result<Ended> {
        self.packer.finish()?;
        Ok(Ended { added: self.added(), stored: self.packer.stored() })
    }

    /// Ends a run without a snapshot, because it would be equal to `base`.
    pub fn end_unchanged(self, base: Option<SnapshotId>, root: Option<(PageRef, u8)>) -> Ended {
        let ended = Ended { added: self.added(), stored: self.packer.stored() };
        drop(self.packer);
        if let Some(journal) = self.journal.and_then(Arc::into_inner)
            && let Some(snapshot) = base
        {
            let adopted = std::mem::take(&mut *lock(&self.adopted));
            let _ = journal.finish(&Standing { snapshot, root }, adopted);
        }
        ended
    }

    /// Makes everything durable and then the snapshot exist. `finish` gets the bytes added
    /// (plain) and stored, and returns the manifest.
    ///
    /// # Errors
    /// When the store fails or the log refuses; then there is no snapshot.
    pub fn commit(
        self,
        repository: &mut Repository,
        finish: impl FnOnce(u64, u64) -> Manifest,
    ) -> Result<Finished> {
        self.packer.finish()?;
        let packs = self.packer.take_done();
        let segments = self.put_segments(&packs)?;
        let manifest = finish(self.added(), self.packer.stored());
        let mut header = self.header(Kind::Manifest);
        let object = manifest.encode(&mut header, &self.access.recipients(), &mut entropy())?;
        let snapshot = SnapshotId::of(&object);
        let _ =
            self.store.put_new(&names::manifest(snapshot), &[&object], Durability::AtBarrier)?;
        // The one wait for everything, before the entry that refers to it.
        self.store.barrier()?;
        let of = SummaryOf { repository: self.access.repository, session: self.id };
        let key = &self.access.scope_keys.summary;
        let summary = seal_summary(&manifest.summary, of, key, &mut entropy());
        let used = std::mem::take(&mut *lock(&self.used));
        let bases = std::mem::take(&mut *lock(&self.bases));
        repository.append(self.id, &mut |state: &State| {
            let adds = self.pack_adds(&packs, state);
            let first = state.packs.len() as u32;
            let own = first..first + adds.len() as u32;
            // Another run may have taken over the same packs of an unfinished session.
            let there = packs.iter().filter_map(|p| state.ordinal(p.id));
            Ok(Body::Commit(Commit {
                session: self.id,
                manifest: snapshot,
                segments: segments.clone(),
                packs: adds,
                bases: bases.clone(),
                set: used.iter().copied().chain(there).chain(own).collect(),
                set_object: None,
                summary: summary.clone(),
                extra: Extra::default(),
            }))
        })?;
        // The snapshot exists. A cache that cannot be written is no reason to say otherwise.
        let indexed = repository.index_segments(&packs, &segments).is_ok();
        let root = manifest.root.map(|root| (root, manifest.root_level as u8));
        drop(self.packer);
        let tabled = match self.journal.and_then(Arc::into_inner) {
            Some(journal) => {
                let adopted = std::mem::take(&mut *lock(&self.adopted));
                journal.finish(&Standing { snapshot, root }, adopted)
            }
            None => false,
        };
        Ok(Finished { snapshot, indexed, tabled })
    }

    fn put_segments(&self, packs: &[SegmentPack]) -> Result<Vec<SegmentId>> {
        let key = &self.access.scope_keys.segment;
        let header = self.header(Kind::Segment);
        let put = |packs: &[SegmentPack]| {
            let object = segment::encode_object(&header, packs, key, &mut entropy())?;
            let id = SegmentId::of(&object);
            let _ = self.store.put_new(&names::segment(id), &[&object], Durability::AtBarrier)?;
            Ok(id)
        };
        segment::split(packs).into_iter().map(put).collect()
    }

    /// The packs that the log does not have yet, with the sessions that wrote them.
    fn pack_adds(&self, packs: &[SegmentPack], state: &State) -> Vec<PackAdd> {
        let new = packs.iter().filter(|p| state.ordinal(p.id).is_none());
        new.map(|p| {
            let of = Header::decode(&p.header).map_or(self.id, |(header, _)| header.session);
            let session = (of != self.id).then_some(of);
            PackAdd { id: p.id, len: p.len, session, extra: Extra::default() }
        })
        .collect()
    }

    fn header(&self, kind: Kind) -> Header {
        Header {
            kind,
            flags: 0,
            repository: self.access.repository,
            scope: self.access.scope,
            epoch: self.access.epoch,
            writer: self.access.writer,
            session: self.id,
            seq: 0,
            tlvs: Vec::new(),
        }
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
