//! Publishing: packs that were put become part of the log while the run goes on.

use super::Session;
use crate::repository::access::Access;
use crate::repository::error::Result;
use crate::repository::packer::lock;
use crate::repository::state::State;
use crate::repository::{Repository, entropy};
use crate::store::{Durability, Store};
use esker_format::cbor::Extra;
use esker_format::envelope::{Header, Kind};
use esker_format::ids::{Named, SegmentId, SessionId};
use esker_format::log_entry::{Add, Body, PackAdd};
use esker_format::names;
use esker_format::ordinals::Ordinals;
use esker_format::segment::{self, SegmentPack};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Packs after which what was stored so far is published: 1 GiB.
const PUBLISH_PACKS: usize = 64;
/// Chunks after which it is, so that the claims stay within some 32 MiB.
const PUBLISH_CHUNKS: usize = 500_000;
/// Time after which it is, as a sign of life: whoever collects fences runs that are silent for long.
const PUBLISH_AFTER: Duration = Duration::from_secs(600);

/// Whether there was something to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Not yet enough.
    Nothing,
    /// An add entry is in the log.
    Packs,
}

impl Session {
    /// Publishes the packs that were put, when there are enough of them: after a crash they need
    /// not be uploaded again, others can share them, and the memory for their claims is free.
    ///
    /// # Errors
    /// When the store fails or the log refuses.
    pub fn publish(&self, repository: &mut Repository) -> Result<Published> {
        let (packs, chunks) = self.packer.done_len();
        let is_late = packs > 0 && lock(&self.published).elapsed() >= PUBLISH_AFTER;
        if packs < PUBLISH_PACKS && chunks < PUBLISH_CHUNKS && !is_late {
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
    pub(in crate::repository) fn publish_done(&self, repository: &mut Repository) -> Result<()> {
        let packs = self.packer.take_done();
        let segments = self.put_segments(&packs)?;
        self.store.barrier()?;
        repository.append(self.id, &mut |state| {
            let adds = self.pack_adds(&packs, state);
            self.expect_open(state, &adds)?;
            Ok(self.add(segments.clone(), adds, Ordinals::default()))
        })?;
        *lock(&self.published) = Instant::now();
        let ordinals = packs.iter().filter_map(|p| repository.state().ordinal(p.id));
        lock(&self.used).extend(ordinals);
        repository.index_segments(&packs, &segments)?;
        // Only now, when the index answers for them and is asked, may the claims go.
        self.index_is_empty.store(false, Ordering::Release);
        self.forget(&packs);
        Ok(())
    }

    /// Makes all packs stay that are good now, until this run ends: nothing that it looks up can be
    /// given up meanwhile.
    ///
    /// # Errors
    /// When the store fails or the log refuses.
    pub fn hold_all(&self, repository: &mut Repository) -> Result<()> {
        repository.append(self.id, &mut |state| {
            self.expect_open(state, &[])?;
            let good = state.packs.iter().zip(0u32..).filter(|(pack, _)| pack.is_good());
            Ok(self.add(Vec::new(), Vec::new(), good.map(|(_, ordinal)| ordinal).collect()))
        })?;
        // What was marked between the last look at the log and this entry is not held.
        repository.presence.learn(&repository.state);
        Ok(())
    }

    fn add(&self, segments: Vec<SegmentId>, packs: Vec<PackAdd>, hold: Ordinals) -> Body {
        Body::Add(Add { session: self.id, segments, packs, hold, extra: Extra::default() })
    }

    fn forget(&self, packs: &[SegmentPack]) {
        for (prefix, _) in packs.iter().flat_map(|p| &p.chunks) {
            self.claims_of(prefix).remove(prefix);
        }
    }

    pub(super) fn put_segments(&self, packs: &[SegmentPack]) -> Result<Vec<SegmentId>> {
        put_segments(&*self.store, &self.access, self.id, packs)
    }

    /// The packs that the log does not have yet, with the sessions that wrote them.
    pub(super) fn pack_adds(&self, packs: &[SegmentPack], state: &State) -> Vec<PackAdd> {
        let new = packs.iter().filter(|p| state.ordinal(p.id).is_none());
        new.map(|p| pack_add(p, self.id)).collect()
    }
}

/// Puts segments that describe packs, durable at the next barrier.
///
/// # Errors
/// When the store fails.
pub fn put_segments(
    store: &dyn Store,
    access: &Access,
    session: SessionId,
    packs: &[SegmentPack],
) -> Result<Vec<SegmentId>> {
    let header = access.header(Kind::Segment, session);
    let put = |packs: &[SegmentPack]| {
        let key = &access.scope_keys.segment;
        let object = segment::encode_object(&header, packs, key, &mut entropy())?;
        let id = SegmentId::of(&object);
        let _ = store.put_new(&names::segment(id), &[&object], Durability::AtBarrier)?;
        Ok(id)
    };
    segment::split(packs).into_iter().map(put).collect()
}

/// A pack as an entry of a session adds it.
pub fn pack_add(pack: &SegmentPack, session: SessionId) -> PackAdd {
    let of = Header::decode(&pack.header).map_or(session, |(header, _)| header.session);
    let other = (of != session).then_some(of);
    PackAdd { id: pack.id, len: pack.len, session: other, extra: Extra::default() }
}
