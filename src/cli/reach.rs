//! Reaching the store that a repository is in.

use crate::cli::Global;
use crate::cli::exit::Failure;
use crate::cli::place::Places;
use crate::store::stores_file::StoresFile;
use crate::store::throttle::Limits;
use crate::store::{OpenError, OpenOptions, Store, StoreErrorKind};
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
    Ok(OpenOptions { stores, limits })
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
    let open = || -> Result<_, Failure> { Ok(places.repository.open(&options(global, places)?)?) };
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
