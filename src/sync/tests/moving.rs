//! Sources that change while they are copied.

use super::super::Error;
use super::scene::{Scene, names_of, same, sync, whole_if_shown};
use crate::store::{Durability, Listed, MemoryStore, Store, StoreError, pass_on};
use std::sync::{Mutex, PoisonError};

type Deed<'d> = Box<dyn FnMut(&MemoryStore) + Send + 'd>;

/// A store to which something happens each time that it has been listed.
struct Moving<'d> {
    inner: &'d MemoryStore,
    deed: Mutex<Deed<'d>>,
}

impl<'d> Moving<'d> {
    fn new(inner: &'d MemoryStore, deed: impl FnMut(&MemoryStore) + Send + 'd) -> Self {
        Self { inner, deed: Mutex::new(Box::new(deed)) }
    }
}

impl Store for Moving<'_> {
    pass_on!(inner: location, put_new, barrier, get, get_range, size, delete);

    fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        self.inner.list(prefix, found)?;
        (self.deed.lock().unwrap_or_else(PoisonError::into_inner))(self.inner);
        Ok(())
    }
    fn local_identity(&self) -> Option<(u64, u64)> {
        None
    }
}

/// The packs of a store.
fn packs(store: &MemoryStore) -> Vec<String> {
    names_of(store).into_iter().filter(|name| name.starts_with("pack/")).collect()
}

/// Puts into a store what another one has beside it.
fn bring(from: &MemoryStore, to: &MemoryStore) {
    let mut bytes = Vec::new();
    for name in names_of(from) {
        from.get(&name, u64::MAX, &mut bytes).unwrap();
        let _ = to.put_new(&name, &[&bytes], Durability::Now).unwrap();
    }
}

#[test]
fn what_is_saved_meanwhile_waits_for_the_next_sync() {
    let mut later = Scene::new(3);
    let before = Scene::new(3);
    later.save(b"meanwhile");
    let source = Moving::new(&before.store, |store| bring(&later.store, store));
    let copy = MemoryStore::new();
    let report = sync(&source, &copy).unwrap();
    assert_eq!((report.end, report.listings), (3, 1));
    assert_eq!(sync(&source, &copy).unwrap().end, 4);
    same(&later.store, &copy);
}

/// A pack gives way to another: what the old end of the log needs is gone, what the new one needs was
/// put after the listing.
#[test]
fn where_something_was_given_up_meanwhile_the_copy_goes_to_the_new_end() {
    for reaches_the_old_one in [false, true] {
        let before = Scene::new(3);
        let mut after = Scene::new(3);
        let old = packs(&after.store)[0].clone();
        after.save(b"stands in for the old one");
        after.append(b"the old one goes", true);
        after.store.delete(&old).unwrap();
        let mut is_first = true;
        let source = Moving::new(&before.store, |store| {
            if std::mem::take(&mut is_first) {
                bring(&after.store, store);
                if !reaches_the_old_one {
                    store.delete(&old).unwrap();
                }
            }
        });
        let copy = MemoryStore::new();
        let report = sync(&source, &copy).unwrap();
        assert_eq!((report.end, report.listings), (5, 2));
        whole_if_shown(&after.store, &copy, 0);
        assert_eq!(copy.size(&old).unwrap().is_some(), reaches_the_old_one);
    }
}

#[test]
fn what_is_gone_when_its_turn_comes_is_reason_enough_to_list_again() {
    let before = Scene::new(3);
    let leftover = before.pack(b"of a killed run");
    let mut is_first = true;
    let source = Moving::new(&before.store, |store| {
        if std::mem::take(&mut is_first) {
            store.delete(&leftover).unwrap();
        }
    });
    let copy = MemoryStore::new();
    let report = sync(&source, &copy).unwrap();
    assert_eq!((report.end, report.listings), (3, 2));
    assert_eq!(report.bad, []);
    same(&before.store, &copy);
}

#[test]
fn a_source_that_is_collected_without_end_is_left_and_the_copy_shows_what_it_did() {
    let mut scene = Scene::new(2);
    let copy = MemoryStore::new();
    sync(&scene.store, &copy).unwrap();
    scene.save(b"more");
    let mut endless = Scene::new(2);
    endless.save(b"more");
    let source = Moving::new(&scene.store, |store| {
        endless.append(b"goes", true);
        bring(&endless.store, store);
    });
    assert!(matches!(sync(&source, &copy), Err(Error::Restless { .. })));
    whole_if_shown(source.inner, &copy, 2);
    // A moment of rest is enough.
    sync(source.inner, &copy).unwrap();
    same(source.inner, &copy);
}
