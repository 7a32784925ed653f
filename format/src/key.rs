//! Keys, and how each comes from the owner's secret.
//!
//! ```text
//! owner secret ─┬─ owner signing key     signs genesis, config, writer, revoke, rekey
//!               ├─ working signing key   the owner's own writer: signs adds and commits
//!               ├─ scope secret (scope)  ─ chunk-id keys, gear table, segment, summary and cut keys
//!               └─ epoch secret (epoch)  ─ log key, pre-shared key
//!               └─ reading key  (epoch)    X25519: opens packs and manifests
//! ```
//! A writer's file has the scope and epoch secrets and the *public* reading key.

use crate::ids::{ChunkId, LinkGroup, WriterId};
use crate::secret::Secret;
use ed25519_dalek::{Signer, SigningKey as Ed25519, VerifyingKey as Ed25519Public};
use hpke::{Deserializable, Kem, Serializable, kem::X25519HkdfSha256};

/// The secret of the repository, from which everything else is derived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerSecret(pub Secret);

impl OwnerSecret {
    /// The key that the owner's verification key in every key file belongs to.
    pub fn owner_key(&self) -> SigningKey {
        SigningKey(self.0.derive("esker 0 owner signing key", &[]))
    }
    /// The signing key of the owner's own writer, enrolled like any other.
    pub fn working_key(&self) -> SigningKey {
        SigningKey(self.0.derive("esker 0 working signing key", &[]))
    }
    /// The secret shared by the writers of one scope.
    pub fn scope(&self, scope: u32) -> ScopeSecret {
        ScopeSecret(self.0.derive("esker 0 scope secret", &scope.to_le_bytes()))
    }
    /// The secret shared by all writers of one epoch.
    pub fn epoch(&self, epoch: u32) -> EpochSecret {
        EpochSecret(self.0.derive("esker 0 epoch secret", &epoch.to_le_bytes()))
    }
    /// The key that opens what was sealed in one epoch.
    pub fn reading_key(&self, epoch: u32) -> ReadingKey {
        ReadingKey(self.0.derive("esker 0 reading key", &epoch.to_le_bytes()))
    }
}

/// What the writers of a scope share: it names and cuts chunks and opens the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeSecret(pub Secret);

impl ScopeSecret {
    /// All keys of the scope.
    pub fn keys(&self) -> ScopeKeys {
        let mut gear = [0u8; 2048];
        let mut hasher = blake3::Hasher::new_derive_key("esker 0 gear table");
        hasher.update(self.0.expose()).finalize_xof().fill(&mut gear);
        let mut table = Box::new([0u64; 256]);
        for (word, bytes) in table.iter_mut().zip(gear.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        }
        ScopeKeys {
            data: self.0.derive("esker 0 chunk id data", &[]),
            page: self.0.derive("esker 0 chunk id page", &[]),
            links: self.0.derive("esker 0 hard-link group", &[]),
            cuts: self.0.derive("esker 0 page cuts", &[]),
            blocks: self.0.derive("esker 0 block cuts", &[]),
            segment: self.0.derive("esker 0 segment key", &[]),
            summary: self.0.derive("esker 0 summary key", &[]),
            gear: table,
        }
    }
}

/// The derived keys of one scope.
#[derive(Clone)]
pub struct ScopeKeys {
    data: Secret,
    page: Secret,
    links: Secret,
    cuts: Secret,
    blocks: Secret,
    /// Seals segments and pack directories.
    pub segment: Secret,
    /// Seals the summaries in commit entries.
    pub summary: Secret,
    /// The table of the content-defined cutter.
    pub gear: Box<[u64; 256]>,
}

impl ScopeKeys {
    /// Names a data chunk. One key per type keeps data from ever passing for a page.
    pub fn data_id(&self, plaintext: &[u8]) -> ChunkId {
        ChunkId::new(*blake3::keyed_hash(self.data.expose(), plaintext).as_bytes())
    }
    /// Names a page (path map, content list, attributes).
    pub fn page_id(&self, plaintext: &[u8]) -> ChunkId {
        ChunkId::new(*blake3::keyed_hash(self.page.expose(), plaintext).as_bytes())
    }
    /// The group of the hard links to one inode of one mounted file system.
    pub fn link_group(&self, device: u64, inode: u64) -> LinkGroup {
        let mut input = [0; 16];
        input[..8].copy_from_slice(&device.to_le_bytes());
        input[8..].copy_from_slice(&inode.to_le_bytes());
        let hash = blake3::keyed_hash(self.links.expose(), &input);
        let mut group = [0; 16];
        group.copy_from_slice(&hash.as_bytes()[..16]);
        LinkGroup::new(group)
    }
    /// A uniform number that decides whether a page is cut before `key` on `level`.
    pub fn cut_number(&self, level: u8, key: &[u8]) -> u32 {
        let mut hasher = blake3::Hasher::new_keyed(self.cuts.expose());
        hasher.update(&[level]).update(key);
        let mut out = [0; 4];
        hasher.finalize_xof().fill(&mut out);
        u32::from_le_bytes(out)
    }
    /// A uniform number that decides whether a chunk of a disk ends behind this block.
    pub fn block_number(&self, block: &[u8]) -> u32 {
        let hash = blake3::keyed_hash(self.blocks.expose(), block);
        hash.as_bytes().first_chunk().map_or(0, |first| u32::from_le_bytes(*first))
    }
}

impl std::fmt::Debug for ScopeKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScopeKeys(..)")
    }
}

/// What all writers of an epoch share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochSecret(pub Secret);

impl EpochSecret {
    /// Seals log entries, the config and checkpoints.
    pub fn log_key(&self) -> Secret {
        self.0.derive("esker 0 log key", &[])
    }
    /// Goes into every encapsulation, so that only key holders can make packs, and an adversary
    /// who breaks X25519 one day but has no key still reads nothing.
    pub fn pre_shared_key(&self) -> Secret {
        self.0.derive("esker 0 pre-shared key", &[])
    }
}

/// The X25519 key that opens content.
#[derive(Clone, Debug)]
pub struct ReadingKey(Secret);

impl ReadingKey {
    pub(crate) fn pair(&self) -> (<X25519HkdfSha256 as Kem>::PrivateKey, ReadingPublic) {
        let (private, public) = X25519HkdfSha256::derive_keypair(self.0.expose());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&public.to_bytes());
        (private, ReadingPublic(bytes))
    }
    /// The public half.
    pub fn public(&self) -> ReadingPublic {
        self.pair().1
    }
}

/// The public half of a [`ReadingKey`]. Taken from a key file, never from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadingPublic(pub [u8; 32]);

impl ReadingPublic {
    /// Eight bytes that tell recipients apart.
    pub fn short(&self) -> [u8; 8] {
        let mut out = [0; 8];
        out.copy_from_slice(&blake3::hash(&self.0).as_bytes()[..8]);
        out
    }
    pub(crate) fn key(&self) -> Option<<X25519HkdfSha256 as Kem>::PublicKey> {
        Deserializable::from_bytes(&self.0).ok()
    }
}

/// An Ed25519 signing key.
#[derive(Clone, Debug)]
pub struct SigningKey(pub Secret);

impl SigningKey {
    /// The public half.
    pub fn verification(&self) -> VerificationKey {
        VerificationKey(Ed25519::from_bytes(self.0.expose()).verifying_key().to_bytes())
    }
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        Ed25519::from_bytes(self.0.expose()).sign(&digest(message)).to_bytes()
    }
}

/// The public half of a [`SigningKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationKey(pub [u8; 32]);

impl VerificationKey {
    /// The writer that this key belongs to.
    pub fn writer(&self) -> WriterId {
        let mut out = [0; 16];
        out.copy_from_slice(&blake3::derive_key("esker 0 writer id", &self.0)[..16]);
        WriterId::new(out)
    }
    /// Whether the holder of the signing key signed `message`.
    ///
    /// Libraries differ on signatures that no honest signer makes. Readers that differ would fold
    /// different logs, so this takes only what all of them can agree on: no point of small order,
    /// one encoding for each point and number, and an equation without the cofactor.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        Ed25519Public::from_bytes(&self.0).is_ok_and(|key| {
            // The library compares the bytes of `R` itself, but takes any encoding of a key.
            key.to_edwards().compress().to_bytes() == self.0
                && key.verify_strict(&digest(message), &signature).is_ok()
        })
    }
}

/// What is signed: a hash under its own context, so that no other use of the key can be confused.
fn digest(message: &[u8]) -> [u8; 32] {
    blake3::derive_key("esker 0 signature", message)
}

impl crate::cbor::Cbor for VerificationKey {
    fn put(&self, w: &mut crate::cbor::Writer) {
        w.bytes(&self.0);
    }
    fn get(r: &mut crate::cbor::Reader<'_>) -> crate::error::Result<Self> {
        <[u8; 32]>::get(r).map(Self)
    }
}

impl crate::cbor::Cbor for ReadingPublic {
    fn put(&self, w: &mut crate::cbor::Writer) {
        w.bytes(&self.0);
    }
    fn get(r: &mut crate::cbor::Reader<'_>) -> crate::error::Result<Self> {
        <[u8; 32]>::get(r).map(Self)
    }
}
