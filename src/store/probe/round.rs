//! One race: sixteen at once, one name.

use std::panic::resume_unwind;
use std::sync::Barrier;
use std::thread;

use crate::store::{Durability, Put, Store, StoreError, StoreErrorKind};

/// So many put at once.
const WRITERS: usize = 16;

/// How a race ended.
pub(super) enum Outcome {
    /// One was told that it stored its bytes, which are there.
    Good,
    /// Something else.
    Bad(String),
    /// Answers were lost, or the object was.
    Unclear(String),
}

/// What is put.
pub(super) mod payload {
    /// Bytes of one object.
    pub const LEN: usize = 1024;

    /// Bytes that no other writer puts, and no other race.
    pub fn of(race: u64, writer: usize) -> Vec<u8> {
        let numbers = (0..LEN as u64 / 8).map(|n| {
            // An odd factor: every number comes once.
            (race ^ ((writer as u64) << 56)).wrapping_add(n).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        numbers.flat_map(u64::to_le_bytes).collect()
    }
}

/// A number that nobody else draws.
pub(super) fn random() -> u64 {
    // Without the system's generator the address of a local and the time still differ between two runs.
    getrandom::u64().unwrap_or_else(|_| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |now| now.as_nanos() as u64)
    })
}

/// Sixteen race for `name`, which nobody has used before.
///
/// # Errors
/// When the store refuses all of them, or its answers cannot be had.
pub(super) fn round(store: &dyn Store, name: &str) -> Result<Outcome, StoreError> {
    let race = random();
    let start = Barrier::new(WRITERS);
    let put = |writer| {
        let bytes = payload::of(race, writer);
        start.wait();
        // Nothing relies on it; what races is the name.
        store.put_new(name, &[&bytes], Durability::AtBarrier)
    };
    let put = &put;
    let ended: Vec<Result<Put, StoreError>> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|n| scope.spawn(move || put(n))).collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    let stored: Vec<usize> = (0..)
        .zip(&ended)
        .filter(|(_, put)| matches!(put, Ok(Put::Stored)))
        .map(|(n, _)| n)
        .collect();
    let failed = ended.iter().filter(|put| put.is_err()).count();
    if stored.is_empty() && failed == WRITERS {
        // All of them for the same reason, most likely.
        return Err(ended.into_iter().find_map(Result::err).expect("all failed"));
    }
    let mut found = Vec::new();
    match store.get(name, payload::LEN as u64, &mut found) {
        Ok(()) => {}
        Err(e) if e.kind == StoreErrorKind::NotFound => {
            return Ok(Outcome::Unclear("what was put is gone".to_owned()));
        }
        // Others than one of ours, in any case.
        Err(e) if matches!(e.kind, StoreErrorKind::TooLarge | StoreErrorKind::Truncated) => {}
        Err(e) => return Err(e),
    }
    Ok(match stored[..] {
        [writer] if found == payload::of(race, writer) && failed == 0 => Outcome::Good,
        [writer] if found == payload::of(race, writer) => {
            Outcome::Unclear(format!("{failed} of {WRITERS} puts at once failed"))
        }
        [_] => {
            let why = "the bytes that are there are not those of the put that was told to have stored them";
            Outcome::Bad(why.to_owned())
        }
        // An answer was lost on the way, and the put tried again.
        [] => Outcome::Unclear(format!(
            "none of {WRITERS} puts at once was told to have stored its bytes"
        )),
        _ => {
            let why = format!(
                "{} of {WRITERS} puts at once under one name were each told to have stored their bytes",
                stored.len()
            );
            Outcome::Bad(why)
        }
    })
}
