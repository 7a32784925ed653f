//! What others do in the middle of a plan, a repack or a check.

use super::{at_once, collect, forget, tree};
use crate::repository::fixture::{Fixture, save};
use crate::repository::gc::{Progress, apply, plan};
use crate::repository::{Repository, Unlock, check};
use crate::store::{Durability, Listed, Operation, Put, Store, StoreError, pass_on};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

type Deed = Box<dyn FnOnce() + Send>;

/// A store where something is done by others before the first call of a kind.
struct Meanwhile {
    store: Arc<dyn Store>,
    deed: Mutex<Option<(Operation, &'static str, Deed)>>,
}

impl Meanwhile {
    fn before(&self, operation: Operation, name: &str) {
        let mut deed = self.deed.lock().unwrap();
        let is_now = |(of, prefix, _): &mut (Operation, &str, Deed)| {
            *of == operation && name.starts_with(*prefix)
        };
        let now = deed.take_if(is_now);
        drop(deed);
        if let Some((_, _, deed)) = now {
            deed();
        }
    }

    fn is_done(&self) -> bool {
        self.deed.lock().unwrap().is_none()
    }
}

impl Store for Meanwhile {
    pass_on!(store: location, barrier, size, delete);

    fn put_new(&self, name: &str, parts: &[&[u8]], how: Durability) -> Result<Put, StoreError> {
        self.before(Operation::PutNew, name);
        self.store.put_new(name, parts, how)
    }

    fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.before(Operation::Get, name);
        self.store.get(name, limit, out)
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        self.before(Operation::GetRange, name);
        self.store.get_range(name, offset, len, out)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        self.before(Operation::List, prefix);
        self.store.list(prefix, found)
    }

    fn local_identity(&self) -> Option<(u64, u64)> {
        None
    }
}

/// A machine of its own, to whom others do this at that moment once it is told so.
struct Host {
    store: Arc<Meanwhile>,
    repository: Repository,
    _cache: tempfile::TempDir,
}

impl Host {
    fn new(fixture: &Fixture) -> Self {
        let cache = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = fixture.store.clone();
        let store = Arc::new(Meanwhile { store, deed: Mutex::new(None) });
        let unlock = Unlock::File(fixture.key.material());
        let repository = Repository::open(store.clone(), unlock, cache.path()).unwrap();
        Self { store, repository, _cache: cache }
    }

    fn meanwhile(&self, operation: Operation, prefix: &'static str, deed: Deed) {
        *self.store.deed.lock().unwrap() = Some((operation, prefix, deed));
    }
}

/// Another machine, as somebody who acts there and then goes.
fn another(fixture: &Fixture, act: impl FnOnce(&mut Repository) + Send + 'static) -> Deed {
    let cache = tempfile::tempdir().unwrap();
    let mut repository = fixture.open(cache.path());
    Box::new(move || {
        act(&mut repository);
        drop(cache);
    })
}

#[test]
fn a_snapshot_that_is_forgotten_and_collected_during_a_plan_is_not_called_broken() {
    let mut fixture = Fixture::new();
    let (old, new) = (tree(0, 200), tree(150, 200));
    let first = fixture.save(1, &old);
    let second = fixture.save(1, &new);
    let mut host = Host::new(&fixture);
    let deed = another(&fixture, move |other| {
        forget(other, first);
        collect(other, &at_once()).unwrap();
    });
    host.meanwhile(Operation::Get, "snapshot/", deed);
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    let planned = plan(&mut host.repository, &at_once(), &progress, &stop).unwrap();
    assert!(host.store.is_done());
    assert_eq!(planned.broken, []);
    apply(&mut host.repository, planned, &at_once(), &progress, &stop).unwrap();
    fixture.holds(second, &new);
}

#[test]
fn what_is_put_between_the_listing_and_the_reading_of_the_log_is_there() {
    let mut fixture = Fixture::new();
    fixture.save(1, &tree(0, 100));
    let mut host = Host::new(&fixture);
    let deed = another(&fixture, |other| {
        save(other, 2, &tree(5000, 100));
    });
    // The packs are listed by then.
    host.meanwhile(Operation::List, "snapshot/", deed);
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    let planned = plan(&mut host.repository, &at_once(), &progress, &stop).unwrap();
    assert!(host.store.is_done());
    assert_eq!(planned.broken, []);
}

#[test]
fn a_pack_that_others_give_up_while_it_is_written_anew_is_no_failure() {
    let mut fixture = Fixture::new();
    let (old, new) = (tree(0, 300), tree(250, 50));
    let first = fixture.save(1, &old);
    let second = fixture.save(1, &new);
    forget(&mut fixture.repository, first);
    let mut host = Host::new(&fixture);
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    let planned = plan(&mut host.repository, &at_once(), &progress, &stop).unwrap();
    assert!(planned.repack.count > 0);
    let deed = another(&fixture, |other| drop(collect(other, &at_once()).unwrap()));
    host.meanwhile(Operation::GetRange, "pack/", deed);
    let report = apply(&mut host.repository, planned, &at_once(), &progress, &stop).unwrap();
    assert!(host.store.is_done());
    assert_eq!(report.failed, [""; 0]);
    fixture.holds(second, &new);
    super::is_clean(&fixture);
}

#[test]
fn a_check_finds_no_damage_in_what_was_given_up_or_written_anew_meanwhile() {
    let moments = [
        (Operation::Get, "log/"),
        (Operation::List, "checkpoint/"),
        (Operation::Get, "checkpoint/"),
        (Operation::Get, "index/"),
        (Operation::List, "pack/"),
        (Operation::Get, "pack/"),
        (Operation::Get, "snapshot/"),
        (Operation::GetRange, "pack/"),
        (Operation::List, "snapshot/"),
    ];
    for (operation, prefix) in moments {
        let mut fixture = Fixture::new();
        let (old, new) = (tree(0, 300), tree(250, 200));
        let first = fixture.save(1, &old);
        let second = fixture.save(1, &new);
        for n in 0..3 {
            // Each collection writes a checkpoint; the oldest goes with the fourth.
            let id = fixture.save(2, &tree(1000 * (n + 1), 20));
            forget(&mut fixture.repository, id);
            collect(&mut fixture.repository, &at_once()).unwrap();
        }
        let mut host = Host::new(&fixture);
        let deed = another(&fixture, move |other| {
            forget(other, first);
            let report = collect(other, &at_once()).unwrap();
            assert!(report.removed.count > 0 && report.repacked.count > 0, "{report:?}");
            save(other, 3, &tree(7000, 50));
        });
        host.meanwhile(operation, prefix, deed);
        let request = check::Request { read_data: true, threads: 1 };
        let (progress, stop) = (Default::default(), AtomicBool::new(false));
        let report = check::check(&mut host.repository, request, &progress, &stop).unwrap();
        let damage: Vec<_> = report.findings.iter().filter(|f| f.is_damage()).collect();
        assert!(damage.is_empty(), "{operation:?} {prefix}: {damage:?}");
        assert!(host.store.is_done(), "{operation:?} {prefix} never came");
        fixture.holds(second, &new);
    }
}
