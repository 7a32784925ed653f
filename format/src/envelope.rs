//! The fixed plaintext header that every object begins with, and sealed bodies.
//!
//! ```text
//!  0   8  magic 89 45 53 4B 0D 0A 1A 0A     16  16  repository id
//!  8   1  kind                              32   4  scope
//!  9   1  major version                     36   4  epoch
//! 10   1  suite                             40  16  writer
//! 11   1  flags                             56  16  session
//! 12   4  header length with TLVs           72   8  sequence number (log, checkpoint), else 0
//! 80   …  TLVs: tag u16, length u16, value; tags ascend
//! ```
//! Integers are little-endian. A sealed body follows: nonce (24), ciphertext, tag (16), where the
//! whole header is associated data and the plaintext is codec (1), length (4), payload.

use crate::cbor_enum;
use crate::codec::{Codec, Compressor, Decompressor};
use crate::error::{FormatError, Result, malformed, within};
use crate::ids::{RepositoryId, SessionId, WriterId};
use crate::limits::{HEADER_LEN, HEADER_MAX};
use crate::secret::{Entropy, Secret};
use chacha20poly1305::aead::{AeadInOut, KeyInit, inout::InOutBuf};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// First bytes of every object: not text, and broken by transfers that change line ends.
pub const MAGIC: [u8; 8] = *b"\x89ESK\r\n\x1a\n";
/// The format's number. 0 until it is frozen.
pub const VERSION: u8 = 0;
/// Suite 1: BLAKE3, XChaCha20-Poly1305, Ed25519, HPKE X25519-HKDF-SHA256 with a pre-shared key.
pub const SUITE: u8 = 1;
/// Flag of a log entry: this entry lets objects be deleted, so a sync must list again.
pub const FLAG_DELETES: u8 = 0b0000_0001;
/// Flags that a reader must know; the upper four may be ignored.
const FLAGS_CRITICAL: u8 = 0b0000_1111;
/// Tags from here on may be unknown to a reader.
const TAG_IGNORABLE: u16 = 0x8000;
/// TLV: the data key, encapsulated to each recipient.
pub const TAG_RECIPIENTS: u16 = 1;
/// TLV of a log entry: the head of the log before it.
pub const TAG_PREVIOUS: u16 = 2;
/// TLV of a log entry: its token.
pub const TAG_TOKEN: u16 = 3;
/// TLV of a key slot: its parameters.
pub const TAG_SLOT: u16 = 4;
/// TLV of a checkpoint: the log entry that enrolled its signer, the whole object.
pub const TAG_ENROLMENT: u16 = 5;
/// The known tags, the kinds that have them, and the only length of a value that has one.
const TAGS_KNOWN: [(u16, &[Kind], Option<usize>); 5] = [
    (TAG_RECIPIENTS, &[Kind::Manifest, Kind::Pack], None),
    (TAG_PREVIOUS, &[Kind::Entry], Some(32)),
    (TAG_TOKEN, &[Kind::Entry], Some(16)),
    (TAG_SLOT, &[Kind::Slot], None),
    (TAG_ENROLMENT, &[Kind::Checkpoint], None),
];
/// Bytes that sealing adds to a body: nonce, tag, codec and length.
pub const SEAL_OVERHEAD: usize = NONCE + TAG + 5;
const NONCE: usize = 24;
/// Bytes of an authentication tag.
pub const TAG: usize = 16;

cbor_enum! {
    /// What an object is.
    pub enum Kind {
        /// `config`
        Config = 1,
        /// `keys/<id>`
        Slot = 2,
        /// `log/<n>/<seq>`
        Entry = 3,
        /// `checkpoint/<seq>-<hash>`
        Checkpoint = 4,
        /// `index/<hash>`: a segment
        Segment = 5,
        /// `index/<hash>`: a pack set
        PackSet = 6,
        /// `snapshot/<hash>`
        Manifest = 7,
        /// `pack/<xx>/<hash>`
        Pack = 8,
    }
}

/// The plaintext header of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What the object is.
    pub kind: Kind,
    /// Flags; the lower four are critical.
    pub flags: u8,
    /// The repository it belongs to.
    pub repository: RepositoryId,
    /// The scope whose keys seal it.
    pub scope: u32,
    /// The epoch whose keys seal it.
    pub epoch: u32,
    /// Who wrote it.
    pub writer: WriterId,
    /// In which session.
    pub session: SessionId,
    /// Sequence number of a log entry or checkpoint, else 0.
    pub seq: u64,
    /// Tagged values; tags ascend strictly.
    pub tlvs: Vec<(u16, Vec<u8>)>,
}

impl Header {
    /// The encoded header.
    pub fn encode(&self) -> Vec<u8> {
        let len = HEADER_LEN + self.tlvs.iter().map(|(_, v)| 4 + v.len()).sum::<usize>();
        // The largest field that this version makes has eight recipients, which is 745 bytes.
        debug_assert!(len <= HEADER_MAX, "a header of {len} bytes");
        let mut out = Vec::with_capacity(len);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[self.kind as u8, VERSION, SUITE, self.flags]);
        out.extend_from_slice(&(len as u32).to_le_bytes());
        out.extend_from_slice(self.repository.as_bytes());
        out.extend_from_slice(&self.scope.to_le_bytes());
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(self.writer.as_bytes());
        out.extend_from_slice(self.session.as_bytes());
        out.extend_from_slice(&self.seq.to_le_bytes());
        for (tag, value) in &self.tlvs {
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&(value.len() as u16).to_le_bytes());
            out.extend_from_slice(value);
        }
        out
    }

    /// Reads the header that `object` begins with; also returns its length in bytes.
    ///
    /// # Errors
    /// [`FormatError::NotEsker`] for foreign bytes, [`FormatError::Unsupported`] for newer ones.
    pub fn decode(object: &[u8]) -> Result<(Self, usize)> {
        let what = "header";
        if object.len() < 8 || object[..8] != MAGIC {
            return Err(FormatError::NotEsker);
        }
        let fixed = object.get(..HEADER_LEN).ok_or(FormatError::Length { what })?;
        let unsupported =
            |what, number: u8| FormatError::Unsupported { what, number: number.into() };
        if fixed[9] != VERSION {
            return Err(unsupported("format version", fixed[9]));
        }
        if fixed[10] != SUITE {
            return Err(unsupported("suite", fixed[10]));
        }
        let kind = Kind::from_number(fixed[8].into())?;
        let flags = fixed[11];
        let known = if kind == Kind::Entry { FLAG_DELETES } else { 0 };
        if flags & FLAGS_CRITICAL & !known != 0 {
            return Err(unsupported("feature flag", flags));
        }
        let u32_at = |at: usize| u32::from_le_bytes(array(&fixed[at..]));
        let len = u32_at(12) as usize;
        within("header", len, HEADER_MAX)?;
        let tlvs = object.get(HEADER_LEN..len).ok_or(FormatError::Length { what })?;
        let header = Self {
            kind,
            flags,
            repository: RepositoryId::new(array(&fixed[16..])),
            scope: u32_at(32),
            epoch: u32_at(36),
            writer: WriterId::new(array(&fixed[40..])),
            session: SessionId::new(array(&fixed[56..])),
            seq: u64::from_le_bytes(array(&fixed[72..])),
            tlvs: decode_tlvs(kind, tlvs)?,
        };
        if header.seq != 0 && !matches!(kind, Kind::Entry | Kind::Checkpoint) {
            return Err(malformed(what, "a sequence number where none belongs"));
        }
        Ok((header, len))
    }

    /// The value of a mandatory TLV.
    ///
    /// # Errors
    /// When it is not there.
    pub fn tlv(&self, tag: u16) -> Result<&[u8]> {
        let found = self.tlvs.iter().find(|(t, _)| *t == tag);
        found.map(|(_, v)| v.as_slice()).ok_or(malformed("header", "a mandatory field is missing"))
    }

    /// Fails unless the object is of this kind and repository.
    ///
    /// # Errors
    /// [`FormatError::Misplaced`] when it is not, which can mean that objects were swapped.
    pub fn expect(&self, kind: Kind, repository: RepositoryId) -> Result<()> {
        if self.repository != repository {
            return Err(FormatError::Misplaced { what: "repository" });
        }
        if self.kind != kind {
            return Err(FormatError::Misplaced { what: "kind" });
        }
        Ok(())
    }
}

fn decode_tlvs(kind: Kind, mut bytes: &[u8]) -> Result<Vec<(u16, Vec<u8>)>> {
    let what = "header fields";
    let mut out: Vec<(u16, Vec<u8>)> = Vec::new();
    while !bytes.is_empty() {
        let head = bytes.get(..4).ok_or(FormatError::Length { what })?;
        let tag = u16::from_le_bytes(array(head));
        let len = usize::from(u16::from_le_bytes(array(&head[2..])));
        let value = bytes.get(4..4 + len).ok_or(FormatError::Length { what })?;
        match TAGS_KNOWN.iter().find(|(known, ..)| *known == tag) {
            None if tag < TAG_IGNORABLE => {
                return Err(FormatError::Unsupported { what: "header field", number: tag.into() });
            }
            Some((_, kinds, _)) if !kinds.contains(&kind) => {
                return Err(malformed(what, "a field that this kind of object does not have"));
            }
            Some((_, _, Some(exact))) if *exact != len => {
                return Err(FormatError::Length { what });
            }
            _ => {}
        }
        if out.last().is_some_and(|(last, _)| *last >= tag) {
            return Err(FormatError::NotCanonical { what });
        }
        out.push((tag, value.to_vec()));
        bytes = &bytes[4 + len..];
    }
    Ok(out)
}

/// The first `N` bytes of a slice that is known to have them.
pub(crate) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}

/// Appends a sealed body to `object`, which holds the header (the associated data) and nothing else.
pub fn seal_body(object: &mut Vec<u8>, key: &Secret, payload: &[u8], entropy: &mut Entropy) {
    let mut packed = Vec::new();
    let codec = Compressor::default().compress(3, payload, &mut packed);
    // 192 random bits: no two bodies of a key share a nonce, however many hosts write.
    let nonce: [u8; NONCE] = entropy.take();
    let mut body = Vec::with_capacity(5 + packed.len());
    body.push(codec as u8);
    body.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    body.extend_from_slice(&packed);
    let tag = seal(key, &nonce, object, &mut body);
    object.extend_from_slice(&nonce);
    object.extend_from_slice(&body);
    object.extend_from_slice(&tag);
}

/// Opens the sealed body behind a header of `header_len` bytes; the payload is at most `limit`.
///
/// # Errors
/// When the body is not authentic under `key` or is over the limit.
pub fn open_body(
    what: &'static str,
    object: &[u8],
    header_len: usize,
    key: &Secret,
    limit: usize,
) -> Result<Vec<u8>> {
    open_body_in_place(what, &mut object.to_vec(), header_len, key, limit)
}

/// As [`open_body`], in the memory of the object, which is of no use afterwards.
///
/// # Errors
/// As [`open_body`].
pub fn open_body_in_place(
    what: &'static str,
    object: &mut [u8],
    header_len: usize,
    key: &Secret,
    limit: usize,
) -> Result<Vec<u8>> {
    let (header, sealed) =
        object.split_at_mut_checked(header_len).ok_or(FormatError::Length { what })?;
    if sealed.len() < SEAL_OVERHEAD {
        return Err(FormatError::Length { what });
    }
    let nonce: [u8; NONCE] = array(sealed);
    let end = sealed.len() - NONCE - TAG;
    let (body, tag) = sealed[NONCE..].split_at_mut(end);
    if !open(key, &nonce, header, body, &array(tag)) {
        return Err(FormatError::NotAuthentic { what });
    }
    let codec = Codec::from_number(body[0].into())?;
    let len = u32::from_le_bytes(array(&body[1..])) as usize;
    let mut payload = Vec::new();
    Decompressor::default().decompress(codec, &body[5..], len, limit, &mut payload)?;
    Ok(payload)
}

/// Encrypts `body` in place and returns the tag.
pub(crate) fn seal(key: &Secret, nonce: &[u8; NONCE], aad: &[u8], body: &mut [u8]) -> [u8; TAG] {
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    cipher
        .encrypt_inout_detached(&XNonce::from(*nonce), aad, InOutBuf::from(body))
        .map(Into::into)
        // The only failure is a message of 256 GiB, which no limit of this format admits.
        .unwrap_or_else(|_| unreachable!("a body is far below the cipher's limit"))
}

/// Decrypts `body` in place; false, with `body` undefined, when it is not authentic.
#[must_use]
pub(crate) fn open(
    key: &Secret,
    nonce: &[u8; NONCE],
    aad: &[u8],
    body: &mut [u8],
    tag: &[u8; TAG],
) -> bool {
    XChaCha20Poly1305::new(key.expose().into())
        .decrypt_inout_detached(&XNonce::from(*nonce), aad, InOutBuf::from(body), &(*tag).into())
        .is_ok()
}
