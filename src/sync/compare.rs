//! Whether a place is a copy of this repository, and how far.

use super::check::check;
use super::error::Error;
use super::list::There;
use super::log;
use super::object::Object;
use crate::store::{Store, StoreErrorKind};
use esker_format::envelope::Header;
use esker_format::ids::{RepositoryId, Seq};

/// An entry that is so far behind the end of a log is nobody's: who may put objects can put one with any number.
const FAR: u64 = 1000;

/// Compares the histories of a repository and a copy. Returns the repository and the number behind the last
/// entry that the copy can show.
///
/// The newest entry that both can have stands for all before it, because each names the log before it.
/// Entries behind a gap of the copy are of a sync that was cut off.
pub fn compare(
    source: &dyn Store,
    destination: &dyn Store,
    there: &There,
) -> Result<(RepositoryId, u64), Error> {
    if source.local_identity().is_some_and(|id| destination.local_identity() == Some(id)) {
        return Err(Error::Same { location: source.location() });
    }
    if !there.is_marked
        && let Some(what) = there.anything()
    {
        return Err(Error::NotACopy { location: destination.location(), what });
    }
    let end = there.end();
    let Some(last) = end.checked_sub(1) else {
        let here = first(source)?;
        if there.size(Object::Config).is_some() {
            expect_same(source, destination, Object::Config, here)?;
        }
        behind_the_gap(source, destination, there, end, here)?;
        return Ok((here, end));
    };
    let object = Object::Entry(Seq(last));
    let (location, name) = (destination.location(), object.name());
    let Some(ours) = read(source, object)? else {
        // A place without any log is no repository at all.
        first(source)?;
        return Err(Error::Longer { location, object: name });
    };
    let is_same = read(destination, object)?.as_ref() == Some(&ours);
    let here = match Header::decode(&ours) {
        // It was sound when it was put there: what it says of its repository was compared then.
        Ok((header, _)) if is_same => header.repository,
        // Void entries can have any header.
        _ => first(source)?,
    };
    if !is_same {
        expect_same_bytes(destination, object, &ours, here)?;
    }
    behind_the_gap(source, destination, there, end, here)?;
    Ok((here, end))
}

/// The repository in a store, by its config.
fn first(source: &dyn Store) -> Result<RepositoryId, Error> {
    match read(source, Object::Config)? {
        Some(bytes) => repository_of(source, Object::Config, &bytes),
        None => Err(Error::NoRepository { location: source.location() }),
    }
}

/// Compares what an earlier sync has put and not finished.
fn behind_the_gap(
    source: &dyn Store,
    destination: &dyn Store,
    there: &There,
    end: u64,
    here: RepositoryId,
) -> Result<(), Error> {
    let later: Vec<u64> = there.entries().skip_while(|seq| *seq < end).collect();
    if later.is_empty() {
        return Ok(());
    }
    let source_end = log::find_end(source, end)?;
    for seq in later.into_iter().take_while(|seq| *seq < source_end.saturating_add(FAR)) {
        expect_same(source, destination, Object::Entry(Seq(seq)), here)?;
    }
    Ok(())
}

fn expect_same(
    source: &dyn Store,
    destination: &dyn Store,
    object: Object,
    here: RepositoryId,
) -> Result<(), Error> {
    match read(source, object)? {
        Some(ours) => expect_same_bytes(destination, object, &ours, here),
        None => Err(Error::Longer { location: destination.location(), object: object.name() }),
    }
}

fn expect_same_bytes(
    destination: &dyn Store,
    object: Object,
    ours: &[u8],
    here: RepositoryId,
) -> Result<(), Error> {
    let Some(theirs) = read(destination, object)? else { return Ok(()) };
    if theirs == ours {
        return Ok(());
    }
    let (location, name) = (destination.location(), object.name());
    if let Ok((header, _)) = Header::decode(&theirs)
        && header.repository != here
    {
        return Err(Error::OtherRepository { location, there: header.repository, here });
    }
    match check(object, &theirs, here) {
        Err(source) => Err(Error::Damaged { object: name, location, source }),
        Ok(()) => Err(Error::Diverged { object: name, location }),
    }
}

/// The repository that an object belongs to by its header.
fn repository_of(store: &dyn Store, object: Object, bytes: &[u8]) -> Result<RepositoryId, Error> {
    let damaged =
        |source| Error::Damaged { object: object.name(), location: store.location(), source };
    let (header, _) = Header::decode(bytes).map_err(damaged)?;
    check(object, bytes, header.repository).map_err(damaged)?;
    Ok(header.repository)
}

fn read(store: &dyn Store, object: Object) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = Vec::new();
    match store.get(&object.name(), object.limit(), &mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(e) if e.kind() == StoreErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.into()),
    }
}
