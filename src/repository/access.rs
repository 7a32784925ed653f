//! What the holder of a key may do here: the key material, unfolded.

use crate::repository::error::{Error, Result};
use esker_format::data_key::Recipients;
use esker_format::envelope::{Header, Kind};
use esker_format::ids::{RepositoryId, SessionId, WriterId};
use esker_format::key::{
    EpochSecret, OwnerSecret, ReadingKey, ReadingPublic, ScopeKeys, SigningKey, VerificationKey,
};
use esker_format::key_material::KeyMaterial;
use esker_format::secret::Secret;

/// Keys in use.
pub struct Access {
    /// The repository that they belong to.
    pub repository: RepositoryId,
    /// The owner's secret, when the holder is the owner.
    pub owner: Option<OwnerSecret>,
    /// The owner's verification key.
    pub owner_key: VerificationKey,
    /// Scope in use.
    pub scope: u32,
    /// Its keys.
    pub scope_keys: ScopeKeys,
    /// Epoch in use.
    pub epoch: u32,
    /// Its secret.
    pub epoch_secret: EpochSecret,
    /// Seals and opens log entries of the epoch.
    pub log_key: Secret,
    /// Opens content; the owner's alone.
    reading: Option<ReadingKey>,
    /// Who content is sealed to.
    pub reading_public: ReadingPublic,
    /// Signs what is appended.
    pub signer: SigningKey,
    /// The writer that the signing key belongs to.
    pub writer: WriterId,
}

impl Access {
    /// Unfolds key material.
    pub fn new(material: &KeyMaterial) -> Self {
        match material {
            KeyMaterial::Owner(m) => Self::owner(m.repository, OwnerSecret(m.secret.clone())),
            KeyMaterial::Writer(m) => {
                let signer = SigningKey(m.signing.clone());
                Self {
                    repository: m.repository,
                    owner: None,
                    owner_key: m.owner,
                    scope: m.scope,
                    scope_keys: m.scope_keys().keys(),
                    epoch: m.epoch,
                    epoch_secret: m.epoch_keys(),
                    log_key: m.epoch_keys().log_key(),
                    reading: None,
                    reading_public: m.reading,
                    writer: signer.verification().writer(),
                    signer,
                }
            }
        }
    }

    /// All rights, from the owner's secret.
    pub fn owner(repository: RepositoryId, secret: OwnerSecret) -> Self {
        let (scope, epoch) = (0, 0);
        let epoch_secret = secret.epoch(epoch);
        let reading = secret.reading_key(epoch);
        let signer = secret.working_key();
        Self {
            repository,
            owner_key: secret.owner_key().verification(),
            scope,
            scope_keys: secret.scope(scope).keys(),
            epoch,
            log_key: epoch_secret.log_key(),
            epoch_secret,
            reading_public: reading.public(),
            reading: Some(reading),
            writer: signer.verification().writer(),
            signer,
            owner: Some(secret),
        }
    }

    /// The reading key.
    ///
    /// # Errors
    /// [`Error::NeedsOwner`] with a writer's key.
    pub fn reading(&self) -> Result<&ReadingKey> {
        self.reading.as_ref().ok_or(Error::NeedsOwner)
    }

    /// Whether the keys of a scope are at hand.
    pub const fn has_scope(&self, scope: u32) -> bool {
        scope == self.scope || self.owner.is_some()
    }

    /// The header of an object that is put in a session.
    pub fn header(&self, kind: Kind, session: SessionId) -> Header {
        Header {
            kind,
            flags: 0,
            repository: self.repository,
            scope: self.scope,
            epoch: self.epoch,
            writer: self.writer,
            session,
            seq: 0,
            tlvs: Vec::new(),
        }
    }

    /// The same rights in another scope, for the owner who writes its packs anew.
    ///
    /// # Errors
    /// [`Error::NeedsOwner`] when the keys of the scope are not at hand.
    pub fn in_scope(&self, scope: u32) -> Result<Self> {
        let secret = self.owner.as_ref().ok_or(Error::NeedsOwner)?;
        let owner = Self::owner(self.repository, OwnerSecret(secret.0.clone()));
        Ok(Self { scope, scope_keys: secret.scope(scope).keys(), ..owner })
    }

    /// Who packs and manifests are sealed to.
    pub fn recipients(&self) -> Recipients {
        Recipients { keys: vec![self.reading_public], epoch: self.epoch_secret.clone() }
    }
}
