//! The log in the store: replay to its end, and append with put-if-absent.

use crate::repository::access::Access;
use crate::repository::entropy;
use crate::repository::error::{Error, Result};
use crate::repository::judge::{Fate, judge};
use crate::repository::state::State;
use crate::store::{Durability, Put, Store, StoreErrorKind};
use esker_format::FormatError;
use esker_format::ids::{Seq, SessionId, Token};
use esker_format::log_entry::{self, Body, Place};
use esker_format::names;

#[cfg(test)]
pub(super) mod tests;

/// How often an append that others overtook is tried again.
const ATTEMPTS: u32 = 50;

/// Reads the entries behind the head of `state` and folds them in, up to the end of the log.
/// Entries that change nothing are in the state's lists afterwards.
///
/// # Errors
/// When an entry is damaged, of a newer version, or does not continue the log before it. What is
/// before it has been folded in.
pub fn replay(store: &dyn Store, access: &Access, state: &mut State) -> Result<u64> {
    replay_some(store, access, state, u64::MAX)
}

/// The same for so many entries at most.
///
/// # Errors
/// As [`replay`].
pub fn replay_some(
    store: &dyn Store,
    access: &Access,
    state: &mut State,
    most: u64,
) -> Result<u64> {
    let mut read = 0;
    while read < most
        && let Some(object) = read_entry(store, state.next())?
    {
        let judged = judge(state, object, access)
            .map_err(|stop| stop.into_error(names::entry(state.next())))?;
        state.apply(judged);
        read += 1;
    }
    Ok(read)
}

/// The bytes of the entry with a number; none when the log ends before it.
pub fn read_entry(store: &dyn Store, seq: Seq) -> Result<Option<Vec<u8>>> {
    let mut object = Vec::new();
    match store.get(&names::entry(seq), log_entry::OBJECT_MAX as u64, &mut object) {
        Ok(()) => Ok(Some(object)),
        Err(e) if e.kind() == StoreErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::from_read(e)),
    }
}

/// Fails when the log goes on behind `next`, the first number that was not there.
///
/// Entries are put one after the other, so a later one means that this one was lost. To put another
/// in its place would make all later ones worthless. This lists the whole log, which costs a store
/// one request for a thousand entries; so it is done before something is appended and by whoever
/// reads the log from its start, and not every time.
///
/// Who may put objects and nothing else can put one with a number that the log will never have. The
/// owner, who knows that, can pass over numbers that are `far` from the end.
///
/// # Errors
/// [`Error::Gap`], or what the store says.
pub fn expect_end(store: &dyn Store, next: Seq, far: Option<u64>) -> Result<()> {
    let mut later: Option<Seq> = None;
    store.list(names::LOG, &mut |found| {
        if let Some(seq) = number(&found.name).filter(|seq| *seq > next) {
            later = Some(later.map_or(seq, |least| least.min(seq)));
        }
    })?;
    let is_near = |later: &Seq| far.is_none_or(|far| later.0 - next.0 <= far);
    expect_none(store, next, later.filter(is_near))
}

/// Fails when the entry behind the next one is there, and the next one is not: what a single request
/// can tell.
///
/// # Errors
/// As [`expect_end`].
pub fn expect_none_behind(store: &dyn Store, next: Seq) -> Result<()> {
    let later = next.next();
    let is_there = store.size(&names::entry(later))?.is_some();
    expect_none(store, next, is_there.then_some(later))
}

/// Numbers behind the end of the log where a later entry is looked for by [`expect_end_near`].
const NEAR: u64 = 1000;

/// The same for whoever did not read the log from its start: only the folder of the next entry is
/// listed, and the one behind it where that is near.
///
/// # Errors
/// As [`expect_end`].
pub fn expect_end_near(store: &dyn Store, next: Seq) -> Result<()> {
    let far = Seq(next.0.saturating_add(NEAR));
    let mut folders = vec![folder_of(next), folder_of(far)];
    folders.dedup();
    let mut later: Option<Seq> = None;
    for folder in folders {
        store.list(&folder, &mut |found| {
            if let Some(seq) = number(&found.name).filter(|seq| *seq > next) {
                later = Some(later.map_or(seq, |least| least.min(seq)));
            }
        })?;
    }
    expect_none(store, next, later)
}

/// The numbers of the entries from `first` to `last` that the store has, ascending.
///
/// # Errors
/// When a listing fails.
pub fn there(store: &dyn Store, first: Seq, last: Seq) -> Result<Vec<Seq>> {
    let mut found = Vec::new();
    let of = |seq: Seq| seq.0 / names::ENTRIES_OF_A_FOLDER;
    for folder in of(first)..=of(last) {
        let folder = folder_of(Seq(folder * names::ENTRIES_OF_A_FOLDER));
        store.list(&folder, &mut |listed| {
            found.extend(number(&listed.name).filter(|seq| (first..=last).contains(seq)));
        })?;
    }
    found.sort_unstable();
    Ok(found)
}

/// The folder of an entry, as a prefix.
fn folder_of(seq: Seq) -> String {
    let entry = names::entry(seq);
    entry.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"))
}

/// Fails when there is a later entry, and the next one is not there by now either.
fn expect_none(store: &dyn Store, next: Seq, later: Option<Seq>) -> Result<()> {
    match later {
        // Others may have appended since the log was read. Then the number is there by now.
        Some(later) if store.size(&names::entry(next))?.is_none() => {
            Err(Error::Gap { object: names::entry(next), later: names::entry(later) })
        }
        _ => Ok(()),
    }
}

/// Why the log ends before the entry `next` for whoever reads it, with the entry's name.
///
/// # Errors
/// The failure itself, when it is no such end.
pub fn cut_off(failure: Error, next: Seq) -> Result<(String, String)> {
    let entry = names::entry(next);
    match failure {
        Error::Damaged { object, source } if object == entry => Ok((object, source.to_string())),
        Error::Newer { object, source } if object == entry => {
            let why = format!("it was written by a newer esker, which shows all: {source}");
            Ok((object, why))
        }
        Error::Break { object, why } if object == entry => Ok((object, why.to_owned())),
        failure => Err(failure),
    }
}

/// The number of the entry with this name; none for what is not the name of an entry.
fn number(name: &str) -> Option<Seq> {
    let seq = Seq(name.rsplit('/').next()?.parse().ok()?);
    (names::entry(seq) == name).then_some(seq)
}

/// That an authentic entry is of a later version.
pub fn not_understood(seq: Seq) -> Error {
    let source = FormatError::Unsupported { what: "log entry", number: seq.0 };
    Error::Newer { object: names::entry(seq), source }
}

/// Appends what `make` says for the state at the end of the log, and folds it into `state`.
///
/// `make` is asked again after each lost race, because what was valid may no longer be: this is
/// what makes a commit safe beside a collection. The token stays the same, so that an entry whose
/// acknowledgement was lost is recognised as our own.
///
/// # Errors
/// [`Error::Refused`] when the entry breaks a rule, [`Error::Newer`] when the log has an entry that
/// is not understood, [`Error::LostRace`] after many lost races.
pub fn append(
    store: &dyn Store,
    access: &Access,
    state: &mut State,
    session: SessionId,
    make: &mut dyn FnMut(&State) -> Result<Body>,
) -> Result<Seq> {
    let token = Token::new(entropy().take());
    for _ in 0..ATTEMPTS {
        // What such an entry forbids is not known here.
        if let Some(entry) = state.not_understood.first() {
            return Err(not_understood(entry.seq));
        }
        if let Some(feature) = state.required.append.first() {
            return Err(Error::required("feature needed to append,", *feature));
        }
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
        let name = names::entry(place.seq);
        let body = make(state)?;
        // What readers would not read must not be written.
        body.check().map_err(|e| Error::Refused { rule: e.to_string() })?;
        let object =
            log_entry::encode(&place, &body, &access.log_key, &access.signer, &mut entropy());
        let judged =
            judge(state, object.clone(), access).map_err(|stop| stop.into_error(name.clone()))?;
        match &judged.fate {
            Fate::Valid(..) => {}
            // What the simulation must notice.
            #[cfg(test)]
            Fate::Void(_) if crate::repository::simulation::is_blind(&body) => {}
            // What it builds on may be in entries that were not read yet: another run with the same
            // caches has told of them.
            Fate::Void(_) if replay(store, access, state)? > 0 => continue,
            Fate::Void(rule) => return Err(Error::Refused { rule: rule.clone() }),
            Fate::NotUnderstood(_) | Fate::Ignored => {
                let rule = "this version does not carry out this kind of entry".to_owned();
                return Err(Error::Refused { rule });
            }
        }
        if put(store, &name, &object)? {
            state.apply(judged);
            return Ok(place.seq);
        }
        replay(store, access, state)?;
    }
    Err(Error::LostRace { session })
}

/// Puts an entry; false when another has its number. It is read back whatever the store said: a
/// failed put may have taken effect, and of a good one only the bytes that are there tell that they
/// are ours. One that failed is made durable before it counts as good.
fn put(store: &dyn Store, name: &str, object: &[u8]) -> Result<bool> {
    let put = store.put_new(name, &[object], Durability::Now);
    let mut found = Vec::new();
    match (store.get(name, log_entry::OBJECT_MAX as u64, &mut found), put) {
        (Ok(()), _) if found != object => Ok(false),
        (Ok(()), Ok(_)) => Ok(true),
        (Ok(()), Err(_)) => {
            // Visible is not durable. The put may have failed behind the name, and only a good
            // one says that a power cut will not take the entry.
            let _ = store.put_new(name, &[object], Durability::Now)?;
            Ok(true)
        }
        // It is there for all that the store says; that it cannot be looked at is another matter.
        (Err(e), Ok(Put::Stored)) if e.kind() != StoreErrorKind::NotFound => Ok(true),
        (Err(_), Err(failure)) => Err(failure.into()),
        (Err(read), Ok(_)) => Err(read.into()),
    }
}
