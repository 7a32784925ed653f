//! The fresh key of one pack or manifest, encapsulated to its recipients in the header
//! (HPKE, RFC 9180: X25519-HKDF-SHA256, HKDF-SHA256, ChaCha20-Poly1305, PSK mode).
//!
//! ```text
//! count u8, then for each: suite u8, short id of the key (8), length u16, capsule,
//!                          length u16, sealed data key
//! ```

use crate::envelope::{Header, TAG_RECIPIENTS, array};
use crate::error::{FormatError, Result, malformed};
use crate::key::{EpochSecret, ReadingKey, ReadingPublic};
use crate::limits::HEADER_LEN;
use crate::secret::{Entropy, Secret};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, PskBundle, Serializable};

/// Suite of a capsule: X25519.
const CAPSULE_X25519: u8 = 1;
/// Recipients of one object at most.
const RECIPIENTS_MAX: u8 = 8;

/// Who an object is sealed to, and what proves that its writer holds a key of the repository.
#[derive(Clone, Debug)]
pub struct Recipients {
    /// The reading keys that can open it.
    pub keys: Vec<ReadingPublic>,
    /// The secret of the epoch in the object's header.
    pub epoch: EpochSecret,
}

/// Draws a data key and adds its capsules to `header`, which must have its other fields already.
///
/// # Errors
/// When a recipient's key is not a point of the curve, or there is none.
pub fn encapsulate(header: &mut Header, to: &Recipients, entropy: &mut Entropy) -> Result<Secret> {
    let what = "recipients";
    let key = entropy.secret();
    let count = u8::try_from(to.keys.len()).map_err(|_| FormatError::Length { what })?;
    if count == 0 || count > RECIPIENTS_MAX {
        return Err(malformed(what, "between one and eight are possible"));
    }
    let (psk, info) = (to.epoch.pre_shared_key(), info(header));
    let psk_id = header.epoch.to_le_bytes();
    let mut value = vec![count];
    for recipient in &to.keys {
        let public = recipient.key().ok_or(malformed(what, "not a key"))?;
        let bundle =
            PskBundle::new(psk.expose(), &psk_id).map_err(|_| malformed(what, "pre-shared key"))?;
        let (capsule, sealed) = hpke::single_shot_seal_with_rng::<
            ChaCha20Poly1305,
            HkdfSha256,
            X25519HkdfSha256,
        >(
            &OpModeS::Psk(bundle), &public, &info, key.expose(), &[], entropy
        )
        .map_err(|_| malformed(what, "not a usable key"))?;
        value.push(CAPSULE_X25519);
        value.extend_from_slice(&recipient.short());
        for part in [&capsule.to_bytes()[..], &sealed] {
            value.extend_from_slice(&(part.len() as u16).to_le_bytes());
            value.extend_from_slice(part);
        }
    }
    // A header that is used again, as when a manifest is made once more, gets the new ones only.
    header.tlvs.retain(|(tag, _)| *tag != TAG_RECIPIENTS);
    header.tlvs.push((TAG_RECIPIENTS, value));
    header.tlvs.sort_by_key(|(tag, _)| *tag);
    Ok(key)
}

/// Opens the data key of the object with this header.
///
/// # Errors
/// [`FormatError::NotAuthentic`] when the reading key is not among the recipients or the capsule
/// was made by somebody without a key of the repository.
pub fn decapsulate(header: &Header, reading: &ReadingKey, epoch: &EpochSecret) -> Result<Secret> {
    let what = "data key";
    let (private, public) = reading.pair();
    let short = public.short();
    for capsule in capsules(header.tlv(TAG_RECIPIENTS)?)? {
        if capsule.suite != CAPSULE_X25519 || capsule.recipient != short {
            continue;
        }
        let psk = epoch.pre_shared_key();
        let psk_id = header.epoch.to_le_bytes();
        let bundle = PskBundle::new(psk.expose(), &psk_id)
            .map_err(|_| FormatError::NotAuthentic { what })?;
        let encapped = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(capsule.capsule)
            .map_err(|_| FormatError::NotAuthentic { what })?;
        let opened = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Psk(bundle),
            &private,
            &encapped,
            &info(header),
            capsule.sealed,
            &[],
        )
        .map_err(|_| FormatError::NotAuthentic { what })?;
        let bytes = opened.as_slice().try_into().map_err(|_| FormatError::Length { what })?;
        return Ok(Secret::new(bytes));
    }
    Err(FormatError::NotAuthentic { what })
}

/// Binds a capsule to the object: all of the fixed header but its length, which the capsules change.
fn info(header: &Header) -> Vec<u8> {
    let bare = Header { tlvs: Vec::new(), ..header.clone() };
    let mut out = b"esker 0 data key".to_vec();
    out.extend_from_slice(&bare.encode()[..HEADER_LEN]);
    out
}

struct Capsule<'a> {
    suite: u8,
    recipient: [u8; 8],
    capsule: &'a [u8],
    sealed: &'a [u8],
}

/// Parses the recipients field of a header.
fn capsules(value: &[u8]) -> Result<Vec<Capsule<'_>>> {
    let what = "recipients";
    let short = || FormatError::Length { what };
    let (&count, mut rest) = value.split_first().ok_or_else(short)?;
    if count == 0 || count > RECIPIENTS_MAX {
        return Err(malformed(what, "between one and eight are possible"));
    }
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at_checked(n).ok_or_else(short)?;
        rest = tail;
        Ok::<_, FormatError>(head)
    };
    let mut out = Vec::new();
    for _ in 0..count {
        let suite = take(1)?[0];
        let recipient = array(take(8)?);
        let len = u16::from_le_bytes(array(take(2)?));
        let capsule = take(len.into())?;
        let len = u16::from_le_bytes(array(take(2)?));
        out.push(Capsule { suite, recipient, capsule, sealed: take(len.into())? });
    }
    if rest.is_empty() { Ok(out) } else { Err(short()) }
}
