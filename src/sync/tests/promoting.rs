//! Taking a copy into service.

use super::super::{Error, Promoted, is_marked, plan, promote};
use super::scene::{Scene, names_of, sync};
use crate::store::{Durability, Fault, FaultyStore, MemoryStore, Operation, Store, StoreErrorKind};

#[test]
fn a_copy_loses_its_mark_and_nothing_else() {
    let scene = Scene::new(3);
    let copy = MemoryStore::new();
    sync(&scene.store, &copy).unwrap();
    let before = names_of(&copy);
    let dry = promote(&copy, false, true).unwrap();
    assert!(is_marked(&copy).unwrap());
    assert_eq!(promote(&copy, false, false).unwrap(), dry);
    assert_eq!(dry, Promoted { entries: 3, removed: 0 });
    assert!(!is_marked(&copy).unwrap());
    assert_eq!(names_of(&copy), before);
    assert!(matches!(promote(&copy, false, false), Err(Error::NotMarked { .. })));
}

#[test]
fn an_unfinished_copy_is_refused_until_somebody_gives_up_what_was_on_its_way() {
    let scene = Scene::new(5);
    let copy = MemoryStore::new();
    sync(&scene.store, &copy).unwrap();
    copy.delete("log/0/2").unwrap();
    let error = promote(&copy, false, false).unwrap_err();
    assert!(error.to_string().ends_with("log/0/2 is missing, and log/0/3 is there"), "{error}");
    assert!(is_marked(&copy).unwrap());
    assert_eq!(promote(&copy, true, false).unwrap(), Promoted { entries: 2, removed: 2 });
    assert!(!is_marked(&copy).unwrap());
    assert_eq!(copy.size("log/0/4").unwrap(), None);
    assert!(copy.size("log/0/1").unwrap().is_some());
}

#[test]
fn a_place_without_a_repository_is_none_to_promote() {
    let empty = MemoryStore::new();
    assert!(matches!(promote(&empty, false, false), Err(Error::NoRepository { .. })));
    // A first sync that was cut off before the log.
    let _ = empty.put_new("mirror", &[b""], Durability::Now).unwrap();
    assert!(matches!(promote(&empty, true, false), Err(Error::NoRepository { .. })));
    let own = Scene::new(2);
    assert!(matches!(promote(&own.store, false, false), Err(Error::NotMarked { .. })));
}

#[test]
fn a_store_that_deletes_nothing_keeps_its_mark_and_the_copy_says_so() {
    let scene = Scene::new(2);
    let copy = FaultyStore::new(MemoryStore::new());
    sync(&scene.store, &copy).unwrap();
    for fault in [Fault::Fail(StoreErrorKind::Permission), Fault::LoseEffect] {
        copy.on_call(Operation::Delete, 1, fault);
        let error = promote(&copy, false, false).unwrap_err();
        assert!(matches!(error, Error::Store(e) if e.kind == StoreErrorKind::Permission));
        assert!(is_marked(&copy).unwrap());
    }
    promote(&copy, false, false).unwrap();
}

#[test]
fn a_sync_that_began_before_puts_nothing_into_the_log_of_a_promoted_copy() {
    let mut scene = Scene::new(3);
    let copy = MemoryStore::new();
    sync(&scene.store, &copy).unwrap();
    scene.save(b"more");
    let plan = plan(&scene.store, &copy).unwrap();
    promote(&copy, false, false).unwrap();
    let (progress, stop) = Default::default();
    let request = super::Request { threads: 1 };
    let ended = super::apply(&scene.store, &copy, plan, request, &progress, &stop);
    assert!(matches!(ended, Err(Error::NotACopy { .. })));
    assert_eq!(copy.size("log/0/3").unwrap(), None);
}
