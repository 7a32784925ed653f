//! Where things are when nobody says: repository, key, caches, state.

use crate::cli::Global;
use crate::cli::exit::Failure;
use crate::cli::key;
use crate::cli::opened::Opened;
use crate::repository::{Local, Repository, Unlock};
use crate::store::address::Address;
use crate::store::stores_file::{self, StoresFile};
use crate::store::throttle::Limits;
use crate::store::{OpenError, OpenOptions, SshOptions, Store, StoreErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The places in use.
pub struct Places {
    /// Where the repository is.
    pub repository: Address,
    /// Whether that is the default place.
    pub is_default: bool,
    /// The key file of the default place.
    pub default_key: PathBuf,
    /// Where caches go.
    pub cache: PathBuf,
    /// Where goes what must not be lost with them; none without a home.
    pub state: Option<PathBuf>,
    /// The file with options and secrets of stores.
    stores_file: Option<PathBuf>,
}

impl Places {
    /// The folder of the repository, when it is one of this machine.
    pub fn folder(&self) -> Option<&Path> {
        self.repository.folder()
    }
}

/// Finds the places.
///
/// # Errors
/// When there is no home and none is told.
pub fn places(global: &Global) -> Result<Places, Failure> {
    let home = home();
    let under = |variable: &str, below: &str, system: &str| -> Option<PathBuf> {
        let set = std::env::var_os(variable).map(PathBuf::from).filter(|p| p.is_absolute());
        set.map(|p| p.join("esker")).or_else(|| match &home {
            Home::Folder(home) => Some(home.join(below).join("esker")),
            Home::System => Some(PathBuf::from("/var/lib/esker").join(system)),
            Home::None => None,
        })
    };
    let missing = || {
        Failure::Usage(
            "no home folder is known for this user".to_owned(),
            Some("set HOME, or name --repo, --key-file and --cache-dir".to_owned()),
        )
    };
    let data = under("XDG_DATA_HOME", ".local/share", "");
    let config = under("XDG_CONFIG_HOME", ".config", "");
    let cache = match &global.cache_dir {
        Some(folder) => folder.clone(),
        None => under("XDG_CACHE_HOME", ".cache", "cache")
            .unwrap_or_else(|| std::env::temp_dir().join("esker")),
    };
    let state = match &global.state_dir {
        Some(folder) => Some(folder.clone()),
        None => under("XDG_STATE_HOME", ".local/state", "state"),
    };
    let default_key = config.as_ref().map(|c| c.join("key"));
    let (repository, is_default) = match &global.repo {
        Some(path) => (address(path)?, false),
        None => (Address::Folder(data.ok_or_else(missing)?.join("repository")), true),
    };
    let default_key = default_key.unwrap_or_default();
    let named = global.stores_file.clone();
    let stores_file = named.or_else(|| config.as_deref().map(stores_file::default_path));
    Ok(Places { repository, is_default, default_key, cache, state, stores_file })
}

enum Home {
    Folder(PathBuf),
    /// Root without a home: services.
    System,
    None,
}

fn home() -> Home {
    if let Some(home) = std::env::var_os("HOME").map(PathBuf::from)
        && home.is_absolute()
    {
        return Home::Folder(home);
    }
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        return Home::System;
    }
    match uzers::get_user_by_uid(uid.as_raw()) {
        Some(user) => Home::Folder(uzers::os::unix::UserExt::home_dir(&user).to_owned()),
        None => Home::None,
    }
}

/// Opens the repository in use.
///
/// # Errors
/// When there is none or no key opens it.
pub fn open(global: &Global) -> Result<Opened, Failure> {
    let places = places(global)?;
    open_at(global, &places)
}

/// Opens the repository in use for a command that finds itself when its history is not the right one.
///
/// # Errors
/// As [`open`].
pub fn open_to_check(global: &Global) -> Result<Opened, Failure> {
    let places = places(global)?;
    let store = store(global, &places)?;
    let unlock = key::unlock(global, &places)?;
    let opened = open_in(global, store, &places, unlock)?;
    opened.keep_history_back();
    opened.tell();
    Ok(opened)
}

/// Opens the repository in use for a command that reads content.
///
/// # Errors
/// As [`open`], and [`crate::repository::Error::NeedsOwner`] with a writer's key.
pub fn open_to_read(global: &Global) -> Result<Opened, Failure> {
    let repository = open(global)?;
    repository.access().reading()?;
    Ok(repository)
}

/// Opens the repository at known places.
///
/// # Errors
/// As [`open`].
pub fn open_at(global: &Global, places: &Places) -> Result<Opened, Failure> {
    // Before anybody is asked for a key.
    let store = store(global, places)?;
    let unlock = key::unlock(global, places)?;
    let opened = open_in(global, store, places, unlock)?;
    opened.tell();
    Ok(opened)
}

/// Opens the repository at known places with this.
///
/// # Errors
/// As [`open`].
pub fn open_with(global: &Global, places: &Places, unlock: Unlock) -> Result<Opened, Failure> {
    let opened = open_in(global, store(global, places)?, places, unlock)?;
    opened.tell();
    Ok(opened)
}

fn open_in(
    global: &Global,
    store: Arc<dyn Store>,
    places: &Places,
    unlock: Unlock,
) -> Result<Opened, Failure> {
    let local = Local {
        cache: &places.cache,
        state: places.state.as_deref(),
        accept_history: global.accept_history,
    };
    Ok(Opened::new(Repository::open_with(store, unlock, local)?))
}

/// What stores are opened with.
///
/// # Errors
/// When the file of stores cannot be used.
pub fn open_options(global: &Global, places: &Places) -> Result<OpenOptions, Failure> {
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
        match places.repository.open(&open_options(global, places)?) {
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

/// An error and its causes in one line.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let next = cause.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        source = cause.source();
    }
    text
}
