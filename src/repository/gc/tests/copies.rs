//! Collections in a copy.

use super::{at_once, collect, forget, tree};
use crate::repository::Repository;
use crate::repository::fixture::Fixture;
use crate::repository::{Error, Unlock};
use crate::store::{
    Durability, Fault, FaultyStore, MemoryStore, Operation, RecordingStore, Store, StoreErrorKind,
};
use esker_format::names;
use std::collections::BTreeSet;
use std::sync::Arc;

type Copy = Arc<RecordingStore<Arc<FaultyStore<MemoryStore>>>>;

/// A copy of everything that a repository has, which a sync would make.
fn copy(fixture: &Fixture) -> (Copy, Arc<FaultyStore<MemoryStore>>) {
    let faults = Arc::new(FaultyStore::new(MemoryStore::new()));
    let _ = faults.put_new(names::MIRROR, &[b"copy"], Durability::Now).unwrap();
    let copy = Arc::new(RecordingStore::new(Arc::clone(&faults)));
    bring(fixture, &*copy);
    (copy, faults)
}

fn bring(fixture: &Fixture, copy: &dyn Store) {
    let mut bytes = Vec::new();
    for name in all(&*fixture.store) {
        fixture.store.get(&name, u64::MAX, &mut bytes).unwrap();
        let _ = copy.put_new(&name, &[&bytes], Durability::Now).unwrap();
    }
}

fn all(store: &dyn Store) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    store.list("", &mut |listed| found.extend([listed.name])).unwrap();
    found.remove(names::MIRROR);
    found
}

fn open(fixture: &Fixture, copy: &Copy, cache: &std::path::Path) -> Repository {
    let unlock = Unlock::File(fixture.key.material());
    Repository::open(Arc::clone(copy) as Arc<dyn Store>, unlock, cache).unwrap()
}

#[test]
fn a_copy_loses_what_its_repository_gave_up_and_gets_no_entry() {
    let mut fixture = Fixture::new();
    let (old, new) = (tree(0, 300), tree(200, 300));
    let first = fixture.save(1, &old);
    // Segments of many runs, which are merged.
    for n in 0..9 {
        let id = fixture.save(2, &tree(1000 + n * 10, 10));
        forget(&mut fixture.repository, id);
    }
    let last = fixture.save(1, &new);
    let (copy, _) = copy(&fixture);
    let cache = tempfile::tempdir().unwrap();
    let mut repository = open(&fixture, &copy, cache.path());
    // What its own log has not given up stays, forgotten or not.
    forget(&mut fixture.repository, first);
    let before = all(&*copy);
    collect(&mut repository, &at_once()).unwrap();
    assert_eq!(all(&*copy), before);
    collect(&mut fixture.repository, &at_once()).unwrap();
    bring(&fixture, &*copy);
    assert!(all(&*copy).len() > all(&*fixture.store).len() + 10);
    copy.forget();
    let mut dry = at_once();
    dry.is_dry = true;
    let (progress, stop) = (super::Progress::default(), Default::default());
    let plan = super::plan(&mut repository, &dry, &progress, &stop).unwrap();
    assert!(plan.is_copy && plan.leftovers.count > 10 && copy.count(Operation::Delete) == 0);
    let report = collect(&mut repository, &at_once()).unwrap();
    assert_eq!(report.removed, plan.leftovers);
    assert_eq!(all(&*copy), all(&*fixture.store));
    assert_eq!(copy.count(Operation::PutNew), 0);
    assert!(repository.manifest(last).is_ok());
    assert_eq!(collect(&mut repository, &at_once()).unwrap().removed.count, 0);
}

#[test]
fn what_was_put_ahead_of_the_log_of_a_copy_stays() {
    let mut fixture = Fixture::new();
    fixture.save(1, &tree(0, 100));
    let (copy, _) = copy(&fixture);
    fixture.save(1, &tree(100, 100));
    let entries: Vec<String> = all(&*fixture.store)
        .difference(&all(&*copy))
        .filter(|n| n.starts_with("log/"))
        .cloned()
        .collect();
    bring(&fixture, &*copy);
    entries.iter().for_each(|name| copy.delete(name).unwrap());
    let before = all(&*copy);
    let cache = tempfile::tempdir().unwrap();
    let mut repository = open(&fixture, &copy, cache.path());
    let report = collect(&mut repository, &at_once()).unwrap();
    assert_eq!(report.removed.count, 0);
    assert_eq!(all(&*copy), before);
}

#[test]
fn a_copy_whose_store_deletes_nothing_says_so() {
    let mut fixture = Fixture::new();
    let first = fixture.save(1, &tree(0, 100));
    let (copy, faults) = copy(&fixture);
    forget(&mut fixture.repository, first);
    collect(&mut fixture.repository, &at_once()).unwrap();
    bring(&fixture, &*copy);
    let cache = tempfile::tempdir().unwrap();
    let mut repository = open(&fixture, &copy, cache.path());
    faults.on_call(Operation::Delete, 1, Fault::Fail(StoreErrorKind::Permission));
    let report = collect(&mut repository, &at_once()).unwrap();
    assert_eq!(report.refused.count, 1);
    assert_eq!(collect(&mut repository, &at_once()).unwrap().removed.count, 1);
    assert!(matches!(repository.expect_appendable(), Err(Error::Mirror { .. })));
}
