//! Fixed keys and headers, and small helpers.

use esker_format::cbor::{self, Cbor, Extra, Writer};
use esker_format::data_key::Recipients;
use esker_format::envelope::{Header, Kind};
use esker_format::error::Result;
use esker_format::ids::{ChunkId, RepositoryId, SessionId, WriterId};
use esker_format::key::{EpochSecret, OwnerSecret, ReadingKey, ScopeKeys, SigningKey};
use esker_format::log_entry::Revoke;
use esker_format::secret::{Entropy, Secret};
use esker_format::snapshot::SummaryOf;
use std::sync::LazyLock;

pub const SCOPE: u32 = 3;
pub const EPOCH: u32 = 2;
pub const REPOSITORY: RepositoryId = RepositoryId::new(*b"repository of id");
pub const SESSION: SessionId = SessionId::new(*b"session of a run");

pub fn owner() -> OwnerSecret {
    OwnerSecret(Secret::new(std::array::from_fn(|i| i as u8)))
}

pub fn scope() -> ScopeKeys {
    owner().scope(SCOPE).keys()
}

pub fn epoch() -> EpochSecret {
    owner().epoch(EPOCH)
}

pub fn reading() -> ReadingKey {
    owner().reading_key(EPOCH)
}

pub fn recipients() -> Recipients {
    Recipients { keys: vec![reading().public()], epoch: epoch() }
}

pub fn signer() -> SigningKey {
    owner().working_key()
}

/// A key that nobody enrolled.
pub fn stranger() -> SigningKey {
    SigningKey(Secret::new([6; 32]))
}

pub fn entropy(seed: u8) -> Entropy {
    Entropy::new([seed; 32])
}

pub fn header(kind: Kind) -> Header {
    Header {
        kind,
        flags: 0,
        repository: REPOSITORY,
        scope: SCOPE,
        epoch: EPOCH,
        writer: writer(),
        session: SESSION,
        seq: 0,
        tlvs: vec![],
    }
}

/// The commit that summaries here are sealed for.
pub const COMMIT: SummaryOf = SummaryOf { repository: REPOSITORY, session: SESSION };

pub fn writer() -> WriterId {
    signer().verification().writer()
}

pub fn chunk(n: u32) -> ChunkId {
    static KEYS: LazyLock<ScopeKeys> = LazyLock::new(scope);
    KEYS.data_id(&n.to_le_bytes())
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Unknown keys with the numbers as values.
pub fn extra(pairs: &[(u64, u64)]) -> Extra {
    let mut w = Writer::default();
    w.map(1 + pairs.len());
    w.u64(0);
    w.bytes(&[0; 16]);
    for (key, value) in pairs {
        w.u64(*key);
        w.u64(*value);
    }
    cbor::decode::<Revoke>("unknown fields", &w.into_bytes(), 1 << 20).unwrap().extra
}

/// What a decoder reads, encoded again.
pub fn again<T: Cbor>(bytes: &[u8]) -> Result<Vec<u8>> {
    cbor::decode::<T>("sample", bytes, 1 << 20).map(|value| cbor::encode(&value))
}

/// The bytes with one bit changed, for every bit.
pub fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
    (0..bytes.len() * 8).map(|bit| {
        let mut out = bytes.to_vec();
        out[bit / 8] ^= 1 << (bit % 8);
        (bit, out)
    })
}
