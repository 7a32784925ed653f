//! A sync that ends anywhere leaves a copy that is as it was, or whole; the next one goes on.

use super::super::Error;
use super::scene::{Scene, same, sync, whole_if_shown};
use crate::store::{FaultyStore, MemoryStore, Store, StoreErrorKind};

/// Runs syncs whose destination goes away after each number of calls; `cut` is what a power cut takes.
fn at_every_call(cut: impl Fn(&FaultyStore<MemoryStore>)) -> u64 {
    for calls in 0.. {
        let mut scene = Scene::new(2);
        let copy = FaultyStore::new(MemoryStore::new());
        sync(&scene.store, &copy).unwrap();
        for content in [b"3", b"4", b"5"] {
            scene.save(content);
        }
        copy.power_off_after(calls);
        let ended = sync(&scene.store, &copy);
        cut(&copy);
        copy.heal();
        whole_if_shown(&scene.store, copy.inner(), 2);
        sync(&scene.store, &copy).unwrap();
        same(&scene.store, copy.inner());
        match ended {
            Ok(_) => return calls,
            Err(Error::Store(e)) => assert_eq!(e.kind, StoreErrorKind::Unreachable),
            Err(e) => panic!("{e}"),
        }
    }
    unreachable!()
}

#[test]
fn a_sync_that_is_cut_off_at_any_call_leaves_nothing_half_shown() {
    assert!(at_every_call(|_| ()) > 12);
}

#[test]
fn a_power_cut_at_any_call_leaves_nothing_half_shown() {
    let calls = at_every_call(|copy| {
        for (number, name) in copy.not_durable().into_iter().enumerate() {
            if number % 2 == 0 {
                copy.inner().delete(&name).unwrap();
            }
        }
    });
    assert!(calls > 12);
}

#[test]
fn a_first_sync_that_is_cut_off_leaves_a_place_that_is_marked() {
    for calls in 2.. {
        let scene = Scene::new(3);
        let copy = FaultyStore::new(MemoryStore::new());
        copy.power_off_after(calls);
        let ended = sync(&scene.store, &copy);
        copy.heal();
        assert!(super::is_marked(&copy).unwrap());
        whole_if_shown(&scene.store, copy.inner(), 0);
        sync(&scene.store, &copy).unwrap();
        same(&scene.store, copy.inner());
        if ended.is_ok() {
            break;
        }
    }
}

/// Two machines sync to one place: one has begun before there was more.
#[test]
fn two_syncs_at_once_leave_what_each_alone_would() {
    let mut scene = Scene::new(2);
    let copy = FaultyStore::new(MemoryStore::new());
    sync(&scene.store, &copy).unwrap();
    scene.save(b"3");
    let early = super::plan(&scene.store, &copy).unwrap();
    scene.save(b"4");
    scene.save(b"5");
    // The later one ends in the middle of its log entries.
    let puts = 3 * 3;
    copy.power_off_after(2 + puts + 2 + 1);
    sync(&scene.store, &copy).unwrap_err();
    copy.heal();
    assert!(copy.size("log/0/4").unwrap().is_some() && copy.size("log/0/2").unwrap().is_none());
    let (progress, stop) = Default::default();
    let request = super::Request { threads: 1 };
    let report = super::apply(&scene.store, &copy, early, request, &progress, &stop).unwrap();
    assert_eq!(report.end, 3);
    whole_if_shown(&scene.store, copy.inner(), 3);
    sync(&scene.store, &copy).unwrap();
    same(&scene.store, copy.inner());
}
