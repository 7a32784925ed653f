//! What a repair plans is of one moment, and what it does of a later one: what was put in between stays.

use super::super::mend::{Mending, Request};
use super::scene::{Scene, sync};
use crate::store::{Durability, Fault, FaultyStore, MemoryStore, Operation, Store, StoreErrorKind};
use esker_format::ids::Seq;
use esker_format::names;
use std::sync::Arc;

const CUT: Request = Request { key_slots: false, cut_log: true, threads: 1 };

fn bytes(store: &dyn Store, name: &str) -> Vec<u8> {
    let mut found = Vec::new();
    store.get(name, u64::MAX, &mut found).unwrap();
    found
}

fn put(store: &dyn Store, name: &str, object: &[u8]) {
    let _ = store.put_new(name, &[object], Durability::Now).unwrap();
}

/// A repository of four entries, a copy of it, and another entry for the place of its last one.
fn scene() -> (Arc<FaultyStore<MemoryStore>>, Arc<MemoryStore>, String, Vec<u8>) {
    let mut scene = Scene::new(3);
    let other = scene.entry(b"somebody else's", false);
    scene.save(b"the last one");
    let copy = Arc::new(MemoryStore::new());
    sync(&scene.store, &copy).unwrap();
    (Arc::new(FaultyStore::new(scene.store)), copy, names::entry(Seq(3)), other)
}

#[test]
fn the_lost_end_of_a_log_comes_back() {
    let (here, copy, last, _) = scene();
    let before = names::entry(Seq(2));
    for name in [&last, &before] {
        here.delete(name).unwrap();
    }
    let mending = Mending::open(here.clone(), vec![copy.clone()], CUT).unwrap();
    let fixed = mending.fix(mending.first().unwrap()).unwrap();
    assert_eq!((fixed.brought, fixed.refused.len()), (2, 0));
    for name in [&last, &before] {
        assert_eq!(bytes(&here, name), bytes(&copy, name));
    }
}

#[test]
fn an_entry_that_somebody_has_put_meanwhile_is_not_replaced() {
    let (here, copy, last, other) = scene();
    here.delete(&last).unwrap();
    let mending = Mending::open(here.clone(), vec![copy], CUT).unwrap();
    let planned = mending.first().unwrap();
    assert!(!planned.is_empty());
    put(&here, &last, &other);
    let fixed = mending.fix(planned).unwrap();
    assert_eq!((fixed.brought, fixed.removed), (0, 0));
    assert!(fixed.refused[0].contains("run this again"), "{:?}", fixed.refused);
    assert_eq!(bytes(&here, &last), other);
}

#[test]
fn a_damaged_end_that_is_sound_by_now_is_not_cut_off() {
    let (here, _, last, other) = scene();
    here.flip_bit(&last, 77);
    let mending = Mending::open(here.clone(), Vec::new(), CUT).unwrap();
    let planned = mending.first().unwrap();
    assert!(!planned.is_empty());
    here.heal();
    here.delete(&last).unwrap();
    put(&here, &last, &other);
    let fixed = mending.fix(planned).unwrap();
    assert_eq!((fixed.removed, fixed.refused.len()), (0, 1));
    assert_eq!(bytes(&here, &last), other);
}

#[test]
fn what_cannot_be_read_is_not_lost() {
    let (here, copy, last, _) = scene();
    for kind in [StoreErrorKind::Permission, StoreErrorKind::Other] {
        for sources in [Vec::new(), vec![copy.clone() as Arc<dyn Store>]] {
            let mending = Mending::open(here.clone(), sources, CUT).unwrap();
            // Some object that it looks at; whichever it is, nothing is planned.
            here.on_call(Operation::Get, 3, Fault::Fail(kind));
            assert!(mending.first().is_err(), "{kind:?}");
            here.heal();
        }
    }
    assert!(here.size(&last).unwrap().is_some());
}

#[test]
fn behind_an_entry_that_is_far_away_nothing_is_brought() {
    let (here, copy, last, other) = scene();
    here.delete(&last).unwrap();
    let far = names::entry(Seq(5000));
    put(&here, &far, &other);
    let mending = Mending::open(here.clone(), vec![copy], CUT).unwrap();
    assert!(mending.first().unwrap().is_empty());
}
