//! Where things are when nobody says: repository, key, caches, state.

use crate::cli::Global;
use crate::cli::exit::Failure;
use crate::cli::key;
use crate::cli::opened::Opened;
use crate::cli::reach::{self, store};
use crate::repository::{Local, Repository, Unlock};
use crate::store::Store;
use crate::store::address::Address;
use crate::store::stores_file;
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
    pub stores_file: Option<PathBuf>,
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
        // Who goes on in the background leaves the directory where it was begun.
        Some(folder) => std::path::absolute(folder).unwrap_or_else(|_| folder.clone()),
        None => under("XDG_CACHE_HOME", ".cache", "cache")
            .unwrap_or_else(|| std::env::temp_dir().join("esker")),
    };
    let state = match &global.state_dir {
        Some(folder) => Some(std::path::absolute(folder).unwrap_or_else(|_| folder.clone())),
        None => under("XDG_STATE_HOME", ".local/state", "state"),
    };
    let default_key = config.as_ref().map(|c| c.join("key"));
    let (repository, is_default) = match &global.repo {
        Some(path) => (reach::address(path)?, false),
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

/// Opens the repository in use for a repair; with `accepts`, also when its log was cut off just now.
///
/// # Errors
/// As [`open`].
pub fn open_to_repair(global: &Global, places: &Places, accepts: bool) -> Result<Opened, Failure> {
    let unlock = key::unlock(global, places)?;
    let local = Local {
        cache: &places.cache,
        state: places.state.as_deref(),
        accept_history: global.accept_history || accepts,
        probes: true,
    };
    let store = reach::anything(global, places)?;
    let opened = Opened::new(Repository::open_with(store, unlock, local)?);
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
        probes: true,
    };
    Ok(Opened::new(Repository::open_with(store, unlock, local)?))
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
