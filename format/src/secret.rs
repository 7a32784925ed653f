//! Secrets in memory: wiped when dropped, never printed.

use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Result;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Thirty-two secret bytes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes the bytes over.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// The bytes themselves; whoever asks must not let them out.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
    /// A secret that depends on this one, the context and `input`.
    #[must_use]
    pub fn derive(&self, context: &str, input: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&self.0).update(input);
        let out = Self(*hasher.finalize().as_bytes());
        hasher.zeroize();
        out
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// In constant time.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        blake3::Hash::from_bytes(self.0) == blake3::Hash::from_bytes(other.0)
    }
}
impl Eq for Secret {}

/// Only inside key slots and key files, which are secret or sealed themselves.
impl Cbor for Secret {
    fn put(&self, w: &mut Writer) {
        w.bytes(&self.0);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        <[u8; 32]>::get(r).map(Self)
    }
}

/// Random bytes for one call, made from a seed that the caller drew: this crate has no source of
/// randomness of its own, and a test with a fixed seed gets the same bytes every time.
pub struct Entropy {
    stream: blake3::OutputReader,
}

impl Entropy {
    /// A stream of bytes from 32 fresh random ones. A seed must never be used twice.
    pub fn new(seed: [u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("esker 0 entropy");
        hasher.update(&seed);
        Self { stream: hasher.finalize_xof() }
    }
    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.stream.fill(&mut out);
        out
    }
    /// The next 32 bytes, as a secret.
    pub fn secret(&mut self) -> Secret {
        Secret(self.take())
    }
}

impl rand_core::TryRng for Entropy {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> std::result::Result<u32, Self::Error> {
        Ok(u32::from_le_bytes(self.take()))
    }
    fn try_next_u64(&mut self) -> std::result::Result<u64, Self::Error> {
        Ok(u64::from_le_bytes(self.take()))
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> std::result::Result<(), Self::Error> {
        self.stream.fill(out);
        Ok(())
    }
}
impl rand_core::TryCryptoRng for Entropy {}
