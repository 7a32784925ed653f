//! Key slots: key material wrapped by a passphrase (Argon2id).
//!
//! ```text
//! header with TLV 4 │ commitment 32 │ nonce 24, ciphertext of the material, tag 16
//! TLV 4: method u8 (1), memory KiB u32, passes u32, lanes u32, salt 32
//! ```
//! The commitment ties the object to one key: without it, one slot could be made to open under
//! several passphrases, which lets an attacker test many guesses at a time.

use crate::envelope::{Header, Kind, SEAL_OVERHEAD, TAG_SLOT, array, open, seal};
use crate::error::{FormatError, Result, malformed, within};
use crate::key_material::KeyMaterial;
use crate::limits::{ARGON_LANES_MAX, ARGON_MEMORY_MAX_KIB, ARGON_TIME_MAX, HEADER_MAX, SLOT_MAX};
use crate::secret::{Entropy, Secret};
use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

const METHOD_ARGON2ID: u8 = 1;
const COMMITMENT: usize = 32;
/// Largest slot object.
pub const OBJECT_MAX: usize = SLOT_MAX + HEADER_MAX + SEAL_OVERHEAD;

/// How hard a passphrase is made to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes that can be filled in parallel.
    pub lanes: u32,
}

impl Cost {
    /// RFC 9106, second recommendation: 64 MiB, three passes, four lanes.
    pub const RECOMMENDED: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 4 };

    /// Fails unless the cost is within the limits, so that it cannot exhaust the machine.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`], or [`FormatError::Malformed`] when Argon2 has no such cost.
    pub fn check(&self) -> Result<()> {
        for (what, n, limit) in [
            ("memory of a key slot", self.memory_kib, ARGON_MEMORY_MAX_KIB),
            ("passes of a key slot", self.passes, ARGON_TIME_MAX),
            ("lanes of a key slot", self.lanes, ARGON_LANES_MAX),
        ] {
            within(what, n as usize, limit as usize)?;
        }
        self.params().map(drop)
    }

    fn params(&self) -> Result<Params> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(32))
            .map_err(|_| malformed("key slot", "impossible cost parameters"))
    }
}

/// Wraps `material` under a passphrase. `header` is completed with the parameters.
///
/// # Errors
/// When `cost` is beyond the limits.
pub fn encode(
    mut header: Header,
    material: &KeyMaterial,
    passphrase: &[u8],
    cost: Cost,
    entropy: &mut Entropy,
) -> Result<Vec<u8>> {
    cost.check()?;
    let salt: [u8; 32] = entropy.take();
    let mut value = vec![METHOD_ARGON2ID];
    for n in [cost.memory_kib, cost.passes, cost.lanes] {
        value.extend_from_slice(&n.to_le_bytes());
    }
    value.extend_from_slice(&salt);
    header.tlvs = vec![(TAG_SLOT, value)];
    let mut object = header.encode();
    let (key, commitment) = stretch(passphrase, &salt, cost)?;
    object.extend_from_slice(&commitment);
    let nonce: [u8; 24] = entropy.take();
    let mut body = material.encode();
    let tag = seal(&key, &nonce, &object, &mut body);
    object.extend_from_slice(&nonce);
    object.extend_from_slice(&body);
    object.extend_from_slice(&tag);
    Ok(object)
}

/// Opens a slot with a passphrase.
///
/// # Errors
/// [`FormatError::NotAuthentic`] when the passphrase is not the one of this slot.
pub fn decode(object: &[u8], passphrase: &[u8]) -> Result<KeyMaterial> {
    let what = "key slot";
    within(what, object.len(), OBJECT_MAX)?;
    let (header, header_len) = Header::decode(object)?;
    header.expect(Kind::Slot, header.repository)?;
    let (cost, salt) = parameters(&header)?;
    let body_at = header_len + COMMITMENT + 24;
    if object.len() < body_at + 16 {
        return Err(FormatError::Length { what });
    }
    let (key, commitment) = stretch(passphrase, &salt, cost)?;
    let found = blake3::Hash::from_bytes(array(&object[header_len..]));
    if found != blake3::Hash::from_bytes(commitment) {
        return Err(FormatError::NotAuthentic { what });
    }
    let (aad, rest) = object.split_at(header_len + COMMITMENT);
    let (body, tag) = rest[24..].split_at(rest.len() - 24 - 16);
    let mut body = Zeroizing::new(body.to_vec());
    if !open(&key, &array(rest), aad, &mut body, &array(tag)) {
        return Err(FormatError::NotAuthentic { what });
    }
    let material = KeyMaterial::decode(&body)?;
    if material.repository() != header.repository {
        return Err(FormatError::Misplaced { what: "repository" });
    }
    Ok(material)
}

/// Reads the parameters of a slot and refuses those that would exhaust the machine.
///
/// # Errors
/// When they are malformed or over a limit.
pub fn parameters(header: &Header) -> Result<(Cost, [u8; 32])> {
    let what = "key slot";
    let value = header.tlv(TAG_SLOT)?;
    if value.first() != Some(&METHOD_ARGON2ID) {
        let number = value.first().copied().unwrap_or(0).into();
        return Err(FormatError::Unsupported { what: "key slot method", number });
    }
    if value.len() != 45 {
        return Err(FormatError::Length { what });
    }
    let n = |at: usize| u32::from_le_bytes(array(&value[at..]));
    let cost = Cost { memory_kib: n(1), passes: n(5), lanes: n(9) };
    cost.check()?;
    Ok((cost, array(&value[13..])))
}

/// Whether so many bytes behind the header can be all of a slot: more than that nobody knows without the passphrase.
///
/// # Errors
/// [`FormatError::Length`] when they are too few.
pub const fn expect_whole(len: usize) -> Result<()> {
    match len > COMMITMENT + SEAL_OVERHEAD {
        true => Ok(()),
        false => Err(FormatError::Length { what: "key slot" }),
    }
}

/// Key and commitment of a passphrase.
fn stretch(passphrase: &[u8], salt: &[u8; 32], cost: Cost) -> Result<(Secret, [u8; 32])> {
    let mut root = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.params()?)
        .hash_password_into(passphrase, salt, &mut root[..])
        .map_err(|_| malformed("key slot", "a passphrase that Argon2 cannot take"))?;
    let root = Secret::new(*root);
    let commitment = *root.derive("esker 0 slot commitment", &[]).expose();
    Ok((root.derive("esker 0 slot key", &[]), commitment))
}
