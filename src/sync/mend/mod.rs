//! Bringing damaged objects of a repository back from copies of it, or those of a copy from its repository: by
//! name, and without any key.
//!
//! ```text
//! open    list all places                            are they of one repository, and of one history
//! first   config, key slots, log, checkpoints        what has to be right before anybody can open it
//! bring   packs, segments, manifests                 those of which somebody with a key says that they are lost
//! ```
//! Bytes are taken only when they are what the name says: by the hash in it, or by the checksum of what is signed.
//! A log entry has to fit those around it. A key slot has neither, and one that is not there may have been removed
//! on purpose: it comes back only when somebody asks for it.

mod bring;
mod first;
mod history;
mod log;
mod slots;

pub use bring::{Brought, Found};
pub use first::{Cure, First, Fixed, Wrong};

use super::check::check;
use super::error::Error;
use super::list::There;
use super::object::Object;
use crate::store::{Store, StoreErrorKind};
use esker_format::ids::RepositoryId;
use std::sync::Arc;

/// What may be done beyond what is safe for everybody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request {
    /// Bring key slots back that are missing, or have other bytes: one may have been removed on purpose.
    pub key_slots: bool,
    /// Remove a damaged entry at the end of the log that nobody has: what it said is lost then.
    pub cut_log: bool,
    /// Objects that are brought at the same time.
    pub threads: usize,
}

/// A place that has copies of objects.
struct Source {
    store: Arc<dyn Store>,
    there: There,
}

/// A repository, and the copies of it that are at hand.
pub struct Mending {
    here: Arc<dyn Store>,
    there: There,
    sources: Vec<Source>,
    repository: RepositoryId,
    request: Request,
}

impl Mending {
    /// Lists a repository and copies of it.
    ///
    /// # Errors
    /// When there is no repository, a copy is one of another repository or its history went apart, or a store
    /// fails.
    pub fn open(
        here: Arc<dyn Store>,
        sources: Vec<Arc<dyn Store>>,
        request: Request,
    ) -> Result<Self, Error> {
        let there = There::read(&*here)?;
        let listed = |store: Arc<dyn Store>| -> Result<Source, Error> {
            Ok(Source { there: There::read(&*store)?, store })
        };
        let sources = sources.into_iter().map(listed).collect::<Result<Vec<_>, _>>()?;
        let repository = first::repository_here(&*here, &there, &sources)?;
        let mut mending = Self { here, there, sources: Vec::new(), repository, request };
        for source in sources {
            history::expect_one(&mending, &source)?;
            mending.sources.push(source);
        }
        Ok(mending)
    }

    /// Which repository it is.
    pub const fn repository(&self) -> RepositoryId {
        self.repository
    }

    /// Whether only the machines themselves can keep two of them from writing one name: nothing in a store of this
    /// kind does.
    pub fn needs_one_writer(&self) -> bool {
        !self.is_copy() && !self.here.nature().is_for_several_writers
    }

    /// Whether the repository is marked as a copy.
    pub fn is_copy(&self) -> bool {
        self.there.is_marked
    }

    /// Where a source is.
    pub fn location(&self, source: usize) -> String {
        self.sources[source].store.location()
    }

    /// The sound bytes of an object from the first source that has them, and which one that is.
    fn take(&self, object: Object) -> Result<Option<(usize, Vec<u8>)>, Error> {
        for (number, source) in self.sources.iter().enumerate() {
            if source.there.size(object).is_none() {
                continue;
            }
            if let Ok(bytes) = read(&*source.store, object, self.repository)? {
                return Ok(Some((number, bytes)));
            }
        }
        Ok(None)
    }
}

/// The bytes of an object when they are what its name says, or in words what is wrong with it.
fn read(
    store: &dyn Store,
    object: Object,
    repository: RepositoryId,
) -> Result<Result<Vec<u8>, String>, Error> {
    let mut bytes = Vec::new();
    match store.get(&object.name(), object.limit(), &mut bytes) {
        Ok(()) => {}
        Err(e) if e.kind() == StoreErrorKind::NotFound => return Ok(Err("is missing".to_owned())),
        Err(e) if e.kind() == StoreErrorKind::TooLarge => {
            return Ok(Err("is damaged: it is longer than such an object can be".to_owned()));
        }
        // What cannot be read is not lost, and nothing takes its place.
        Err(e) => return Err(e.into()),
    }
    Ok(match check(object, &bytes, repository) {
        Ok(()) => Ok(bytes),
        Err(why) => Err(format!("is damaged: {why}")),
    })
}
