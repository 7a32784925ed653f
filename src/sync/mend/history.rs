//! Whether two places are of one repository and of one history.

use super::{Mending, Source, read};
use crate::store::Store;
use crate::sync::error::Error;
use crate::sync::list::There;
use crate::sync::object::Object;
use esker_format::envelope::Header;
use esker_format::ids::{RepositoryId, Seq};

/// Entries of both that are compared at most, when the newest ones cannot be read: each stands for all before it.
const LOOKED_AT: usize = 100;

/// Fails unless a source is another place of the same repository, and has the same log as far as both have one.
pub fn expect_one(mending: &Mending, source: &Source) -> Result<(), Error> {
    let (here, store) = (&*mending.here, &*source.store);
    let location = store.location();
    if here.local_identity().is_some_and(|id| store.local_identity() == Some(id)) {
        return Err(Error::Same { location });
    }
    let there = super::first::repository(store, &source.there)?;
    if there != mending.repository {
        return Err(Error::OtherRepository { location, there, here: mending.repository });
    }
    let config = [here, store].map(|store| read(store, Object::Config, there));
    if let [Ok(Ok(ours)), Ok(Ok(theirs))] = config
        && ours != theirs
    {
        return Err(Error::Diverged { object: Object::Config.name(), location });
    }
    // The newest entry that both have stands for all before it, because each names the log before it.
    for seq in common(&mending.there, &source.there).into_iter().rev().take(LOOKED_AT) {
        let object = Object::Entry(Seq(seq));
        if let (Ok(ours), Ok(theirs)) = (read(here, object, there)?, read(store, object, there)?) {
            return match ours == theirs {
                true => Ok(()),
                false => Err(Error::Diverged { object: object.name(), location }),
            };
        }
    }
    Ok(())
}

/// The numbers of entries that both places have.
fn common(ours: &There, theirs: &There) -> Vec<u64> {
    let theirs: std::collections::HashSet<u64> = theirs.entries().collect();
    ours.entries().filter(|seq| theirs.contains(seq)).collect()
}

/// The repository that an object says it is of, when its bytes are sound.
pub fn repository_of(store: &dyn Store, object: Object) -> Result<Option<RepositoryId>, Error> {
    let mut bytes = Vec::new();
    match store.get(&object.name(), object.limit(), &mut bytes) {
        Ok(()) => {}
        Err(e) if e.is_temporary() => return Err(e.into()),
        Err(_) => return Ok(None),
    }
    let Ok((header, _)) = Header::decode(&bytes) else { return Ok(None) };
    let is_sound = super::check(object, &bytes, header.repository).is_ok();
    Ok(is_sound.then_some(header.repository))
}
