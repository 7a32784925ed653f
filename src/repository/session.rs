//! One run that writes: claims chunks, publishes packs, commits a snapshot.

#[cfg(test)]
mod tests;

use crate::repository::access::Access;
use crate::repository::error::Result;
use crate::repository::frame_writer::{FrameWriter, Kept};
use crate::repository::index::Lookup;
use crate::repository::packer::{Packer, lock};
use crate::repository::state::State;
use crate::repository::{Repository, entropy};
use crate::store::{Durability, Store};
use esker_format::cbor::Extra;
use esker_format::envelope::{Header, Kind};
use esker_format::ids::{ChunkId, Named, SegmentId, SessionId, SnapshotId};
use esker_format::log_entry::{Add, Body, Commit, PackAdd};
use esker_format::names;
use esker_format::ordinals::Ordinals;
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
    /// When set, no look-up can find anything.
    index_is_empty: AtomicBool,
    added: AtomicU64,
}

type Claims = HashSet<Prefix, BuildHasherDefault<PrefixHasher>>;

/// What a commit made.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Whether the index database learned of it; if not, the next run reads it from the store.
    pub indexed: bool,
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
    /// Begins a run with `threads` threads.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn begin(repository: &Repository, threads: usize) -> Result<Self> {
        let id = SessionId::new(entropy().take());
        let (store, access) = (repository.shared_store(), Arc::clone(&repository.access));
        // A pack that was there may be gone by now.
        repository.presence.forget();
        Ok(Self {
            id,
            packer: Packer::new(Arc::clone(&store), Arc::clone(&access), id, threads),
            store,
            access,
            claims: (0..SHARDS).map(|_| Mutex::default()).collect(),
            used: Mutex::default(),
            index_is_empty: AtomicBool::new(repository.is_empty()?),
            added: AtomicU64::new(0),
        })
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
        self.publish_done(repository)?;
        Ok(Published::Packs)
    }

    /// Publishes the packs that were put.
    fn publish_done(&self, repository: &mut Repository) -> Result<()> {
        let packs = self.packer.take_done();
        let segments = self.put_segments(&packs)?;
        self.store.barrier()?;
        repository.append(self.id, &mut |_| {
            Ok(Body::Add(Add {
                session: self.id,
                segments: segments.clone(),
                packs: pack_adds(&packs),
                hold: Ordinals::default(),
                extra: Extra::default(),
            }))
        })?;
        let ordinals = packs.iter().filter_map(|p| repository.state().ordinal(p.id));
        lock(&self.used).extend(ordinals);
        repository.index_segments(&packs, &segments)?;
        // Only now, when the index answers for them and is asked, may the claims go.
        self.index_is_empty.store(false, Ordering::Release);
        for (prefix, _) in packs.iter().flat_map(|p| &p.chunks) {
            lock(&self.claims[usize::from(prefix[15]) % SHARDS]).remove(prefix);
        }
        Ok(())
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
        repository.append(self.id, &mut |state: &State| {
            let first = state.packs.len() as u32;
            let own = first..first + packs.len() as u32;
            Ok(Body::Commit(Commit {
                session: self.id,
                manifest: snapshot,
                segments: segments.clone(),
                packs: pack_adds(&packs),
                bases: Vec::new(),
                set: used.iter().copied().chain(own).collect(),
                set_object: None,
                summary: summary.clone(),
                extra: Extra::default(),
            }))
        })?;
        // The snapshot exists. A cache that cannot be written is no reason to say otherwise.
        let indexed = repository.index_segments(&packs, &segments).is_ok();
        Ok(Finished { snapshot, indexed })
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

fn pack_adds(packs: &[SegmentPack]) -> Vec<PackAdd> {
    let add =
        |p: &SegmentPack| PackAdd { id: p.id, len: p.len, session: None, extra: Extra::default() };
    packs.iter().map(add).collect()
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
