//! What an append makes of a put that fails.

use super::forge::*;
use crate::repository::error::{Error, Result};
use crate::repository::log;
use crate::repository::state::State;
use crate::store::{Fault, FaultyStore, Operation, RecordingStore, StoreErrorKind};
use esker_format::ids::Seq;
use std::sync::Arc;

/// Appends where these puts go wrong; how often something was put, and the log afterwards.
fn append(faults: &[(u64, Fault)]) -> (Result<Seq>, u64, Seq) {
    let log = Log::new();
    let mut state = log.state();
    let faulty = Arc::new(FaultyStore::new(log.store));
    let store = RecordingStore::new(Arc::clone(&faulty));
    for (nth, fault) in faults {
        faulty.on_call(Operation::PutNew, *nth, *fault);
    }
    let appended = log::append(&store, &log.access, &mut state, RUN, &mut |_: &State| Ok(add()));
    let mut found = State::new(log.access.owner_key);
    log::replay(&store, &log.access, &mut found).unwrap();
    (appended, store.count(Operation::PutNew) as u64, found.next())
}

#[test]
fn an_entry_whose_answer_was_lost_is_recognised_and_made_durable() {
    assert_eq!(append(&[]).1, 1);
    let (appended, puts, next) = append(&[(1, Fault::LoseResponse)]);
    assert_eq!((appended.unwrap(), puts, next), (Seq(3), 2, Seq(4)));
}

#[test]
fn an_entry_that_is_seen_and_may_not_be_durable_is_not_appended() {
    let faults = [(1, Fault::LoseResponse), (2, Fault::Fail(StoreErrorKind::Other))];
    let (appended, puts, _) = append(&faults);
    assert!(matches!(appended, Err(Error::Store(_))), "{appended:?}");
    assert_eq!(puts, 2);
}

#[test]
fn an_entry_that_was_not_put_is_not_appended() {
    let (appended, puts, next) = append(&[(1, Fault::Fail(StoreErrorKind::Unreachable))]);
    assert!(appended.is_err());
    assert_eq!((puts, next), (1, Seq(3)));
}
