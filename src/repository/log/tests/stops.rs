//! Lines a, b and e: what ends the fold. And where the log ends.

use super::forge::*;
use crate::repository::check::{Finding, Progress, Request, check};
use crate::repository::error::{Error, Result};
use crate::repository::log::expect_end;
use crate::repository::{Repository, Unlock};
use crate::store::{Durability, MemoryStore, Operation, RecordingStore, Store};
use esker_format::envelope::Kind;
use esker_format::ids::{RepositoryId, Seq};
use esker_format::log_entry::OBJECT_MAX;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[test]
fn a_damaged_entry_ends_the_log() {
    let log = Log::new();
    let good = log.forge(&add()).bytes();
    for at in [0, 100, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let error = log.stop(&bad);
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
    for bad in [&[][..], &[0; 31], &vec![0; OBJECT_MAX + 1]] {
        let error = log.stop(bad);
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
    assert!(log.append(RUN, &add()).is_err());
}

/// Else an enrolment exchanged for another object would make all that its writer signed void.
#[test]
fn an_object_that_lies_in_the_place_of_an_entry_ends_the_log() {
    let log = Log::new();
    let mut elsewhere: [_; 3] = std::array::from_fn(|_| log.forge(&add()));
    elsewhere[0].header.seq = 4;
    elsewhere[1].header.repository = RepositoryId::new([1; 16]);
    (elsewhere[2].header.kind, elsewhere[2].header.tlvs) = (Kind::Checkpoint, vec![]);
    for forged in elsewhere {
        let error = log.stop(&forged.bytes());
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_newer_header_ends_the_log_and_is_not_called_damage() {
    let log = Log::new();
    let good = log.forge(&add()).bytes();
    let mut field = log.forge(&add());
    field.header.tlvs.push((9, vec![]));
    let mut all = vec![field.bytes()];
    for (at, value) in [(9, 1), (10, 2), (8, 77), (11, 2)] {
        let mut bytes = good.clone();
        bytes[at] = value;
        all.push(summed(bytes));
    }
    for bytes in all {
        let error = log.stop(&bytes);
        assert!(matches!(error, Error::Newer { .. }) && !error.is_damage(), "{error}");
    }
}

#[test]
fn an_authentic_entry_that_saw_another_log_breaks_it() {
    let log = Log::new();
    let mut other = log.forge(&add());
    other.header.tlvs[0].1 = vec![1; 32];
    let error = log.stop(&other.bytes());
    assert!(matches!(error, Error::Break { .. }) && error.is_damage(), "{error}");
    assert!(error.to_string().starts_with("the log breaks at log/0/3: "), "{error}");
}

#[test]
fn what_is_not_authentic_breaks_nothing() {
    let log = Log::new();
    let mut other = log.forge(&add()).by(&stranger());
    other.header.tlvs[0].1 = vec![1; 32];
    log.is_void(other, "its writer is not enrolled");
}

#[test]
fn a_void_entry_cannot_be_exchanged_below_an_authentic_one() {
    let log = Log::new();
    let mut void = log.owners(&add()).bytes();
    log.put_bytes(Seq(3), &void);
    log.put(log.forge(&add()));
    assert_eq!(log.state().next(), Seq(5));
    void[200] ^= 1;
    log.put_bytes(Seq(3), &summed(void));
    let error = log.replayed().unwrap_err();
    assert!(matches!(&error, Error::Break { object, .. } if object == "log/0/4"), "{error}");
}

#[test]
fn where_an_entry_was_lost_the_log_breaks() {
    let log = Log::new();
    for n in 3..6 {
        log.put(log.forge(&add_of(RUN, &[pack(n)])));
    }
    assert!(expect_end(&log.store, Seq(6), None).is_ok());
    // Read to an end that others have moved since.
    assert!(expect_end(&log.store, Seq(4), None).is_ok());
    log.remove(3);
    let error = expect_end(&log.store, Seq(3), None).unwrap_err();
    assert!(matches!(error, Error::Gap { .. }) && error.is_damage(), "{error}");
}

#[test]
fn a_later_entry_is_found_in_whatever_folder_it_is() {
    let store = RecordingStore::new(MemoryStore::new());
    let put = |name: &str| assert!(store.put_new(name, &[b"x"], Durability::Now).is_ok());
    for foreign in ["log/0/20000", "log/2/x", "log/2/020000", "log/9"] {
        put(foreign);
        assert!(expect_end(&store, Seq(9), None).is_ok(), "{foreign}");
    }
    put("log/2/20000");
    assert!(expect_end(&store, Seq(9), None).is_err());
    assert_eq!((store.count(Operation::List), store.count(Operation::Size)), (5, 1));
}

fn open(log: Log) -> Result<Repository> {
    let cache = tempfile::tempdir().unwrap();
    let unlock = Unlock::File(log.key.material());
    Repository::open(Arc::new(log.store), unlock, cache.path())
}

#[test]
fn a_repository_with_a_lost_entry_can_be_read_and_not_appended_to() {
    let log = Log::new();
    for n in 3..5 {
        log.put(log.forge(&add_of(RUN, &[pack(n)])));
    }
    log.remove(3);
    let mut repository = open(log).unwrap();
    assert!(matches!(repository.warnings(), [Error::Gap { .. }]));
    let error = repository.append(RUN, &mut |_| Ok(add())).unwrap_err();
    assert!(matches!(error, Error::Gap { .. }), "{error}");
}

#[test]
fn a_check_reads_the_log_from_its_start() {
    let log = Log::new();
    for n in 3..6 {
        log.put(log.forge(&add_of(RUN, &[pack(n)])));
    }
    let (material, cache) = (log.key.material(), tempfile::tempdir().unwrap());
    let store = Arc::new(log.store);
    let open = || {
        let unlock = Unlock::File(material.clone());
        Repository::open(store.clone(), unlock, cache.path()).unwrap()
    };
    let log_findings = |repository: &mut Repository| {
        let (request, stop) = (Request { read_data: false, threads: 1 }, AtomicBool::new(false));
        let report = check(repository, request, &Progress::default(), &stop).unwrap();
        let names = report.findings.into_iter().filter_map(|finding| match finding {
            Finding::Object { name, .. } if name.starts_with("log/") => Some(name),
            _ => None,
        });
        names.collect::<Vec<_>>()
    };
    assert!(log_findings(&mut open()).is_empty());
    store.delete("log/0/4").unwrap();
    // The index database has it still.
    let mut repository = open();
    assert!(repository.warnings().is_empty() && repository.state().packs.len() == 3);
    assert_eq!(log_findings(&mut repository), ["log/0/4"]);
}

#[test]
fn a_log_that_begins_with_another_entry_than_the_config_names_is_refused() {
    let log = Log::new();
    let mut first = log.get(0);
    first[200] ^= 1;
    log.put_bytes(Seq(0), &summed(first));
    let error = open(log).err().unwrap();
    assert!(matches!(&error, Error::Break { object, .. } if object == "log/0/0"), "{error}");
}
