//! What a probe found, and what it means for a repository.

use super::record;
use crate::repository::error::{Error, Result};
use crate::store::Store;
use crate::store::probe::{Probe, Report, Verdict};
use esker_format::ids::RepositoryId;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a probe of a store found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// When, in seconds since 1970.
    pub time: u64,
    /// What.
    pub report: Report,
}

impl Probed {
    /// Tries out a store.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub fn make(store: &dyn Store, delete: bool) -> Result<Self> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let report = Probe { time, delete }.run(store)?;
        Ok(Self { time, report })
    }

    /// Remembers it in the state folder of this machine, where there is one.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn keep(
        &self,
        state: Option<&Path>,
        repository: RepositoryId,
        store: &dyn Store,
    ) -> Result<()> {
        record::write(state, repository, store, self)
    }

    /// Fails when the store can keep no repository, whoever writes.
    ///
    /// # Errors
    /// [`Error::Unfit`].
    pub fn expect_fit(&self, store: &dyn Store) -> Result<()> {
        match self.report.listing.why().or(self.report.ranges.why()) {
            Some(why) => Err(Error::Unfit { location: store.location(), why: why.to_owned() }),
            None => Ok(()),
        }
    }

    /// Whether several machines may write there.
    ///
    /// # Errors
    /// [`Error::Unproven`] when it should be so by its kind, and could not be found out.
    pub fn is_for_several_writers(&self, store: &dyn Store) -> Result<bool> {
        let is_known = store.nature().is_for_several_writers;
        match &self.report.put_if_absent {
            Verdict::Unclear(why) if is_known => {
                Err(Error::Unproven { location: store.location(), why: why.clone() })
            }
            verdict => Ok(is_known && verdict.is_good()),
        }
    }

    /// Fails unless several machines may write there.
    ///
    /// # Errors
    /// [`Error::NotForSeveral`], [`Error::Unproven`].
    pub fn expect_for_several_writers(&self, store: &dyn Store) -> Result<()> {
        match self.is_for_several_writers(store)? {
            true => Ok(()),
            false => {
                let why = self.why_single(store).unwrap_or_default();
                Err(Error::NotForSeveral { location: store.location(), why })
            }
        }
    }

    /// Why only one machine may write there, as far as there is a reason.
    pub fn why_single(&self, store: &dyn Store) -> Option<String> {
        match (store.nature().is_for_several_writers, self.report.put_if_absent.why()) {
            (_, Some(why)) => Some(why.to_owned()),
            (true, None) => None,
            (false, None) => {
                Some("stores of this kind are not known to keep several writers apart".to_owned())
            }
        }
    }
}
