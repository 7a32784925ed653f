//! From an address to a store.

use std::path::Path;
use std::sync::Arc;

use super::address::{Address, AddressError};
use super::settings::Settings;
use super::stores_file::StoresFile;
use super::throttle::{Limits, ThrottledStore};
use super::{LocalStore, SshAddress, SshOptions, Store, StoreError};

/// What stores are opened with.
#[derive(Debug, Default)]
pub struct OpenOptions {
    /// Options and secrets for addresses.
    pub stores: StoresFile,
    /// Bytes a second.
    pub limits: Limits,
    /// How ssh is run.
    pub ssh: SshOptions,
}

/// Why an address cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What was said makes no sense.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The store, or the way to it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Address {
    /// Opens the store, which must be there. A service is not asked yet.
    ///
    /// # Errors
    /// When there is no such folder, or the words for a service make no sense.
    pub fn open(&self, options: &OpenOptions) -> Result<Arc<dyn Store>, OpenError> {
        let ssh = |far: &SshAddress| far.open(&options.ssh);
        self.with(options, |path| LocalStore::open(path), ssh)
    }

    /// Makes the store: a new folder. In services there is nothing to make: a bucket is there, and folders
    /// are parts of names.
    ///
    /// # Errors
    /// As [`Self::open`], and when the folder is there and not empty.
    pub fn create(&self, options: &OpenOptions) -> Result<Arc<dyn Store>, OpenError> {
        let ssh = |far: &SshAddress| far.create(&options.ssh);
        self.with(options, |path| LocalStore::create(path), ssh)
    }

    fn with(
        &self,
        options: &OpenOptions,
        folder: impl FnOnce(&Path) -> Result<LocalStore, StoreError>,
        ssh: impl FnOnce(&SshAddress) -> Result<Arc<dyn Store>, StoreError>,
    ) -> Result<Arc<dyn Store>, OpenError> {
        match self {
            Self::Folder(path) => Ok(limited(Arc::new(folder(path)?), options.limits)),
            Self::Ssh(far) => Ok(limited(ssh(far)?, options.limits)),
            Self::Remote(remote) => {
                let variable = |name: &str| std::env::var(name).ok();
                let settings = Settings::new(remote, &options.stores, &variable)?;
                let store = remote_store(&remote.to_string(), &settings)?;
                Ok(limited(store, options.limits))
            }
        }
    }
}

fn limited(store: Arc<dyn Store>, limits: Limits) -> Arc<dyn Store> {
    if limits.is_none() { store } else { Arc::new(ThrottledStore::new(store, limits)) }
}

#[cfg(feature = "remote")]
fn remote_store(location: &str, settings: &Settings) -> Result<Arc<dyn Store>, OpenError> {
    not_built(settings)?;
    Ok(Arc::new(super::RemoteStore::open(location, settings)?))
}

#[cfg(not(feature = "remote"))]
fn remote_store(_: &str, settings: &Settings) -> Result<Arc<dyn Store>, OpenError> {
    Err(not_built(settings).expect_err("no service is built").into())
}

/// Fails for a service that this program was built without.
fn not_built(settings: &Settings) -> Result<(), AddressError> {
    let service = settings.service;
    if service.is_built() {
        return Ok(());
    }
    let feature = service.feature();
    Err(AddressError::new(
        format!("this esker was built without {}://", service.scheme()),
        format!("build it with the feature {feature}: cargo install --features {feature} ..."),
    ))
}
