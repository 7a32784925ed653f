//! Checkpoints: the state of the log at one entry, so that a new reader need not replay it all.
//!
//! A checkpoint brings the entry along that enrolled its signer, which the owner has signed: with
//! nothing but the owner's key a reader can tell that whoever made it was allowed to.

mod check;
mod rows;

pub use rows::{
    HoldRow, PackRow, PackState, SegmentRow, SessionRow, SessionState, SnapshotRow, WriterRow,
};

use crate::cbor;
use crate::cbor_map;
use crate::envelope::{Header, Kind, SEAL_OVERHEAD, TAG_ENROLMENT};
use crate::error::{FormatError, Result, within};
use crate::ids::{EntryHash, LogHead, RepositoryId, Seq, Token};
use crate::key::{SigningKey, VerificationKey};
use crate::limits::{CHECKPOINT_MAX, ENROLMENT_MAX, HEADER_MAX};
use crate::log_entry::{Body, CheckpointEntry, ROLE_COLLECT, SealedEntry, WriterEntry};
use crate::secret::{Entropy, Secret};
use crate::signed::{self, Signed};
use crate::table::Table;

cbor_map! {
    /// The fold of the entries up to one of them.
    pub struct Checkpoint {
        /// The last entry folded.
        0 => seq: Seq,
        /// Head of the log after it.
        1 => head: LogHead,
        /// The owner's verification key.
        2 => owner: VerificationKey,
        /// Epoch in force.
        3 => epoch: u32,
        /// Writers, ascending by id.
        4 => writers: Vec<WriterRow>,
        /// Packs, by ordinal.
        5 => packs: Table<PackRow>,
        /// Live segments, in the order of their appearance.
        6 => segments: Vec<SegmentRow>,
        /// Snapshots, in the order of their commits.
        7 => snapshots: Vec<SnapshotRow>,
        /// Sessions, ascending by id.
        8 => sessions: Table<SessionRow>,
        /// The last tokens, oldest first.
        9 => tokens: Table<Token>,
        /// The host that may write, in single-writer mode.
        10 => holder: Option<String>,
        /// Hash of the last entry folded, to find it in the store.
        11 => entry: EntryHash,
        /// What open sessions hold, ascending by session.
        12 => holds: Vec<HoldRow>,
        /// Features needed to append, ascending.
        13 => append: Vec<u32>,
        /// Features needed to collect, ascending.
        14 => collect: Vec<u32>,
        /// The last checkpoints that entries named, in their order.
        15 => named: Vec<CheckpointEntry>,
    }
}

/// Largest checkpoint object.
pub const OBJECT_MAX: usize = CHECKPOINT_MAX + HEADER_MAX + SEAL_OVERHEAD + 96;

impl Checkpoint {
    /// The checkpoint object. `enrolment` is the whole log entry that enrolled the signer.
    ///
    /// # Errors
    /// When a decoder would refuse it: it is over a limit, or breaks a rule.
    pub fn encode(
        self,
        mut header: Header,
        enrolment: Vec<u8>,
        log_key: &Secret,
        signer: &SigningKey,
        entropy: &mut Entropy,
    ) -> Result<Vec<u8>> {
        self.check()?;
        within("enrolment", enrolment.len(), ENROLMENT_MAX)?;
        header.tlvs.push((TAG_ENROLMENT, enrolment));
        let payload = cbor::encode(&self);
        drop(self);
        within("checkpoint", payload.len(), CHECKPOINT_MAX)?;
        Ok(signed::encode(&header, &payload, log_key, signer, entropy))
    }
    /// Reads a checkpoint object that somebody has signed whom the owner let collect.
    ///
    /// Whether the log is the one that it stands for is for the caller to find out.
    ///
    /// # Errors
    /// When it is not signed by such a writer, or breaks a rule.
    pub fn decode(
        object: Vec<u8>,
        repository: RepositoryId,
        log_key: &Secret,
        owner: &VerificationKey,
    ) -> Result<Self> {
        let signed = Signed::parse(object, Kind::Checkpoint, repository, OBJECT_MAX)?;
        let (header, enrolment) = (signed.header.clone(), enrolment(&signed, log_key, owner)?);
        let payload = signed.into_payload(log_key, CHECKPOINT_MAX)?;
        let checkpoint: Self = cbor::decode("checkpoint", &payload, CHECKPOINT_MAX)?;
        drop(payload);
        if checkpoint.seq.0 != header.seq {
            return Err(FormatError::Misplaced { what: "sequence number" });
        }
        if checkpoint.epoch != header.epoch {
            return Err(FormatError::Misplaced { what: "epoch" });
        }
        checkpoint.check()?;
        let not_authentic = FormatError::NotAuthentic { what: "checkpoint" };
        let is_signer = |row: &WriterRow| row.entry == enrolment && !row.revoked;
        if checkpoint.owner != *owner || !checkpoint.writers.iter().any(is_signer) {
            return Err(not_authentic);
        }
        Ok(checkpoint)
    }
}

/// What the owner said of the signer, whose signature is found to be right.
fn enrolment(signed: &Signed, log_key: &Secret, owner: &VerificationKey) -> Result<WriterEntry> {
    let not_authentic = FormatError::NotAuthentic { what: "checkpoint" };
    let header = &signed.header;
    let object = header.tlv(TAG_ENROLMENT)?.to_vec();
    let (inner, _) = signed::read_header(&object, ENROLMENT_MAX)?;
    let entry = SealedEntry::parse(object, header.repository, Seq(inner.seq))?;
    if entry.place.writer != owner.writer() || !entry.is_signed_by(owner) {
        return Err(not_authentic);
    }
    let Body::Writer(writer) = entry.open(log_key)? else { return Err(not_authentic) };
    let may = writer.roles & ROLE_COLLECT != 0 && writer.scope == header.scope;
    let is_signer = writer.key.writer() == header.writer && signed.is_signed_by(&writer.key);
    if may && is_signer && inner.seq <= header.seq { Ok(writer) } else { Err(not_authentic) }
}
