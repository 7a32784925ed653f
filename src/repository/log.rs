//! The log in the store: replay to its end, and append with put-if-absent.

use crate::repository::access::Access;
use crate::repository::entropy;
use crate::repository::error::{Error, Result};
use crate::repository::state::State;
use crate::store::{Durability, Put, Store, StoreErrorKind};
use esker_format::FormatError;
use esker_format::ids::{RepositoryId, Seq, SessionId, Token};
use esker_format::log_entry::{self, Body, Place, SealedEntry};
use esker_format::names;

/// How often an append that others overtook is tried again.
const ATTEMPTS: u32 = 50;

/// Reads the entries behind the head of `state` and folds them in, up to the end of the log.
///
/// # Errors
/// When an entry is damaged, of a newer version, or does not continue the one before.
pub fn replay(store: &dyn Store, access: &Access, state: &mut State) -> Result<u64> {
    let mut read = 0;
    let mut buffer = Vec::new();
    while let Some(entry) = read_entry(store, access.repository, state.next(), &mut buffer)? {
        let object = names::entry(entry.place.seq);
        if entry.place.previous != state.previous() {
            let source = FormatError::Misplaced { what: "head of the log before it" };
            return Err(Error::damaged(object, source));
        }
        let body = open(access, &entry).map_err(|e| Error::damaged(object, e))?;
        let verdict = state.validate(&entry, &body);
        state.apply(&entry, &body, verdict);
        read += 1;
    }
    Ok(read)
}

/// Opens an entry of the epoch that this key belongs to.
fn open(access: &Access, entry: &SealedEntry) -> std::result::Result<Body, FormatError> {
    if entry.place.epoch != access.epoch {
        let number = entry.place.epoch.into();
        return Err(FormatError::Unsupported { what: "epoch", number });
    }
    entry.open(&access.log_key)
}

/// The entry with a number; none when the log ends before it.
fn read_entry(
    store: &dyn Store,
    repository: RepositoryId,
    seq: Seq,
    buffer: &mut Vec<u8>,
) -> Result<Option<SealedEntry>> {
    let name = names::entry(seq);
    match store.get(&name, log_entry::OBJECT_MAX as u64, buffer) {
        Ok(()) => {}
        Err(e) if e.kind() == StoreErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::from_read(e)),
    }
    SealedEntry::parse(std::mem::take(buffer), repository, seq)
        .map(Some)
        .map_err(|e| Error::damaged(name, e))
}

/// Appends what `make` says for the state at the end of the log, and folds it into `state`.
///
/// `make` is asked again after each lost race, because what was valid may no longer be: this is
/// what makes a commit safe beside a collection. The token stays the same, so that an entry whose
/// acknowledgement was lost is recognised as our own.
///
/// # Errors
/// [`Error::Refused`] when the entry breaks a rule, [`Error::LostRace`] after many lost races.
pub fn append(
    store: &dyn Store,
    access: &Access,
    state: &mut State,
    session: SessionId,
    make: &mut dyn FnMut(&State) -> Result<Body>,
) -> Result<Seq> {
    let token = Token::new(entropy().take());
    for _ in 0..ATTEMPTS {
        let place = Place {
            repository: access.repository,
            seq: state.next(),
            previous: state.previous(),
            token,
            writer: access.writer,
            scope: access.scope,
            epoch: access.epoch,
            session,
        };
        let body = make(state)?;
        let object =
            log_entry::encode(&place, &body, &access.log_key, &access.signer, &mut entropy());
        let entry = SealedEntry::parse(object, access.repository, place.seq)?;
        state.validate(&entry, &body).map_err(|rule| Error::Refused { rule })?;
        if put(store, &entry)? {
            state.apply(&entry, &body, Ok(()));
            return Ok(place.seq);
        }
        replay(store, access, state)?;
    }
    Err(Error::LostRace { session })
}

/// Puts an entry; false when another has its number. A failed put may have taken effect, so it is
/// read back before it counts as failed.
fn put(store: &dyn Store, entry: &SealedEntry) -> Result<bool> {
    let name = names::entry(entry.place.seq);
    let failure = match store.put_new(&name, &[entry.bytes()], Durability::Now) {
        Ok(Put::Stored) => return Ok(true),
        Ok(Put::Exists) => None,
        Err(e) => Some(e),
    };
    let mut found = Vec::new();
    match store.get(&name, log_entry::OBJECT_MAX as u64, &mut found) {
        Ok(()) => Ok(found == entry.bytes()),
        Err(read) => Err(failure.unwrap_or(read).into()),
    }
}
