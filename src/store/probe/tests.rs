use super::*;
use crate::store::{
    Durability, Fault, FaultyStore, Listed, LocalStore, MemoryStore, Operation, Put, ReadOnlyStore,
    RecordingStore,
};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const PROBE: Probe = Probe { time: 1_700_000_000, delete: true };

/// What a store does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    /// Every put replaces what is there.
    Overwrites,
    /// Looks first and puts then, a while later.
    LooksFirst,
    /// The first put of each name is told that another one was first.
    LosesAnswers(usize),
    /// What was put goes away at once, so many times.
    Forgets(usize),
    /// Listings end before the last object.
    ListsLess,
    /// Ranges are of some other place.
    Shifts,
    /// Ranges behind the end are shorter.
    Shortens,
    /// Nothing is deleted.
    Keeps,
    /// A put of many fails each time.
    Locks,
}

struct WrongStore {
    inner: MemoryStore,
    wrong: Wrong,
    count: AtomicUsize,
    lock: Mutex<()>,
}

impl WrongStore {
    fn new(wrong: Wrong) -> Self {
        Self {
            inner: MemoryStore::new(),
            wrong,
            count: AtomicUsize::new(0),
            lock: Mutex::default(),
        }
    }

    fn refuse(&self, kind: StoreErrorKind, name: &str) -> StoreError {
        StoreError::new(kind, "write", "wrong", name)
    }
}

impl Store for WrongStore {
    fn location(&self) -> String {
        "wrong".to_owned()
    }

    fn put_new(&self, name: &str, parts: &[&[u8]], how: Durability) -> Result<Put, StoreError> {
        let first = |most: usize| self.count.fetch_add(1, Ordering::Relaxed) < most;
        match self.wrong {
            Wrong::Overwrites => {
                let _one = self.lock.lock().unwrap();
                self.inner.delete(name)?;
                self.inner.put_new(name, parts, how)
            }
            Wrong::LooksFirst => {
                if self.inner.size(name)?.is_some() {
                    return Ok(Put::Exists);
                }
                // Until all have looked.
                self.count.fetch_add(1, Ordering::Relaxed);
                while self.count.load(Ordering::Relaxed) < 16 {
                    std::thread::yield_now();
                }
                let _one = self.lock.lock().unwrap();
                self.inner.delete(name)?;
                self.inner.put_new(name, parts, how)
            }
            Wrong::LosesAnswers(most) => match self.inner.put_new(name, parts, how)? {
                Put::Stored if first(most) => Ok(Put::Exists),
                put => Ok(put),
            },
            Wrong::Forgets(most) => {
                let put = self.inner.put_new(name, parts, how)?;
                // By the time that the last one has put, nothing is left.
                let is_last = self.count.fetch_add(1, Ordering::Relaxed) % 16 == 15;
                if is_last && self.count.load(Ordering::Relaxed) <= most.saturating_mul(16) {
                    self.inner.delete(name)?;
                }
                Ok(put)
            }
            Wrong::Locks => match self.inner.put_new(name, parts, how)? {
                Put::Exists => Err(self.refuse(StoreErrorKind::Other, name)),
                Put::Stored => Ok(Put::Stored),
            },
            _ => self.inner.put_new(name, parts, how),
        }
    }

    fn barrier(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.inner.get(name, limit, out)
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        match self.wrong {
            Wrong::Shifts if offset > 0 => self.inner.get_range(name, offset - 1, len, out),
            Wrong::Shortens if offset + len as u64 > payload::LEN as u64 => {
                self.inner.get_range(name, offset, 1, out)
            }
            _ => self.inner.get_range(name, offset, len, out),
        }
    }

    fn size(&self, name: &str) -> Result<Option<u64>, StoreError> {
        self.inner.size(name)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        if self.wrong == Wrong::ListsLess {
            return Ok(());
        }
        self.inner.list(prefix, found)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        match self.wrong {
            Wrong::Keeps => Err(self.refuse(StoreErrorKind::Permission, name)),
            _ => self.inner.delete(name),
        }
    }

    fn local_identity(&self) -> Option<(u64, u64)> {
        None
    }
}

fn objects(store: &dyn Store) -> usize {
    let mut count = 0;
    store.list("", &mut |_| count += 1).unwrap();
    count
}

#[track_caller]
fn probed(wrong: Wrong) -> Report {
    PROBE.run(&WrongStore::new(wrong)).unwrap()
}

#[test]
fn a_good_store_passes_and_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalStore::create(folder.path().join("store")).unwrap();
    for store in [&local as &dyn Store, &MemoryStore::new()] {
        let found = PROBE.run(store).unwrap();
        let good = Verdict::Good;
        let expected = Report {
            put_if_absent: good.clone(),
            listing: good.clone(),
            ranges: good,
            deletes: Some(true),
            clock_ahead: None,
        };
        assert_eq!((found, objects(store)), (expected, 0));
    }
}

#[test]
fn a_store_that_overwrites_fails_whatever_else_it_does_well() {
    let found = probed(Wrong::Overwrites);
    assert!(found.put_if_absent.why().unwrap().contains("16 of 16"), "{found:?}");
    assert!(matches!(found.put_if_absent, Verdict::Bad(_)));
    assert!(found.listing.is_good() && found.ranges.is_good(), "{found:?}");
    assert_eq!(found.deletes, Some(true));
}

#[test]
fn a_store_that_looks_first_and_puts_then_fails() {
    assert!(matches!(probed(Wrong::LooksFirst).put_if_absent, Verdict::Bad(_)));
}

#[test]
fn a_lost_answer_is_no_verdict_and_the_round_is_made_again() {
    assert!(probed(Wrong::LosesAnswers(3)).put_if_absent.is_good());
    let found = probed(Wrong::LosesAnswers(usize::MAX));
    assert!(matches!(&found.put_if_absent, Verdict::Unclear(why) if why.contains("none of 16")));
}

#[test]
fn an_object_that_went_away_is_no_verdict() {
    assert!(probed(Wrong::Forgets(2)).put_if_absent.is_good());
    let found = probed(Wrong::Forgets(usize::MAX));
    assert!(matches!(&found.put_if_absent, Verdict::Unclear(why) if why.contains("gone")));
}

#[test]
fn a_store_that_answers_races_with_errors_stays_unclear() {
    let found = probed(Wrong::Locks);
    let why = found.put_if_absent.why().unwrap();
    assert!(
        matches!(found.put_if_absent, Verdict::Unclear(_)) && why.contains("15 of 16"),
        "{why}"
    );
    assert!(found.listing.is_good() && found.ranges.is_good(), "who puts alone has no such errors");
}

#[test]
fn a_listing_that_is_cut_and_ranges_that_are_not_exact_are_found() {
    assert!(matches!(probed(Wrong::ListsLess).listing, Verdict::Bad(_)));
    assert!(matches!(probed(Wrong::Shifts).ranges, Verdict::Bad(_)));
    assert!(matches!(probed(Wrong::Shortens).ranges, Verdict::Bad(_)));
}

#[test]
fn a_listing_that_fails_half_way_is_an_error_and_what_was_put_goes_all_the_same() {
    let store = FaultyStore::new(MemoryStore::new());
    store.on_call(Operation::List, 1, Fault::Fail(StoreErrorKind::Unreachable));
    let error = PROBE.run(&store).unwrap_err();
    assert_eq!((error.kind, error.operation), (StoreErrorKind::Unreachable, "list"));
    assert_eq!(objects(&store), 0);
}

#[test]
fn where_deletes_are_refused_one_is_tried_and_the_rest_stays() {
    let store = RecordingStore::new(WrongStore::new(Wrong::Keeps));
    let found = PROBE.run(&store).unwrap();
    assert_eq!(
        (found.deletes, store.count(Operation::Delete), objects(&store)),
        (Some(false), 1, 6)
    );
}

#[test]
fn a_probe_that_is_not_to_delete_tries_none() {
    let store = RecordingStore::new(MemoryStore::new());
    let found = Probe { delete: false, ..PROBE }.run(&store).unwrap();
    assert_eq!((store.count(Operation::PutNew), store.count(Operation::List)), (81, 1));
    assert_eq!((found.deletes, store.count(Operation::Delete), objects(&store)), (None, 0, 6));
}

#[test]
fn a_store_that_takes_no_writes_is_an_error_that_says_so() {
    let error = PROBE.run(&ReadOnlyStore::new(MemoryStore::new())).unwrap_err();
    assert_eq!((error.kind, error.operation), (StoreErrorKind::ReadOnly, "write"));
    assert!(error.name.starts_with("probe/1700000000-"), "{error}");
}

#[test]
fn a_name_tells_when_its_probe_was_made() {
    assert_eq!(time_of("probe/1700000000-00ff00ff00ff00ff"), Some(1_700_000_000));
    for other in ["probe/17-1", "probe/x-00ff00ff00ff00ff", "probe/17", "probe", "log/0/17"] {
        assert_eq!(time_of(other), None, "{other}");
    }
}

#[test]
fn a_folder_with_nothing_but_what_a_probe_left_is_as_good_as_new() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let _ = PROBE.run(&LocalStore::create(&folder).unwrap()).unwrap();
    assert!(folder.join("probe").exists());
    let store = LocalStore::create(&folder).unwrap();
    let _ = Probe { delete: false, ..PROBE }.run(&store).unwrap();
    let store = LocalStore::create(&folder).unwrap();
    let _ = store.put_new("probe/mine", &[b"1"], Durability::Now).unwrap();
    let error = LocalStore::create(&folder).unwrap_err();
    assert!(error.to_string().contains("it holds probe"), "{error}");
}
