//! Writing checkpoints, and taking away the old ones.

use crate::repository::checkpoint::{candidates, of_state};
use crate::repository::error::{Error, Result};
use crate::repository::state::{State, Writer};
use crate::repository::{Repository, entropy, log};
use crate::store::{Durability, StoreErrorKind};
use esker_format::cbor::Extra;
use esker_format::checkpoint::{PackRow, SessionRow};
use esker_format::envelope::{Header, Kind};
use esker_format::ids::{CheckpointId, Named, Seq, SessionId};
use esker_format::log_entry::{Body, CheckpointEntry, ROLE_COLLECT};
use esker_format::names;
use esker_format::table::Row;

/// So many stay.
const KEPT: usize = 3;
/// Entries after which a run writes the next one, at least and at most.
const ENTRIES: (u64, u64) = (512, 4096);
/// Bytes of a checkpoint that are worth reading one entry less.
const BYTES_PER_ENTRY: u64 = 16 << 10;
/// Entries after which a collection writes one: whoever comes anew is not to ask for more.
const AFTER_COLLECTION: u64 = 12;

/// What somebody who may write checkpoints has just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A run.
    Run,
    /// A collection, which is rare and writes much anyway.
    Collection,
    /// Somebody who could write them can do so no more: a new one says so to whoever meets his.
    Revocation,
}

/// Whether a checkpoint should be written, so many entries after the last one, when it would have
/// about so many bytes: a large one pays when it spares many requests.
pub fn is_due(occasion: Occasion, entries: u64, bytes: u64) -> bool {
    entries
        >= match occasion {
            Occasion::Run => (bytes / BYTES_PER_ENTRY).clamp(ENTRIES.0, ENTRIES.1),
            Occasion::Collection => AFTER_COLLECTION,
            Occasion::Revocation => 1,
        }
}

impl Repository {
    /// Writes a checkpoint when this key may and the last one is old. Should that fail, it is among
    /// the warnings: nothing is lost by it.
    pub fn checkpoint_if_due(&mut self, occasion: Occasion) {
        let last = self.state.checkpoints.iter().map(|(at, _)| at.0 + 1).max();
        let entries = self.state.next().0 - last.unwrap_or(0);
        let may = self.collector().is_some() && self.state.required.collect.is_empty();
        let is_broken = may && occasion == Occasion::Collection && self.is_log_broken();
        if may && (is_broken || is_due(occasion, entries, about(&self.state))) {
            let written = self.checkpoint();
            self.warnings.extend(written.err());
        }
    }

    /// Writes a checkpoint of the log as it was read, tells of it in the log, and takes away those
    /// that are older than the newest three.
    ///
    /// # Errors
    /// [`Error::NoRight`] without the right to collect; else when the store fails or the log
    /// refuses.
    pub fn checkpoint(&mut self) -> Result<CheckpointId> {
        self.expect_appendable()?;
        self.expect_role(ROLE_COLLECT, "write a checkpoint")?;
        let enrolled = self.collector().map_or(Seq(0), |writer| writer.seq);
        if let Some(feature) = self.state.required.collect.first() {
            return Err(Error::required("feature needed to collect,", *feature));
        }
        let enrolment = log::read_entry(&*self.store, enrolled)?
            .ok_or_else(|| Error::Missing { object: names::entry(enrolled) })?;
        if let Some(entry) = self.state.not_understood.first() {
            return Err(log::not_understood(entry.seq));
        }
        let Some(checkpoint) = of_state(&self.state) else {
            return Err(Error::Missing { object: names::entry(Seq(0)) });
        };
        let (access, at) = (&self.access, checkpoint.seq);
        let header = Header {
            kind: Kind::Checkpoint,
            flags: 0,
            repository: access.repository,
            scope: access.scope,
            epoch: access.epoch,
            writer: access.writer,
            session: SessionId::new(entropy().take()),
            seq: at.0,
            tlvs: Vec::new(),
        };
        let (session, log_key) = (header.session, &access.log_key);
        let object =
            checkpoint.encode(header, enrolment, log_key, &access.signer, &mut entropy())?;
        let id = CheckpointId::of(&object);
        let _ = self.store.put_new(&names::checkpoint(at, id), &[&object], Durability::Now)?;
        drop(object);
        self.append(session, &mut |_| {
            let extra = Extra::default();
            Ok(Body::Checkpoint(CheckpointEntry { checkpoint: id, at, extra }))
        })?;
        self.remove_old()?;
        Ok(id)
    }

    /// Whether whoever comes anew gets no further than to an entry that was lost, though this machine
    /// knows what it said. Then there is a warning, and a checkpoint leads past it.
    fn is_log_broken(&mut self) -> bool {
        match self.lost_entry() {
            Ok(None) => false,
            Ok(Some(lost)) => {
                self.warnings.push(lost);
                true
            }
            Err(failure) => {
                self.warnings.push(failure);
                false
            }
        }
    }

    /// The first entry behind the newest checkpoint that is not there.
    fn lost_entry(&self) -> Result<Option<Error>> {
        let Some(head) = self.state.head else { return Ok(None) };
        let is_named = |id: &CheckpointId| self.state.checkpoints.iter().any(|(_, n)| n == id);
        let last = candidates(&*self.store)?.into_iter().find(|found| is_named(&found.id));
        let first = last.map_or(Seq(0), |last| last.seq.next());
        let there = log::there(&*self.store, first, head.seq)?;
        let mut expected = (first.0..=head.seq.0).zip(&there);
        let lost = expected.find(|(seq, found)| *seq != found.0).map(|(seq, later)| (seq, *later));
        Ok(lost.map(|(seq, later)| {
            let (object, later) = (names::entry(Seq(seq)), names::entry(later));
            Error::Gap { object, later }
        }))
    }

    /// This key's writer, if it may collect.
    fn collector(&self) -> Option<&Writer> {
        let writer = self.state.writers.get(&self.access.writer)?;
        (!writer.revoked && writer.entry.roles & ROLE_COLLECT != 0).then_some(writer)
    }

    /// Removes all but the newest of the checkpoints that entries have named. What nobody named may
    /// be of somebody who is about to.
    fn remove_old(&self) -> Result<()> {
        let is_named = |id: &CheckpointId| self.state.checkpoints.iter().any(|(_, n)| n == id);
        let named = candidates(&*self.store)?.into_iter().filter(|found| is_named(&found.id));
        for old in named.skip(KEPT) {
            match self.store.delete(&old.name) {
                // Where nothing can be deleted, more of them stay.
                Err(e) if e.kind == StoreErrorKind::Permission => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }
}

/// About the bytes that a checkpoint of a state has.
fn about(state: &State) -> u64 {
    let snapshots = state.snapshots.iter().map(|s| 160 + s.summary.len() + 6 * s.set.runs().len());
    let rows = state.packs.len() * PackRow::WIDTH
        + state.sessions.len() * SessionRow::WIDTH
        + state.segments.len() * 42;
    (rows + snapshots.sum::<usize>()) as u64
}
