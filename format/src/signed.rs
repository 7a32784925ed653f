//! Objects that carry a signature and an unkeyed checksum: config, log entries, checkpoints.
//!
//! ```text
//! header │ nonce 24, body, tag 16 │ signature 64 │ BLAKE3 of everything before, 32
//! ```
//! The checksum lets anybody, keys or not, tell a damaged object from a forged one. The signature
//! covers header and sealed body, so that it can be checked without opening them.

use crate::envelope::{Header, Kind, array, open_body, open_body_in_place, seal_body};
use crate::error::{FormatError, Result};
use crate::ids::RepositoryId;
use crate::key::{SigningKey, VerificationKey};
use crate::secret::{Entropy, Secret};

const SIGNATURE: usize = 64;
const CHECKSUM: usize = 32;

/// Makes a signed object.
pub fn encode(
    header: &Header,
    payload: &[u8],
    key: &Secret,
    signer: &SigningKey,
    entropy: &mut Entropy,
) -> Vec<u8> {
    let mut object = header.encode();
    seal_body(&mut object, key, payload, entropy);
    let signature = signer.sign(&object);
    object.extend_from_slice(&signature);
    let checksum = blake3::hash(&object);
    object.extend_from_slice(checksum.as_bytes());
    object
}

/// The header of an object whose checksum is right, and the length of the header. What is said to
/// be newer, or of another repository, was put like this and is not rot.
///
/// # Errors
/// [`FormatError::Checksum`] when the object is damaged; then its header says nothing.
pub fn read_header(object: &[u8], limit: usize) -> Result<(Header, usize)> {
    let what = "signed object";
    crate::error::within(what, object.len(), limit)?;
    // What is too short for a checksum has none that is right: damage like any other.
    let end = object.len().checked_sub(CHECKSUM).ok_or(FormatError::Checksum { what })?;
    if blake3::hash(&object[..end]).as_bytes()[..] != object[end..] {
        return Err(FormatError::Checksum { what });
    }
    Header::decode(object)
}

/// A signed object whose checksum is right and whose place is known; not yet verified or opened.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Its header.
    pub header: Header,
    header_len: usize,
    object: Vec<u8>,
}

impl Signed {
    /// Takes an object over.
    ///
    /// # Errors
    /// [`FormatError::Checksum`] when it is damaged, [`FormatError::Misplaced`] when it belongs to
    /// another place.
    pub fn parse(
        object: Vec<u8>,
        kind: Kind,
        repository: RepositoryId,
        limit: usize,
    ) -> Result<Self> {
        let what = "signed object";
        let (header, header_len) = read_header(&object, limit)?;
        header.expect(kind, repository)?;
        if object.len() < header_len + SIGNATURE + CHECKSUM {
            return Err(FormatError::Length { what });
        }
        Ok(Self { header, header_len, object })
    }
    /// The bytes of the object.
    pub fn bytes(&self) -> &[u8] {
        &self.object
    }
    /// Whether the holder of `key` signed it.
    pub fn is_signed_by(&self, key: &VerificationKey) -> bool {
        let end = self.object.len() - CHECKSUM;
        let (message, signature) = self.object[..end].split_at(end - SIGNATURE);
        key.verifies(message, &array(signature))
    }
    /// Opens the body.
    ///
    /// # Errors
    /// When it is not authentic under `key` or over `limit`.
    pub fn open(&self, key: &Secret, limit: usize) -> Result<Vec<u8>> {
        let end = self.object.len() - CHECKSUM - SIGNATURE;
        open_body("signed object", &self.object[..end], self.header_len, key, limit)
    }
    /// Opens the body in its own memory, for objects of many MiB.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn into_payload(mut self, key: &Secret, limit: usize) -> Result<Vec<u8>> {
        let end = self.object.len() - CHECKSUM - SIGNATURE;
        let object = &mut self.object[..end];
        open_body_in_place("signed object", object, self.header_len, key, limit)
    }
}
