//! Entries of the log: what each kind says, and the signed object around it.

use crate::cbor::{self, Cbor, Extra, Reader, Writer};
use crate::cbor_map;
use crate::envelope::{FLAG_DELETES, Header, Kind, SEAL_OVERHEAD, TAG_PREVIOUS, TAG_TOKEN, array};
use crate::error::{FormatError, Result, malformed};
use crate::ids::{
    CheckpointId, EntryHash, LogHead, Named, PackId, PackSetId, RepositoryId, SegmentId, Seq,
    SessionId, SnapshotId, Token, WriterId,
};
use crate::key::{SigningKey, VerificationKey};
use crate::limits::{ENTRY_MAX, HEADER_MAX, NARROWED_MAX, REPLACEMENTS_MAX};
use crate::node::Time;
use crate::ordinals::Ordinals;
use crate::secret::{Entropy, Secret};
use crate::signed::{self, Signed};

/// Largest entry object.
pub const OBJECT_MAX: usize = ENTRY_MAX + HEADER_MAX + SEAL_OVERHEAD + 96;

/// May add and commit, and abort its own sessions.
pub const ROLE_APPEND: u32 = 1;
/// May forget, hold, tag and note.
pub const ROLE_FORGET: u32 = 2;
/// May mark, delete, compact and abort any session.
pub const ROLE_COLLECT: u32 = 4;
/// May change settings.
pub const ROLE_ADMIN: u32 = 8;

cbor_map! {
    /// The first entry. Signed by the owner, like writer, revoke and rekey.
    pub struct Genesis {
        /// The owner's verification key.
        0 => owner: VerificationKey,
        /// When the repository was made.
        1 => time: Time,
        /// Set in single-writer mode: the host that may write.
        2 => holder: Option<String>,
        /// Program and version that made it.
        3 => program: String,
    }
}
cbor_map! {
    /// Enrols a writer.
    pub struct WriterEntry {
        /// Its verification key, which gives its id.
        0 => key: VerificationKey,
        /// Its scope.
        1 => scope: u32,
        /// Sum of `ROLE_*`.
        2 => roles: u32,
        /// A name for people.
        3 => name: String,
    }
}
cbor_map! {
    /// Withdraws a writer: nothing that it appends from here on counts.
    pub struct Revoke {
        /// The writer.
        0 => writer: WriterId,
    }
}
cbor_map! {
    /// Begins a new epoch: new log key, pre-shared key and reading key.
    pub struct Rekey {
        /// The new epoch, one more than the last.
        0 => epoch: u32,
    }
}
cbor_map! {
    /// Requires features of everybody from here on.
    pub struct Setting {
        /// Features needed to read.
        0 => read: Vec<u32>,
        /// Features needed to append.
        1 => append: Vec<u32>,
        /// Features needed to collect.
        2 => collect: Vec<u32>,
    }
}
cbor_map! {
    /// A pack that an entry adds. Its ordinal is the order of first appearance in the log.
    pub struct PackAdd {
        /// The pack.
        0 => id: PackId,
        /// Its length in bytes, at most [`crate::limits::PACK_MAX`].
        1 => len: u64,
        /// The session in its header, when that is not the entry's.
        2 => session: Option<SessionId>,
    }
}
cbor_map! {
    /// Publishes what a session has uploaded so far.
    pub struct Add {
        /// The session.
        0 => session: SessionId,
        /// Segments that describe the packs.
        1 => segments: Vec<SegmentId>,
        /// The packs.
        2 => packs: Vec<PackAdd>,
        /// Packs that must stay until the session ends.
        3 => hold: Ordinals,
    }
}
cbor_map! {
    /// Makes a snapshot exist, and ends its session.
    pub struct Commit {
        /// The session.
        0 => session: SessionId,
        /// The manifest.
        1 => manifest: SnapshotId,
        /// Segments that describe the packs.
        2 => segments: Vec<SegmentId>,
        /// Packs that this entry adds.
        3 => packs: Vec<PackAdd>,
        /// Snapshots whose references were taken over without a look-up.
        4 => bases: Vec<SnapshotId>,
        /// Packs that the snapshot needs: an upper bound, those added here included.
        5 => set: Ordinals,
        /// The same as an object, where it is too long for the entry.
        6 => set_object: Option<PackSetId>,
        /// The summary, sealed with the summary key of the writer's scope.
        7 => summary: Vec<u8>,
    }
}
cbor_map! {
    /// Fences a session: nothing of it counts from here on.
    pub struct Abort {
        /// The session.
        0 => session: SessionId,
    }
}
cbor_map! {
    /// Names snapshots: what forget, unforget, hold and unhold are about.
    pub struct Snapshots {
        /// The snapshots.
        0 => snapshots: Vec<SnapshotId>,
        /// Why, for people.
        1 => reason: Option<String>,
    }
}
cbor_map! {
    /// Changes what people see of a snapshot.
    pub struct Note {
        /// The snapshot.
        0 => snapshot: SnapshotId,
        /// Tags to add.
        1 => add: Vec<String>,
        /// Tags to take away.
        2 => remove: Vec<String>,
        /// A remark.
        3 => text: Option<String>,
    }
}
cbor_map! {
    /// Says that content was found lost, or is there again.
    pub struct Damaged {
        /// Snapshots that lost something.
        0 => snapshots: Vec<SnapshotId>,
        /// Packs that are lost or damaged.
        1 => packs: Ordinals,
        /// Snapshots that are whole, and the packs that they need now.
        2 => mended: Vec<Narrowed>,
    }
}
cbor_map! {
    /// A pack and those that hold what is still needed of it.
    pub struct Replacement, in a list: REPLACEMENTS_MAX; {
        /// The pack that goes.
        0 => old: u32,
        /// The packs that stand in for it.
        1 => new: Ordinals,
    }
}
cbor_map! {
    /// Takes packs out of use.
    pub struct Mark {
        /// Packs that no look-up may find from here on.
        0 => packs: Ordinals,
        /// Where their needed chunks are now.
        1 => replacements: Vec<Replacement>,
        /// Live snapshots that were walked to find out.
        2 => walked: Vec<SnapshotId>,
        /// Segments that describe new packs.
        3 => segments: Vec<SegmentId>,
        /// New packs.
        4 => added: Vec<PackAdd>,
        /// The session that wrote them.
        5 => session: Option<SessionId>,
        /// The scope of the segments, when it is not the signer's.
        6 => scope: Option<u32>,
    }
}
cbor_map! {
    /// Gives objects up. Final for a pack.
    pub struct Delete {
        /// Marked packs.
        0 => packs: Ordinals,
        /// Manifests of forgotten snapshots.
        1 => manifests: Vec<SnapshotId>,
        /// Segments that a compaction replaced.
        2 => segments: Vec<SegmentId>,
        /// Pack sets that nothing names.
        3 => sets: Vec<PackSetId>,
    }
}
cbor_map! {
    /// A snapshot and the packs that it really needs.
    pub struct Narrowed, in a list: NARROWED_MAX; {
        /// The snapshot.
        0 => snapshot: SnapshotId,
        /// The packs.
        1 => set: Ordinals,
    }
}
cbor_map! {
    /// Shrinks the pack sets of snapshots.
    pub struct Narrow {
        /// Snapshots and their new sets.
        0 => sets: Vec<Narrowed>,
    }
}
cbor_map! {
    /// Replaces segments of one scope by fewer with the same packs. Without old ones, the new ones describe packs that
    /// no segment describes any more.
    pub struct Compact {
        /// Segments that go.
        0 => old: Vec<SegmentId>,
        /// Segments that come.
        1 => new: Vec<SegmentId>,
        /// The scope.
        2 => scope: u32,
    }
}
cbor_map! {
    /// Says that a checkpoint was written.
    pub struct CheckpointEntry {
        /// The checkpoint.
        0 => checkpoint: CheckpointId,
        /// The entry whose state it holds.
        1 => at: Seq,
    }
}
cbor_map! {
    /// Moves a single-writer repository to another host, or a mirror into service.
    pub struct Takeover {
        /// The host that may write from here on.
        0 => holder: Option<String>,
        /// Why, for people.
        1 => reason: Option<String>,
    }
}

/// Defines [`Body`]: one variant and number for each kind of entry.
macro_rules! bodies {
    ($($(#[$doc:meta])* $number:literal => $variant:ident($type:ty),)*) => {
        /// What an entry says.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Body {
            $($(#[$doc])* $variant($type),)*
            /// A kind that this version does not know. Below 128 it is critical: nobody who does
            /// not know it may append or collect.
            Unknown(u64, Extra),
        }
        impl Body {
            /// Number of the kind.
            pub const fn kind(&self) -> u64 {
                match self { $(Self::$variant(_) => $number,)* Self::Unknown(kind, _) => *kind }
            }
            /// Name of the kind.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($variant),)* Self::Unknown(..) => "Unknown" }
            }
        }
        impl Cbor for Body {
            fn put(&self, w: &mut Writer) {
                w.map(1);
                match self {
                    $(Self::$variant(body) => { w.u64($number); body.put(w); })*
                    Self::Unknown(_, raw) => raw.put(w),
                }
            }
            fn get(r: &mut Reader<'_>) -> Result<Self> {
                if r.map("log entry")? != 1 {
                    return Err(malformed("log entry", "not one kind"));
                }
                match r.u64("log entry")? {
                    $($number => <$type>::get(r).map(Self::$variant),)*
                    kind => Ok(Self::Unknown(kind, Extra::one("log entry", kind, r)?)),
                }
            }
        }
    };
}

bodies! {
    /// The first entry.
    0 => Genesis(Genesis),
    /// Enrols a writer.
    1 => Writer(WriterEntry),
    /// Withdraws a writer.
    2 => Revoke(Revoke),
    /// Begins a new epoch.
    3 => Rekey(Rekey),
    /// Requires features.
    4 => Setting(Setting),
    /// Publishes packs.
    5 => Add(Add),
    /// Makes a snapshot exist.
    6 => Commit(Commit),
    /// Fences a session.
    7 => Abort(Abort),
    /// Snapshots that need not be kept.
    8 => Forget(Snapshots),
    /// Snapshots that are to be kept after all.
    9 => Unforget(Snapshots),
    /// Snapshots that no forget may take.
    10 => Hold(Snapshots),
    /// Ends a hold.
    11 => Unhold(Snapshots),
    /// Tags and remarks.
    12 => Note(Note),
    /// Lost content.
    13 => Damaged(Damaged),
    /// Takes packs out of use.
    14 => Mark(Mark),
    /// Gives objects up.
    15 => Delete(Delete),
    /// Shrinks pack sets.
    16 => Narrow(Narrow),
    /// Replaces segments.
    17 => Compact(Compact),
    /// A checkpoint was written.
    18 => Checkpoint(CheckpointEntry),
    /// Another host writes from here on.
    19 => Takeover(Takeover),
}

impl Body {
    /// Whether objects may go because of this entry. Its header says so too, readable for all.
    pub const fn deletes(&self) -> bool {
        matches!(self, Self::Delete(_) | Self::Abort(_) | Self::Compact(_))
    }
    /// Fails unless readers will take this body. An entry that they refuse cannot be withdrawn,
    /// so whoever appends asks first.
    ///
    /// # Errors
    /// What a reader would find: mostly [`FormatError::TooLarge`].
    pub fn check(&self) -> Result<()> {
        cbor::encode_checked("log entry", self, ENTRY_MAX).map(drop)
    }
}

/// What an entry's header says beside its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The repository.
    pub repository: RepositoryId,
    /// Position in the log.
    pub seq: Seq,
    /// Head of the log before this entry; all zero for the first.
    pub previous: LogHead,
    /// One for each logical append, kept over retries.
    pub token: Token,
    /// Who appends.
    pub writer: WriterId,
    /// The writer's scope.
    pub scope: u32,
    /// The epoch whose log key seals the body.
    pub epoch: u32,
    /// The session, or all zero.
    pub session: SessionId,
}

/// The entry object.
pub fn encode(
    place: &Place,
    body: &Body,
    log_key: &Secret,
    signer: &SigningKey,
    entropy: &mut Entropy,
) -> Vec<u8> {
    let header = Header {
        kind: Kind::Entry,
        flags: if body.deletes() { FLAG_DELETES } else { 0 },
        repository: place.repository,
        scope: place.scope,
        epoch: place.epoch,
        writer: place.writer,
        session: place.session,
        seq: place.seq.0,
        tlvs: vec![
            (TAG_PREVIOUS, place.previous.as_bytes().to_vec()),
            (TAG_TOKEN, place.token.as_bytes().to_vec()),
        ],
    };
    signed::encode(&header, &cbor::encode(body), log_key, signer, entropy)
}

/// An entry that is sound (checksum, place), and not yet verified or opened.
#[derive(Debug, Clone)]
pub struct SealedEntry {
    /// What its header says.
    pub place: Place,
    signed: Signed,
}

impl SealedEntry {
    /// Takes an entry object over.
    ///
    /// # Errors
    /// [`FormatError::Checksum`] when it is damaged, [`FormatError::Misplaced`] when it is sound but
    /// belongs to another repository or number.
    pub fn parse(object: Vec<u8>, repository: RepositoryId, seq: Seq) -> Result<Self> {
        let signed = Signed::parse(object, Kind::Entry, repository, OBJECT_MAX)?;
        let header = &signed.header;
        if header.seq != seq.0 {
            return Err(FormatError::Misplaced { what: "sequence number" });
        }
        let place = Place {
            repository,
            seq,
            previous: LogHead::new(array(header.tlv(TAG_PREVIOUS)?)),
            token: Token::new(array(header.tlv(TAG_TOKEN)?)),
            writer: header.writer,
            scope: header.scope,
            epoch: header.epoch,
            session: header.session,
        };
        Ok(Self { place, signed })
    }
    /// Its hash, which goes into the head of the log.
    pub fn hash(&self) -> EntryHash {
        EntryHash::of(self.signed.bytes())
    }
    /// The bytes of the object.
    pub fn bytes(&self) -> &[u8] {
        self.signed.bytes()
    }
    /// Whether it says, readable for all, that objects may go.
    pub fn deletes(&self) -> bool {
        self.signed.header.flags & FLAG_DELETES != 0
    }
    /// Whether the holder of `key` signed it.
    pub fn is_signed_by(&self, key: &VerificationKey) -> bool {
        self.signed.is_signed_by(key)
    }
    /// Opens the body.
    ///
    /// # Errors
    /// When it is not authentic under the epoch's log key or breaks a rule.
    pub fn open(&self, log_key: &Secret) -> Result<Body> {
        let payload = self.signed.open(log_key, ENTRY_MAX)?;
        let body: Body = cbor::decode("log entry", &payload, ENTRY_MAX)?;
        // A sync trusts the flag: without it, it would not look again for what it is still to copy.
        if body.deletes() != self.deletes() && !matches!(body, Body::Unknown(..)) {
            return Err(malformed("log entry", "a flag that does not fit the body"));
        }
        Ok(body)
    }
}
