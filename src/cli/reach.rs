//! Reaching the store that a repository is in.

use crate::cli::Global;
use crate::cli::exit::Failure;
use crate::cli::place::Places;
use crate::store::address::Address;
use crate::store::stores_file::StoresFile;
use crate::store::throttle::Limits;
use crate::store::{OpenError, OpenOptions, SshOptions, Store, StoreErrorKind};
use std::path::Path;
use std::sync::Arc;

/// What stores are opened with.
///
/// # Errors
/// When the file of stores cannot be used.
pub fn options(global: &Global, places: &Places) -> Result<OpenOptions, Failure> {
    let stores = match &places.stores_file {
        Some(path) => StoresFile::read(path).map_err(OpenError::from)?,
        None => StoresFile::default(),
    };
    let limits = Limits { upload: global.limit_upload, download: global.limit_download };
    Ok(OpenOptions { stores, limits, ssh: ssh_options() })
}

/// Reads an address.
///
/// # Errors
/// When it is none.
pub fn address(text: &Path) -> Result<Address, Failure> {
    Ok(Address::parse(text.as_os_str()).map_err(OpenError::from)?)
}

/// How ssh is run. It may ask where somebody sits.
fn ssh_options() -> SshOptions {
    use std::io::IsTerminal;
    let ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let mut options = SshOptions { ask, ..SshOptions::default() };
    if let Ok(words) = std::env::var("ESKER_SSH_COMMAND")
        && !words.trim().is_empty()
    {
        options.command = words.split_whitespace().map(Into::into).collect();
    }
    options
}

/// Whether a service has a config. It is read, since only then a service says what is not there.
///
/// # Errors
/// When the service does not answer, or has no such place.
pub fn has_config(store: &dyn Store) -> Result<bool, Failure> {
    let mut config = Vec::new();
    match store.get(esker_format::names::CONFIG, CONFIG_MAX, &mut config) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == StoreErrorKind::TooLarge => Ok(true),
        Err(e) if e.kind() == StoreErrorKind::NotFound && !e.is_no_store() => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// More than any config has.
const CONFIG_MAX: u64 = 1 << 20;

/// The store of the repository in use.
///
/// # Errors
/// When there is no such place, or it holds no repository.
pub fn store(global: &Global, places: &Places) -> Result<Arc<dyn Store>, Failure> {
    let open = || -> Result<_, Failure> {
        match places.repository.open(&options(global, places)?) {
            // Far away there is no such folder.
            Err(OpenError::Store(e)) if e.kind() == StoreErrorKind::NotFound => {
                let location = places.repository.to_string();
                Err(crate::repository::Error::NoRepository { location }.into())
            }
            opened => Ok(opened?),
        }
    };
    let Some(path) = places.folder() else {
        let store = open()?;
        // One request more, where somebody may be asked for a passphrase in vain.
        if global.key_file.is_none() && !has_config(&*store)? {
            return Err(crate::repository::without_config(&store).into());
        }
        return Ok(store);
    };
    let location = || path.display().to_string();
    if !path.join(esker_format::names::CONFIG).exists() {
        // A folder that may not be looked into is an error of its own kind.
        match std::fs::metadata(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(crate::repository::Error::Io {
                    action: "look into",
                    path: location(),
                    source: e,
                }
                .into());
            }
            Ok(stat) if stat.is_dir() => {
                return Err(crate::repository::without_config(&open()?).into());
            }
            _ => return Err(crate::repository::Error::NoRepository { location: location() }.into()),
        }
    }
    open()
}

/// The store that is where the repository is to be, whatever it holds.
///
/// # Errors
/// When there is no such place.
pub fn anything(global: &Global, places: &Places) -> Result<Arc<dyn Store>, Failure> {
    match places.repository.open(&options(global, places)?) {
        Err(OpenError::Store(e)) if e.kind() == StoreErrorKind::NotFound => {
            let location = places.repository.to_string();
            Err(crate::repository::Error::NoRepository { location }.into())
        }
        opened => Ok(opened?),
    }
}
