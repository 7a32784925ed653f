//! What has to be right before anybody can open a repository: config, key slots, log.

use super::history::repository_of;
use super::{Mending, Source, read};
use crate::store::{Store, StoreError, StoreErrorKind, replace};
use crate::sync::error::Error;
use crate::sync::list::There;
use crate::sync::object::Object;
use esker_format::ids::{RepositoryId, Seq};

/// What becomes of an object that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cure {
    /// It comes back from the source with this number.
    From(usize),
    /// It is removed: it stands in the way, and nobody has what was there.
    Remove,
    /// Nothing; and what could be done, in words.
    None(String),
}

/// An object that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
    /// What becomes of it.
    pub cure: Cure,
}

/// What is wrong with the objects by which a repository is opened, and what is going to be done, in that order.
#[derive(Debug, Default)]
pub struct First {
    /// Objects that are not as they should be.
    pub wrong: Vec<Wrong>,
    /// What is to be known besides.
    pub notes: Vec<String>,
    /// Numbers of damaged or missing log entries, with others behind them, that nobody has. A checkpoint may lead past.
    pub holes: Vec<Seq>,
    pub(super) todo: Vec<(Object, Option<Vec<u8>>)>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Fixed {
    /// Objects that were brought back.
    pub brought: u64,
    /// Objects that were removed.
    pub removed: u64,
    /// What the store refused, in words.
    pub refused: Vec<String>,
}

impl First {
    pub(super) fn add(&mut self, object: Object, why: &str, cure: Cure, bytes: Option<Vec<u8>>) {
        if !matches!(cure, Cure::None(_)) {
            self.todo.push((object, bytes));
        }
        self.wrong.push(Wrong { name: object.name(), why: why.to_owned(), cure });
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.todo.is_empty()
    }

    /// Whether something is wrong that nothing helps against.
    pub fn is_helpless(&self) -> bool {
        self.wrong.iter().any(|wrong| matches!(wrong.cure, Cure::None(_)))
    }
}

impl Mending {
    /// Finds what is wrong with config, key slots, log and checkpoints, and what helps.
    ///
    /// # Errors
    /// When a store fails.
    pub fn first(&self) -> Result<First, Error> {
        let mut first = First::default();
        self.look_at_slots(&mut first)?;
        self.look_at_log(&mut first)?;
        self.look_at_checkpoints(&mut first)?;
        // Last: a repository is there when its config is.
        if let Err(why) = read(&*self.here, Object::Config, self.repository)? {
            self.bring_back(Object::Config, &why, &mut first, "nothing opens without it")?;
        }
        Ok(first)
    }

    /// Plans that an object comes back, where a source has it.
    fn bring_back(
        &self,
        object: Object,
        why: &str,
        first: &mut First,
        otherwise: &str,
    ) -> Result<(), Error> {
        match self.take(object)? {
            Some((source, bytes)) => first.add(object, why, Cure::From(source), Some(bytes)),
            None => {
                let help = format!("{otherwise}; name a copy that has it with --from");
                first.add(object, why, Cure::None(help), None);
            }
        }
        Ok(())
    }

    fn look_at_checkpoints(&self, first: &mut First) -> Result<(), Error> {
        for object in self.there.checkpoints_from(0) {
            if let Err(why) = read(&*self.here, object, self.repository)?
                && let Some((source, bytes)) = self.take(object)?
            {
                // Where no copy has it, whoever has a key makes another one.
                first.add(object, &why, Cure::From(source), Some(bytes));
            }
        }
        Ok(())
    }

    /// Does what was planned.
    ///
    /// # Errors
    /// When a store fails. That one object cannot be replaced does not keep the others from it.
    pub fn fix(&self, first: First) -> Result<Fixed, Error> {
        let mut fixed = Fixed::default();
        let mut is_overtaken = false;
        for (object, bytes) in first.todo {
            let name = object.name();
            if is_overtaken && matches!(object, Object::Entry(_)) {
                continue;
            }
            let now = self.now(object, bytes.as_deref())?;
            if now == Now::Other {
                // Behind an entry of somebody else nothing fits any more.
                is_overtaken = true;
                fixed.refused.push(format!(
                    "{name} is left alone: somebody has put another one meanwhile; run this again"
                ));
                continue;
            }
            let (done, count) = match (now, bytes) {
                (Now::Wanted | Now::Other, _) => continue,
                (Now::Missing | Now::Damaged, Some(bytes)) => {
                    (replace(&*self.here, &name, &bytes), &mut fixed.brought)
                }
                (Now::Missing, None) => continue,
                (Now::Damaged, None) => (self.here.delete(&name), &mut fixed.removed),
            };
            match done {
                Ok(()) => *count += 1,
                Err(e) if is_refusal(&e) => fixed.refused.push(refusal(&name, &e)),
                Err(e) => return Err(e.into()),
            }
        }
        self.here.barrier()?;
        Ok(fixed)
    }

    /// What is in an object's place by now: what is damaged or missing may have been put by somebody else since.
    fn now(&self, object: Object, bytes: Option<&[u8]>) -> Result<Now, Error> {
        // Nothing tells of a slot whether it is damaged; its name is nobody else's.
        let is_slot = matches!(object, Object::Slot(_));
        Ok(match read(&*self.here, object, self.repository)? {
            Ok(found) if bytes.is_some_and(|bytes| bytes == found) => Now::Wanted,
            Ok(_) if is_slot => Now::Damaged,
            Ok(_) => Now::Other,
            Err(_) if self.here.size(&object.name())?.is_none() => Now::Missing,
            Err(_) => Now::Damaged,
        })
    }
}

/// What is in an object's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Now {
    /// What is to be there.
    Wanted,
    /// Something sound that is not.
    Other,
    /// Nothing.
    Missing,
    /// Something damaged.
    Damaged,
}

/// Whether a store does not let this happen, rather than fails.
pub fn is_refusal(error: &StoreError) -> bool {
    matches!(error.kind(), StoreErrorKind::Permission | StoreErrorKind::ReadOnly)
}

/// A refusal in words.
pub fn refusal(name: &str, error: &StoreError) -> String {
    let why = error.source.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{name} cannot be replaced: {error}{why}")
}

/// The repository that a place is of, by the first sound object that tells.
pub fn repository(store: &dyn Store, there: &There) -> Result<RepositoryId, Error> {
    for object in there.telling() {
        if let Some(id) = repository_of(store, object)? {
            return Ok(id);
        }
    }
    Err(Error::NoRepository { location: store.location() })
}

/// The same for the place that is to be mended, of which nothing sound may be left: then an object tells that has
/// the same hash in its name as one of a source.
pub fn repository_here(
    here: &dyn Store,
    there: &There,
    sources: &[Source],
) -> Result<RepositoryId, Error> {
    match repository(here, there) {
        Err(Error::NoRepository { location }) => {
            match sources.iter().find(|source| there.shares_a_hash(&source.there)) {
                Some(source) => repository(&*source.store, &source.there),
                None => Err(Error::NoRepository { location }),
            }
        }
        other => other,
    }
}
