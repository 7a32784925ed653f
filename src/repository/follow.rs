//! Reading beside a collection: a pack that is not there any more has given way to another, and the
//! log says to which. Whoever misses one reads on in the log and looks again.

use crate::repository::access::Access;
use crate::repository::error::Result;
use crate::repository::index::Lookup;
use crate::repository::{Error, Repository};
use crate::store::Store;
use esker_format::config::Config;
use esker_format::ids::Seq;
use esker_format::names;
use std::path::PathBuf;
use std::sync::Arc;

/// Reads on in the log when something is missing.
pub struct Follower {
    store: Arc<dyn Store>,
    access: Arc<Access>,
    config: Config,
    folder: PathBuf,
    /// The end of the log when it was read last.
    next: Seq,
    /// The repository as it was then; the look-ups of a reader live by its index.
    opened: Option<Box<Repository>>,
}

impl Follower {
    /// One that knows as much as `repository`.
    pub fn new(repository: &Repository) -> Self {
        Self {
            store: repository.shared_store(),
            access: Arc::clone(&repository.access),
            config: repository.config.clone(),
            folder: repository.folder.clone(),
            next: repository.state.next(),
            opened: None,
        }
    }

    /// Reads on; look-ups by what the log says now, and none when it says nothing new.
    ///
    /// # Errors
    /// When the log is damaged, or store or index fail.
    pub fn follow(&mut self) -> Result<Option<Lookup>> {
        // Thousands of chunks can be missed, and opening reads much.
        if self.store.size(&names::entry(self.next))?.is_none() {
            return Ok(None);
        }
        let (store, access) = (Arc::clone(&self.store), Arc::clone(&self.access));
        let again = Repository::at(store, access, self.config.clone(), self.folder.clone())?;
        if again.state.next() == self.next {
            return Ok(None);
        }
        self.next = again.state.next();
        let lookup = again.lookup_in_all()?;
        self.opened = Some(Box::new(again));
        Ok(Some(lookup))
    }
}

/// Whether this can come of a pack that a collection has taken away.
pub const fn may_have_moved(error: &Error) -> bool {
    matches!(error, Error::Missing { .. } | Error::NoChunk { .. } | Error::Database { .. })
}
