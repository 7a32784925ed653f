//! The config: what never changes in a repository. Signed by the owner, sealed under the log key.

use crate::cbor;
use crate::cbor_map;
use crate::chunking::Profile;
use crate::envelope::{Header, Kind, SEAL_OVERHEAD};
use crate::error::{FormatError, Result, malformed};
use crate::ids::{EntryHash, RepositoryId};
use crate::key::{SigningKey, VerificationKey};
use crate::limits::{CONFIG_MAX, HEADER_MAX};
use crate::secret::{Entropy, Secret};
use crate::signed::{self, Signed};

/// Largest config object.
pub const OBJECT_MAX: usize = CONFIG_MAX + HEADER_MAX + SEAL_OVERHEAD + 96;

cbor_map! {
    /// The immutables of a repository.
    pub struct Config {
        /// Hash of log entry 0.
        0 => genesis: EntryHash,
        /// Chunking profiles in use, by ascending number.
        1 => profiles: Vec<Profile>,
    }
}

impl Config {
    /// The config object.
    pub fn encode(
        &self,
        header: &Header,
        log_key: &Secret,
        owner: &SigningKey,
        entropy: &mut Entropy,
    ) -> Vec<u8> {
        signed::encode(header, &cbor::encode(self), log_key, owner, entropy)
    }
    /// Reads a config object.
    ///
    /// # Errors
    /// When the owner did not sign it or it breaks a rule.
    pub fn decode(
        object: Vec<u8>,
        repository: RepositoryId,
        log_key: &Secret,
        owner: &VerificationKey,
    ) -> Result<Self> {
        let signed = Signed::parse(object, Kind::Config, repository, OBJECT_MAX)?;
        if !signed.is_signed_by(owner) {
            return Err(FormatError::NotAuthentic { what: "config" });
        }
        let config: Self = cbor::decode("config", &signed.open(log_key, CONFIG_MAX)?, CONFIG_MAX)?;
        if !config.profiles.is_sorted_by(|a, b| a.number < b.number) {
            return Err(malformed("config", "profiles out of order"));
        }
        config.profiles.iter().try_for_each(Profile::check)?;
        Ok(config)
    }
    /// The profile with a number.
    pub fn profile(&self, number: u32) -> Option<&Profile> {
        self.profiles.iter().find(|p| p.number == number)
    }
}
