//! Places to which nothing is copied.

use super::super::{Error, plan, promote};
use super::scene::{Scene, names_of, sync};
use crate::store::{Durability, MemoryStore, Operation, RecordingStore, Store};

/// A sync to a place that is refused, which writes nothing.
#[track_caller]
fn refused(source: &dyn Store, copy: &dyn Store) -> Error {
    let copy = RecordingStore::new(copy);
    let before = names_of(&copy);
    let error = sync(source, &copy).unwrap_err();
    let writes = [Operation::PutNew, Operation::Delete].map(|operation| copy.count(operation));
    assert_eq!(writes, [0, 0], "{error}");
    assert_eq!(names_of(&copy), before);
    error
}

#[test]
fn a_place_that_holds_something_else_is_refused() {
    let scene = Scene::new(2);
    // A repository of its own, also the same one.
    for number in [1, 2] {
        let error = refused(&scene.store, &Scene::with(number, 2).store);
        assert!(matches!(error, Error::NotACopy { .. }), "{error}");
    }
    let other = MemoryStore::new();
    let _ = other.put_new("photos/one", &[b"x"], Durability::Now).unwrap();
    let error = refused(&scene.store, &other);
    assert!(error.to_string().ends_with("not marked as a copy: it holds photos/one"), "{error}");
}

#[test]
fn a_copy_of_another_repository_is_refused() {
    let (scene, other) = (Scene::new(2), Scene::with(2, 2));
    let copy = MemoryStore::new();
    sync(&other.store, &copy).unwrap();
    let error = refused(&scene.store, &copy);
    assert!(matches!(error, Error::OtherRepository { .. }), "{error}");
    // Also one that was cut off before it had any log.
    for seq in 0..2 {
        copy.delete(&format!("log/0/{seq}")).unwrap();
    }
    let error = refused(&scene.store, &copy);
    assert!(matches!(error, Error::OtherRepository { .. }), "{error}");
}

#[test]
fn a_copy_that_has_more_than_the_repository_is_refused() {
    let mut scene = Scene::new(5);
    let copy = MemoryStore::new();
    sync(&scene.store, &copy).unwrap();
    let rolled_back = Scene::new(3);
    let error = refused(&rolled_back.store, &copy);
    assert!(matches!(&error, Error::Longer { object, .. } if object == "log/0/4"), "{error}");
    // Also when what is more lies behind a gap.
    copy.delete("log/0/1").unwrap();
    let error = refused(&rolled_back.store, &copy);
    assert!(matches!(&error, Error::Longer { .. }), "{error}");
    scene.save(b"more");
    sync(&scene.store, &copy).unwrap();
}

#[test]
fn histories_that_went_apart_are_refused() {
    for cut in [false, true] {
        let (mut ours, mut theirs) = (Scene::new(3), Scene::new(3));
        let copy = MemoryStore::new();
        theirs.append(b"theirs", false);
        theirs.append(b"more of theirs", false);
        sync(&theirs.store, &copy).unwrap();
        for content in [b"ours", b"more", b"most"] {
            ours.append(content, false);
        }
        if cut {
            // A sync that was cut off: what went apart lies behind the gap.
            copy.delete("log/0/3").unwrap();
        }
        let error = refused(&ours.store, &copy);
        assert!(matches!(&error, Error::Diverged { object, .. } if object == "log/0/4"), "{error}");
    }
}

#[test]
fn a_copy_that_was_promoted_is_no_copy_any_more() {
    let mut scene = Scene::new(3);
    let copy = MemoryStore::new();
    sync(&scene.store, &copy).unwrap();
    let plan = plan(&scene.store, &copy).unwrap();
    scene.save(b"more");
    promote(&copy, false, false).unwrap();
    let error = refused(&scene.store, &copy);
    assert!(matches!(error, Error::NotACopy { .. }), "{error}");
    // Nor for a sync that began before.
    drop(plan);
}

#[test]
fn there_must_be_a_repository_to_copy() {
    let error = refused(&MemoryStore::new(), &MemoryStore::new());
    assert!(matches!(error, Error::NoRepository { .. }), "{error}");
    // A disk that is not mounted is no repository that was rolled back.
    let copy = MemoryStore::new();
    sync(&Scene::new(3).store, &copy).unwrap();
    let error = refused(&MemoryStore::new(), &copy);
    assert!(matches!(error, Error::NoRepository { .. }), "{error}");
}

#[test]
fn an_entry_far_behind_the_end_of_a_copy_stops_nobody() {
    let mut scene = Scene::new(3);
    let copy = MemoryStore::new();
    sync(&scene.store, &copy).unwrap();
    let _ = copy.put_new("log/9/99999", &[b"x"], Durability::Now).unwrap();
    scene.save(b"more");
    assert_eq!(sync(&scene.store, &copy).unwrap().end, 4);
}
