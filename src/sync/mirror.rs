//! The mark of a copy, and how it is taken back.

use super::error::Error;
use super::list::There;
use super::object::Object;
use crate::store::{Store, StoreErrorKind};
use esker_format::ids::Seq;
use esker_format::names;

/// What the mark says to people who look into it. To programs its name is enough.
pub const TEXT: &[u8] = b"\
This is a copy of an esker repository, made by `esker sync`. Read from it as from the repository
itself. Nothing may be appended here, until `esker promote` takes the copy into service in its place.
";

/// What a copy is that was taken into service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promoted {
    /// Entries of its log.
    pub entries: u64,
    /// Entries of an unfinished sync that were removed: nobody could have read them.
    pub removed: u64,
}

/// Whether a store is marked as a copy.
///
/// # Errors
/// When the store fails.
pub fn is_marked(store: &dyn Store) -> Result<bool, Error> {
    Ok(store.size(names::MIRROR)?.is_some())
}

/// Takes a copy into service: from here on it is a repository like any other. With `cut_off`, what an
/// unfinished sync has put of the log is removed: behind the gap nobody can read it, and nobody could append.
///
/// # Errors
/// [`Error::NotMarked`] when it is no copy, [`Error::Unfinished`] when its log has a gap, or what the store says:
/// this is the one time that an object of a copy is deleted.
pub fn promote(store: &dyn Store, cut_off: bool, is_dry: bool) -> Result<Promoted, Error> {
    let there = There::read(store)?;
    let location = store.location();
    if !there.is_marked {
        return Err(match there.size(Object::Config) {
            Some(_) => Error::NotMarked { location },
            None => Error::NoRepository { location },
        });
    }
    let end = there.end();
    if end == 0 || there.size(Object::Config).is_none() {
        return Err(Error::NoRepository { location });
    }
    let later: Vec<u64> = there.entries().skip_while(|seq| *seq < end).collect();
    if let Some(first) = later.first()
        && !cut_off
    {
        let (object, later) = (names::entry(Seq(end)), names::entry(Seq(*first)));
        return Err(Error::Unfinished { location, object, later });
    }
    let removed = later.len() as u64;
    if !is_dry {
        // The mark goes last: until then nobody appends.
        for checkpoint in there.checkpoints_from(end) {
            store.delete(&checkpoint.name())?;
        }
        for seq in later.into_iter().rev() {
            store.delete(&names::entry(Seq(seq)))?;
        }
        store.barrier()?;
        store.delete(names::MIRROR)?;
        store.barrier()?;
        if is_marked(store)? {
            let error = crate::store::StoreError::new(
                StoreErrorKind::Permission,
                "delete",
                location,
                names::MIRROR,
            );
            return Err(error.because("the store said so, and it is still there").into());
        }
    }
    Ok(Promoted { entries: end, removed })
}
