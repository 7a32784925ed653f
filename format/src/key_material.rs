//! What a key slot wraps and a key file holds: everything that its holder may know.

use crate::cbor::{self, Cbor, Reader, Writer};
use crate::cbor_map;
use crate::error::{FormatError, Result, malformed};
use crate::ids::RepositoryId;
use crate::key::{EpochSecret, OwnerSecret, ReadingPublic, ScopeSecret, VerificationKey};
use crate::limits::SLOT_MAX;
use crate::secret::Secret;
use zeroize::Zeroizing;

cbor_map! {
    /// The owner's: all else follows from the secret.
    pub struct OwnerMaterial {
        /// The repository that it opens.
        0 => repository: RepositoryId,
        /// The owner secret.
        1 => secret: Secret,
    }
}
cbor_map! {
    /// A writer's: it names, cuts and seals, and cannot open content.
    pub struct WriterMaterial {
        /// The repository that it writes to.
        0 => repository: RepositoryId,
        /// Its scope.
        1 => scope: u32,
        /// The secret of the scope.
        2 => scope_secret: Secret,
        /// Its epoch.
        3 => epoch: u32,
        /// The secret of the epoch.
        4 => epoch_secret: Secret,
        /// The public reading key of the epoch.
        5 => reading: ReadingPublic,
        /// The owner's verification key.
        6 => owner: VerificationKey,
        /// Its own signing key.
        7 => signing: Secret,
    }
}

impl WriterMaterial {
    /// The secret of the scope, typed.
    pub fn scope_keys(&self) -> ScopeSecret {
        ScopeSecret(self.scope_secret.clone())
    }
    /// The secret of the epoch, typed.
    pub fn epoch_keys(&self) -> EpochSecret {
        EpochSecret(self.epoch_secret.clone())
    }
}

/// Key material of either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMaterial {
    /// Everything.
    Owner(OwnerMaterial),
    /// May append, cannot read.
    Writer(WriterMaterial),
}

impl KeyMaterial {
    /// The owner's material.
    pub fn owner(repository: RepositoryId, secret: &OwnerSecret) -> Self {
        let secret = secret.0.clone();
        Self::Owner(OwnerMaterial { repository, secret, extra: cbor::Extra::default() })
    }
    /// The repository that it belongs to.
    pub const fn repository(&self) -> RepositoryId {
        match self {
            Self::Owner(owner) => owner.repository,
            Self::Writer(writer) => writer.repository,
        }
    }
    /// The encoded form, wiped when dropped.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let unknown = match self {
            Self::Owner(owner) => owner.extra.size(),
            Self::Writer(writer) => writer.extra.size(),
        };
        // The known fields take less than 300 bytes. A buffer that grew would leave copies behind.
        Zeroizing::new(cbor::encode_into(self, Vec::with_capacity(512 + unknown)))
    }
    /// Reads the encoded form.
    ///
    /// # Errors
    /// When it breaks a rule.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        cbor::decode_secret("key", bytes, SLOT_MAX)
    }
}

impl Cbor for KeyMaterial {
    fn put(&self, w: &mut Writer) {
        w.array(2);
        match self {
            Self::Owner(owner) => {
                w.u64(1);
                owner.put(w);
            }
            Self::Writer(writer) => {
                w.u64(2);
                writer.put(w);
            }
        }
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        r.array_of("key", 2)?;
        match r.u64("key")? {
            1 => OwnerMaterial::get(r).map(Self::Owner),
            2 => WriterMaterial::get(r).map(Self::Writer),
            number => Err(FormatError::Unsupported { what: "kind of key", number }),
        }
    }
}

/// First word of the line that matters in a key file.
const FILE_WORD: &str = "esker-key-0:";

/// The text of a key file: remarks for people, then one line with material and checksum.
pub fn encode_file(material: &KeyMaterial) -> Zeroizing<String> {
    let body = material.encode();
    let check = blake3::derive_key("esker 0 key file checksum", &body);
    let mut text = Zeroizing::new(String::with_capacity(512 + body.len() * 2));
    text.push_str("# esker key file. Whoever has it can ");
    text.push_str(match material {
        KeyMaterial::Owner(_) => "read and change the repository",
        KeyMaterial::Writer(_) => "add to the repository",
    });
    text.push_str(
        ":\n# keep it secret, and keep a copy away from the repository and from this machine.\n",
    );
    text.push_str(&format!("# repository {}\n", material.repository()));
    text.push_str(FILE_WORD);
    for byte in body.iter().chain(&check[..4]) {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    text.push('\n');
    text
}

/// Reads the text of a key file.
///
/// # Errors
/// When there is no key in it or a character was changed.
pub fn decode_file(text: &str) -> Result<KeyMaterial> {
    let what = "key file";
    crate::error::within(what, text.len(), SLOT_MAX)?;
    let mut lines = text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty());
    let line = lines.next().ok_or(malformed(what, "no key in it"))?;
    let digits = line.trim().strip_prefix(FILE_WORD).ok_or(malformed(what, "not an esker key"))?;
    if lines.next().is_some() {
        return Err(malformed(what, "more than one key in it"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    for pair in digits.as_bytes().chunks(2) {
        let digit = |i: usize| match pair.get(i)? {
            c @ b'0'..=b'9' => Some(c - b'0'),
            c @ b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        let (high, low) =
            digit(0).zip(digit(1)).ok_or(malformed(what, "not lower-case hexadecimal"))?;
        bytes.push(high << 4 | low);
    }
    let end = bytes.len().checked_sub(4).ok_or(FormatError::Length { what })?;
    if blake3::derive_key("esker 0 key file checksum", &bytes[..end])[..4] != bytes[end..] {
        return Err(FormatError::Checksum { what });
    }
    KeyMaterial::decode(&bytes[..end])
}
