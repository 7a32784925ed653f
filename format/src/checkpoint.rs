//! Checkpoints: the state of the log at one entry, so that a new reader need not replay it all.

use crate::cbor;
use crate::envelope::{Header, Kind, SEAL_OVERHEAD};
use crate::error::{FormatError, Result, malformed};
use crate::ids::{
    EntryHash, LogHead, PackId, RepositoryId, SegmentId, Seq, SessionId, SnapshotId, Token,
    WriterId,
};
use crate::key::{SigningKey, VerificationKey};
use crate::limits::{CHECKPOINT_MAX, HEADER_MAX};
use crate::log_entry::WriterEntry;
use crate::ordinals::Ordinals;
use crate::secret::{Entropy, Secret};
use crate::signed::{self, Signed};
use crate::{cbor_enum, cbor_map};

cbor_enum! {
    /// What the log says of a pack.
    pub enum PackState {
        /// In use.
        Live = 1,
        /// Unknown to new look-ups.
        Marked = 2,
        /// Given up.
        Deleting = 3,
    }
}
cbor_enum! {
    /// What the log says of a session.
    pub enum SessionState {
        /// It has added packs.
        Open = 1,
        /// Its snapshot exists.
        Committed = 2,
        /// Fenced.
        Aborted = 3,
    }
}
cbor_map! {
    /// An enrolled writer.
    pub struct WriterRow {
        /// The entry that enrolled it.
        0 => entry: WriterEntry,
        /// Whether it was withdrawn.
        1 => revoked: bool,
    }
}
cbor_map! {
    /// A pack; its place in the list is its ordinal.
    pub struct PackRow {
        /// The pack.
        0 => id: PackId,
        /// Its length in bytes.
        1 => len: u64,
        /// The session in its header.
        2 => session: SessionId,
        /// Its state.
        3 => state: PackState,
    }
}
cbor_map! {
    /// A segment.
    pub struct SegmentRow {
        /// The segment.
        0 => id: SegmentId,
        /// Its scope.
        1 => scope: u32,
    }
}
cbor_map! {
    /// A snapshot.
    pub struct SnapshotRow {
        /// Its manifest.
        0 => id: SnapshotId,
        /// The entry that made it exist.
        1 => seq: Seq,
        /// The scope of its writer.
        2 => scope: u32,
        /// Its session.
        3 => session: SessionId,
        /// Its pack set.
        4 => set: Ordinals,
        /// Its sealed summary.
        5 => summary: Vec<u8>,
        /// Whether it was forgotten.
        6 => forgotten: bool,
        /// Whether it is held.
        7 => held: bool,
    }
}
cbor_map! {
    /// A session.
    pub struct SessionRow {
        /// The session.
        0 => id: SessionId,
        /// Its state.
        1 => state: SessionState,
        /// The writer that opened it: it belongs to that one alone.
        2 => writer: WriterId,
    }
}
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
        /// Writers, in the order of their enrolment.
        4 => writers: Vec<WriterRow>,
        /// Packs, by ordinal.
        5 => packs: Vec<PackRow>,
        /// Segments, in the order of their appearance.
        6 => segments: Vec<SegmentRow>,
        /// Snapshots, in the order of their commits.
        7 => snapshots: Vec<SnapshotRow>,
        /// Sessions, ascending by id.
        8 => sessions: Vec<SessionRow>,
        /// Tokens seen, ascending.
        9 => tokens: Vec<Token>,
        /// The host that may write, in single-writer mode.
        10 => holder: Option<String>,
        /// Hash of the last entry folded, to find it in the store.
        11 => entry: EntryHash,
    }
}

/// Largest checkpoint object.
pub const OBJECT_MAX: usize = CHECKPOINT_MAX + HEADER_MAX + SEAL_OVERHEAD + 96;

impl Checkpoint {
    /// The checkpoint object.
    pub fn encode(
        &self,
        header: &Header,
        log_key: &Secret,
        signer: &SigningKey,
        entropy: &mut Entropy,
    ) -> Vec<u8> {
        signed::encode(header, &cbor::encode(self), log_key, signer, entropy)
    }
    /// Reads a checkpoint object. Whether its signer may collect is for the caller to know.
    ///
    /// # Errors
    /// When it is not signed by `signer` or breaks a rule.
    pub fn decode(
        object: Vec<u8>,
        repository: RepositoryId,
        log_key: &Secret,
        signer: &VerificationKey,
    ) -> Result<Self> {
        let signed = Signed::parse(object, Kind::Checkpoint, repository, OBJECT_MAX)?;
        if !signed.is_signed_by(signer) {
            return Err(FormatError::NotAuthentic { what: "checkpoint" });
        }
        let payload = signed.open(log_key, CHECKPOINT_MAX)?;
        let checkpoint: Self = cbor::decode("checkpoint", &payload, CHECKPOINT_MAX)?;
        if checkpoint.seq.0 != signed.header.seq {
            return Err(FormatError::Misplaced { what: "sequence number" });
        }
        checkpoint.check()?;
        Ok(checkpoint)
    }
    /// Fails unless its lists are in order and name only what is in it.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn check(&self) -> Result<()> {
        let what = "checkpoint";
        if !self.sessions.is_sorted_by(|a, b| a.id < b.id)
            || !self.tokens.is_sorted_by(|a, b| a < b)
            || !self.snapshots.is_sorted_by(|a, b| a.seq < b.seq)
        {
            return Err(malformed(what, "a list is not in order"));
        }
        if self.snapshots.last().is_some_and(|last| last.seq > self.seq) {
            return Err(malformed(what, "a snapshot that was made later"));
        }
        let packs = self.packs.len();
        if self.snapshots.iter().filter_map(|s| s.set.last()).any(|last| last as usize >= packs) {
            return Err(malformed(what, "a pack set with packs that are not in it"));
        }
        Ok(())
    }
}
