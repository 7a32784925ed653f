//! What the holder of a key may do here: the key material, unfolded.

use crate::repository::error::{Error, Result};
use crate::repository::packer::lock;
use esker_format::data_key::Recipients;
use esker_format::envelope::{Header, Kind};
use esker_format::ids::{RepositoryId, SessionId, WriterId};
use esker_format::key::{
    EpochSecret, OwnerSecret, ReadingKey, ReadingPublic, ScopeKeys, SigningKey, VerificationKey,
};
use esker_format::key_material::KeyMaterial;
use esker_format::secret::Secret;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Keys in use.
pub struct Access {
    /// The repository that they belong to.
    pub repository: RepositoryId,
    /// The owner's secret, when the holder is the owner.
    pub owner: Option<OwnerSecret>,
    /// The owner's verification key.
    pub owner_key: VerificationKey,
    /// Scope in use: where the holder writes.
    pub scope: u32,
    /// Its keys.
    pub scope_keys: Arc<ScopeKeys>,
    /// Keys of other scopes, as far as they were asked for; the owner's alone.
    others: Mutex<HashMap<u32, Arc<ScopeKeys>>>,
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
    /// What all of this follows from.
    pub(super) material: KeyMaterial,
    /// The key slot that held it, when a passphrase opened one.
    pub slot: Option<SessionId>,
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
                    scope_keys: Arc::new(m.scope_keys().keys()),
                    others: Mutex::default(),
                    epoch: m.epoch,
                    epoch_secret: m.epoch_keys(),
                    log_key: m.epoch_keys().log_key(),
                    reading: None,
                    reading_public: m.reading,
                    writer: signer.verification().writer(),
                    signer,
                    material: material.clone(),
                    slot: None,
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
            scope_keys: Arc::new(secret.scope(scope).keys()),
            others: Mutex::default(),
            epoch,
            log_key: epoch_secret.log_key(),
            epoch_secret,
            reading_public: reading.public(),
            reading: Some(reading),
            writer: signer.verification().writer(),
            signer,
            material: KeyMaterial::owner(repository, &secret),
            owner: Some(secret),
            slot: None,
        }
    }

    /// The owner as such, who enrols and revokes writers; none with a writer's key.
    pub(super) fn as_owner(&self) -> Option<Self> {
        let secret = self.owner.clone()?;
        let signer = secret.owner_key();
        let writer = signer.verification().writer();
        Some(Self { signer, writer, ..Self::owner(self.repository, secret) })
    }

    /// The owner's secret.
    ///
    /// # Errors
    /// [`Error::NeedsOwner`] with a writer's key.
    pub fn secret(&self) -> Result<&OwnerSecret> {
        self.owner.as_ref().ok_or(Error::NeedsOwner)
    }

    /// Whether the holder has the keys of a scope: the owner has those of all.
    pub const fn has_scope(&self, scope: u32) -> bool {
        scope == self.scope || self.owner.is_some()
    }

    /// The keys of a scope.
    ///
    /// # Errors
    /// [`Error::NeedsOwner`] with the key of a writer of another scope.
    pub fn scope_keys_of(&self, scope: u32) -> Result<Arc<ScopeKeys>> {
        if scope == self.scope {
            return Ok(Arc::clone(&self.scope_keys));
        }
        let secret = self.secret()?;
        let mut others = lock(&self.others);
        let keys = others.entry(scope).or_insert_with(|| Arc::new(secret.scope(scope).keys()));
        Ok(Arc::clone(keys))
    }

    /// The reading key.
    ///
    /// # Errors
    /// [`Error::NeedsOwner`] with a writer's key.
    pub fn reading(&self) -> Result<&ReadingKey> {
        self.reading.as_ref().ok_or(Error::NeedsOwner)
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
        let owner = Self::owner(self.repository, self.secret()?.clone());
        Ok(Self { scope, scope_keys: self.scope_keys_of(scope)?, ..owner })
    }

    /// Who packs and manifests are sealed to.
    pub fn recipients(&self) -> Recipients {
        Recipients { keys: vec![self.reading_public], epoch: self.epoch_secret.clone() }
    }
}
