//! The end of a run: a snapshot, or none.

use super::Session;
use crate::repository::error::{Error, Result};
use crate::repository::index::Standing;
use crate::repository::packer::lock;
use crate::repository::state::State;
use crate::repository::{Occasion, Repository, entropy};
use crate::store::Durability;
use esker_format::cbor::Extra;
use esker_format::checkpoint::SessionState;
use esker_format::envelope::Kind;
use esker_format::ids::{Named, SessionId, SnapshotId};
use esker_format::log_entry::{Abort, Body, Commit};
use esker_format::names;
use esker_format::page::PageRef;
use esker_format::snapshot::{Manifest, SummaryOf, seal_summary};
use std::sync::Arc;

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

impl Session {
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
            // Packs of killed runs stay in their journals: nothing of them is in the log.
            let _ = journal.finish(&Standing { snapshot, root }, Vec::new());
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
        let mut header = self.access.header(Kind::Manifest, self.id);
        let object = manifest.encode(&mut header, &self.access.recipients(), &mut entropy())?;
        let snapshot = SnapshotId::of(&object);
        let _ =
            self.store.put_new(&names::manifest(snapshot), &[&object], Durability::AtBarrier)?;
        // The one wait for everything, before the entry that refers to it.
        self.store.barrier()?;
        let of = SummaryOf { repository: self.access.repository, session: self.id };
        let key = &self.access.scope_keys.summary;
        let summary = seal_summary(&manifest.summary, of, key, &mut entropy());
        let bases: Vec<SnapshotId> = lock(&self.bases).iter().map(|(id, _)| *id).collect();
        repository.append(self.id, &mut |state: &State| {
            let adds = self.pack_adds(&packs, state);
            self.expect_open(state, &adds)?;
            let needed = self.needed(&packs, state)?;
            let first = state.packs.len() as u32;
            let own = first..first + adds.len() as u32;
            Ok(Body::Commit(Commit {
                session: self.id,
                manifest: snapshot,
                segments: segments.clone(),
                packs: adds,
                bases: bases.clone(),
                set: needed.into_iter().chain(own).collect(),
                set_object: None,
                summary: summary.clone(),
                extra: Extra::default(),
            }))
        })?;
        // The snapshot exists. A cache that cannot be written is no reason to say otherwise.
        let indexed = repository.index_segments(&packs, &segments).is_ok();
        self.fence_adopted(repository);
        repository.checkpoint_if_due(Occasion::Run);
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

    /// Ends the sessions of the runs that were taken over: whatever they published before they were
    /// killed can be collected from here on, unless a snapshot needs it.
    fn fence_adopted(&self, repository: &mut Repository) {
        let of_adopted: Vec<SessionId> =
            lock(&self.adopted).iter().map(|run| run.session).collect();
        for session in of_adopted {
            let is_open = |state: &State| state.session_state(session) == Some(SessionState::Open);
            if !is_open(repository.state()) {
                continue;
            }
            // Whoever collects does it later when this does not.
            let _ = repository.append(self.id, &mut |state| match is_open(state) {
                true => Ok(Body::Abort(Abort { session, extra: Extra::default() })),
                false => Err(Error::Fenced { session }),
            });
        }
    }
}
