use super::*;
use crate::store::MemoryStore;
use crate::store::conformance::{conformance, names, read};
use std::sync::Arc;

const HERE: StoreErrorKind = StoreErrorKind::Unreachable;

fn store_with(objects: &[(&str, &[u8])]) -> FaultyStore<MemoryStore> {
    let store = FaultyStore::new(MemoryStore::new());
    for (name, bytes) in objects {
        put(store.inner(), name, bytes).unwrap();
    }
    store
}

fn put(store: &dyn Store, name: &str, bytes: &[u8]) -> Result<Put, StoreErrorKind> {
    store.put_new(name, &[bytes], Durability::AtBarrier).map_err(|error| error.kind)
}

#[test]
fn a_faulty_store_without_faults_keeps_the_contract() {
    conformance(&|| Box::new(FaultyStore::new(MemoryStore::new())));
    conformance(&|| Box::new(Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())))));
}

#[test]
fn the_nth_call_of_an_operation_fails_without_effect() {
    let store = store_with(&[]);
    store.on_call(Operation::PutNew, 2, Fault::Fail(StoreErrorKind::Permission));
    assert_eq!(put(&store, "a", b"1"), Ok(Put::Stored));
    assert_eq!(store.size("a").unwrap(), Some(1)); // not counted as a put
    assert_eq!(put(&store, "b", b"1"), Err(StoreErrorKind::Permission));
    assert_eq!(put(&store, "c", b"1"), Ok(Put::Stored));
    assert_eq!(names(&store, ""), ["a", "c"]);
}

#[test]
fn a_lying_store_reports_success_and_keeps_nothing() {
    let store = store_with(&[("a", b"12345")]);
    for operation in [Operation::PutNew, Operation::Delete, Operation::Get, Operation::GetRange] {
        store.on_call(operation, 1, Fault::LoseEffect);
    }
    assert_eq!(put(&store, "b", b"1"), Ok(Put::Stored));
    store.delete("a").unwrap();
    assert_eq!(names(&store, ""), ["a"]);
    let mut out = vec![7; 9];
    store.get("a", 9, &mut out).unwrap();
    assert_eq!(out, b"");
    store.get_range("a", 1, 3, &mut out).unwrap();
    assert_eq!(out, [0; 3]);
}

#[test]
fn a_lost_answer_is_an_error_after_the_effect() {
    let store = store_with(&[("a", b"1")]);
    for operation in [Operation::PutNew, Operation::Delete, Operation::Get] {
        store.on_call(operation, 1, Fault::LoseResponse);
    }
    assert_eq!(put(&store, "b", b"2"), Err(HERE));
    assert_eq!(put(&store, "b", b"2"), Ok(Put::Exists));
    let mut out = Vec::new();
    assert_eq!(store.get("a", 9, &mut out).unwrap_err().kind, HERE);
    assert_eq!(out, b"");
    assert_eq!(store.delete("a").unwrap_err().kind, HERE);
    assert_eq!(names(&store, ""), ["b"]);
}

#[test]
fn after_power_off_nothing_works_until_healed() {
    let store = store_with(&[]);
    store.power_off_after(2);
    assert_eq!(put(&store, "a", b"1"), Ok(Put::Stored));
    store.barrier().unwrap();
    assert_eq!(put(&store, "b", b"1"), Err(HERE));
    assert_eq!(store.list("", &mut |_| ()).unwrap_err().kind, HERE);
    assert_eq!(store.calls(), 4);
    store.heal();
    assert_eq!(names(&store, ""), ["a"]);
}

#[test]
fn objects_fit_until_the_space_is_used_up() {
    let store = store_with(&[]);
    store.space(5);
    assert_eq!(put(&store, "a", b"123"), Ok(Put::Stored));
    assert_eq!(put(&store, "b", b"123"), Err(StoreErrorKind::NoSpace));
    assert_eq!(put(&store, "c", b"12"), Ok(Put::Stored));
    assert_eq!(put(&store, "d", b"1"), Err(StoreErrorKind::NoSpace));
    store.heal();
    assert_eq!(put(&store, "d", b"1"), Ok(Put::Stored));
}

#[test]
fn a_flipped_bit_shows_in_every_read_that_covers_it() {
    let store = store_with(&[("a", &[0; 4])]);
    store.flip_bit("a", 17);
    assert_eq!(read(&store, "a"), [0, 0, 2, 0]);
    let mut out = Vec::new();
    for (offset, len, bytes) in [(0, 2, &[0, 0][..]), (2, 2, &[2, 0]), (3, 1, &[0])] {
        store.get_range("a", offset, len, &mut out).unwrap();
        assert_eq!(out, bytes);
    }
    assert_eq!(read(store.inner(), "a"), [0; 4]);
}

#[test]
fn a_truncated_object_is_short_for_everybody() {
    let store = store_with(&[("a", b"12345")]);
    store.truncate("a", 3);
    assert_eq!(read(&store, "a"), b"123");
    assert_eq!(store.size("a").unwrap(), Some(3));
    let mut out = Vec::new();
    store.get_range("a", 1, 2, &mut out).unwrap();
    assert_eq!(out, b"23");
    let error = store.get_range("a", 1, 3, &mut out).unwrap_err();
    assert_eq!((error.kind, &*out), (StoreErrorKind::Truncated, &[][..]));
}

#[test]
fn a_hidden_object_is_absent_but_its_name_is_taken() {
    let store = store_with(&[("a", b"1"), ("b", b"2")]);
    store.hide("a");
    assert_eq!(names(&store, ""), ["b"]);
    assert_eq!(store.size("a").unwrap(), None);
    let error = store.get("a", 9, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotFound);
    assert_eq!(put(&store, "a", b"1"), Ok(Put::Exists));
}

#[test]
fn objects_are_not_durable_until_a_good_barrier() {
    let store = store_with(&[]);
    store.put_new("now", &[b"1"], Durability::Now).unwrap();
    put(&store, "later", b"1").unwrap();
    assert_eq!(store.not_durable(), ["later"]);
    store.on_call(Operation::Barrier, 1, Fault::Fail(StoreErrorKind::Other));
    store.on_call(Operation::Barrier, 2, Fault::LoseEffect);
    store.barrier().unwrap_err();
    store.barrier().unwrap();
    assert_eq!(store.not_durable(), ["later"]);
    store.barrier().unwrap();
    assert!(store.not_durable().is_empty());
}
