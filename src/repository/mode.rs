//! Who may append: every machine (shared mode), or one (single-writer mode).
//!
//! The log is safe with several writers where the store puts an object only if there is none, in one step. Where
//! it does not, the log names the one machine that may append, its *holder*, and there a lock keeps runs apart.
//! Readers need neither. No reader checks that a holder wrote what is in the log: it is a matter between those who
//! write.

pub mod host;
mod lock;
mod probed;
mod record;
mod takeover;
#[cfg(test)]
mod tests;

pub use lock::Lock;
pub use probed::Probed;
pub use takeover::Taken;

use crate::repository::Repository;
use crate::repository::error::{Error, Result};
use crate::repository::state::State;
use crate::store::Store;
use esker_format::ids::RepositoryId;
use esker_format::log_entry::ROLE_COLLECT;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Who may append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Every machine.
    Shared,
    /// One machine.
    Single {
        /// Its name, as `host` has it.
        holder: String,
    },
}

impl Mode {
    /// The mode that a new repository in `store` can have, and what a probe found there. `state` is the folder
    /// of this machine.
    ///
    /// # Errors
    /// When the store is fit for no repository, cannot be tried out, or this machine has no name.
    pub fn choose(store: &dyn Store, state: Option<&Path>, single: bool) -> Result<(Self, Probed)> {
        let probed = Probed::make(store, true)?;
        probed.expect_fit(store)?;
        let is_shared = !single && probed.is_for_several_writers(store)?;
        let mode = match is_shared {
            true => Self::Shared,
            false => Self::Single { holder: host::make(state)? },
        };
        Ok((mode, probed))
    }

    /// The mode that the log says.
    pub fn of(state: &State) -> Self {
        match &state.holder {
            None => Self::Shared,
            Some(holder) => Self::Single { holder: holder.clone() },
        }
    }

    /// The one machine, where it is one.
    pub fn holder(&self) -> Option<&str> {
        match self {
            Self::Shared => None,
            Self::Single { holder } => Some(holder),
        }
    }
}

/// What this machine has to show before it appends.
#[derive(Debug)]
pub(super) struct Here {
    folder: Option<PathBuf>,
    repository: RepositoryId,
    /// Whether a store that this machine does not know is tried out first.
    probes: bool,
    lock: Mutex<Option<Lock>>,
}

impl Here {
    pub(super) fn new(folder: Option<&Path>, repository: RepositoryId, probes: bool) -> Self {
        let folder = folder.map(Path::to_owned);
        Self { folder, repository, probes, lock: Mutex::default() }
    }

    /// Fails unless this machine may append to a log with this state, and no other run of it does. From
    /// then on no other run can.
    pub(super) fn expect(&self, state: &State) -> Result<()> {
        let Some(holder) = &state.holder else { return Ok(()) };
        let here = host::find(self.folder.as_deref())?;
        match (here, &self.folder) {
            (Some(here), Some(folder)) if here == *holder => self.lock(folder),
            (here, _) => Err(Error::Held { holder: holder.clone(), here }),
        }
    }

    fn lock(&self, folder: &Path) -> Result<()> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none() {
            *lock = Some(Lock::take(folder, self.repository)?);
        }
        Ok(())
    }
}

impl Repository {
    /// Who may append.
    pub fn mode(&self) -> Mode {
        Mode::of(&self.state)
    }

    /// The name of this machine, where it has one.
    ///
    /// # Errors
    /// When its state folder cannot be read.
    pub fn host(&self) -> Result<Option<String>> {
        host::find(self.here.folder.as_deref())
    }

    /// What this machine knows of the store; none when it was not tried out here.
    ///
    /// # Errors
    /// When the state folder cannot be read.
    pub fn probed(&self) -> Result<Option<Probed>> {
        record::read(self.here.folder.as_deref(), self.here.repository, &*self.store)
    }

    /// Tries out the store, and remembers what was found where there is a place for that. `delete` says
    /// whether to delete what was put.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    pub fn probe(&self, delete: bool) -> Result<Probed> {
        let probed = Probed::make(&*self.store, delete)?;
        // Where it cannot be remembered, the next run tries again.
        let _ = probed.keep(self.here.folder.as_deref(), self.here.repository, &*self.store);
        Ok(probed)
    }

    /// Fails unless the store was found fit for the mode of this repository, here on this machine.
    pub(super) fn expect_tried(&self) -> Result<()> {
        if !self.here.probes {
            return Ok(());
        }
        let store = &*self.store;
        let known = self.probed()?;
        let probed = match known {
            Some(probed) => probed,
            // Deleting is for collectors; what others leave is small, and a collection removes it.
            None => self.probe(self.expect_role(ROLE_COLLECT, "delete").is_ok())?,
        };
        probed.expect_fit(store)?;
        match self.mode() {
            Mode::Shared => probed.expect_for_several_writers(store),
            Mode::Single { .. } => Ok(()),
        }
    }
}
