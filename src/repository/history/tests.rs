//! What a machine that has read a log makes of it later.

use super::History;
use crate::repository::error::{Error, Result};
use crate::repository::log::tests::forge::{Log, RUN, add_of, host, pack};
use crate::repository::state::Head;
use crate::repository::{Local, Occasion, Repository, Session, Unlock};
use crate::store::{Durability, MemoryStore, Operation, RecordingStore, Store};
use esker_format::ids::{EntryHash, LogHead, RepositoryId, Seq, SessionId};
use esker_format::log_entry::Body;
use esker_format::names;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

type Shared = Arc<RecordingStore<MemoryStore>>;

/// A machine with a cache that can be lost and a memory that is not.
struct Machine {
    cache: TempDir,
    state: TempDir,
}

impl Machine {
    fn new() -> Self {
        Self { cache: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() }
    }

    fn open(&self, log: &Log, store: &Shared) -> Result<Repository> {
        self.open_and(log, store, false)
    }

    fn open_and(&self, log: &Log, store: &Shared, accept_history: bool) -> Result<Repository> {
        let unlock = Unlock::File(log.key.material());
        let (cache, state) = (self.cache.path(), Some(self.state.path()));
        Repository::open_with(
            store.clone(),
            unlock,
            Local { cache, state, accept_history, probes: false },
        )
    }

    fn forget_cache(&mut self) {
        self.cache = tempfile::tempdir().unwrap();
    }

    fn file(&self, log: &Log) -> PathBuf {
        self.state.path().join("history").join(log.access.repository.to_string())
    }
}

/// What is in a store, as another one.
fn copy(store: &dyn Store) -> Shared {
    let (copy, mut listed) = (MemoryStore::new(), Vec::new());
    store.list("", &mut |found| listed.push(found.name)).unwrap();
    for name in listed {
        let mut object = Vec::new();
        store.get(&name, u64::MAX, &mut object).unwrap();
        let _ = copy.put_new(&name, &[&object], Durability::Now).unwrap();
    }
    Arc::new(RecordingStore::new(copy))
}

/// A log with six entries, and its store.
fn six() -> (Log, Shared) {
    let log = Log::new();
    for n in 3..6 {
        log.put(log.forge(&add_of(RUN, &[pack(n)])));
    }
    let store = copy(&log.store);
    (log, store)
}

/// The store without the entries from a number on.
fn cut(store: &Shared, from: u64) -> Shared {
    let cut = copy(&**store);
    (from..10).for_each(|seq| cut.delete(&names::entry(Seq(seq))).unwrap());
    cut
}

fn add(n: u8) -> Body {
    add_of(RUN, &[pack(n)])
}

fn append(repository: &mut Repository, n: u8) -> Result<Seq> {
    repository.append(RUN, &mut |_| Ok(add(n)))
}

#[track_caller]
fn is_history<T>(result: Result<T>, says: &str) {
    let error = result.err().expect("it is refused");
    assert!(matches!(error, Error::History(_)) && error.is_damage(), "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn a_log_whose_end_was_taken_away_is_read_with_a_warning_and_not_appended_to() {
    let (log, store) = six();
    for loses_cache in [false, true] {
        let mut machine = Machine::new();
        assert!(machine.open(&log, &store).unwrap().warnings().is_empty());
        if loses_cache {
            machine.forget_cache();
        }
        let shorter = cut(&store, 4);
        for _ in 0..2 {
            let mut repository = machine.open(&log, &shorter).unwrap();
            assert!(matches!(repository.warnings(), [Error::History(_)]));
            assert_eq!(repository.state().packs.len(), 1);
            shorter.forget();
            is_history(Session::begin(&repository, 1), "ends with entry 3");
            is_history(append(&mut repository, 9), "entry 5 (");
            is_history(repository.checkpoint(), "entry 5 (");
            assert!(shorter.calls().is_empty(), "{:?}", shorter.calls());
            // A run that writes nothing may go on.
            assert!(Session::begin_dry(&repository, 1, Session::new_id()).is_ok());
        }
        // The log as it was is as good as ever.
        let mut repository = machine.open(&log, &copy(&*store)).unwrap();
        assert!(repository.warnings().is_empty() && append(&mut repository, 9).is_ok());
    }
}

#[test]
fn a_log_with_another_past_is_read_with_a_warning_and_not_appended_to() {
    let (log, store) = six();
    for (forgets, more) in [(false, 1), (true, 1), (false, 4), (true, 4)] {
        let mut machine = Machine::new();
        machine.open(&log, &store).unwrap();
        if forgets {
            machine.forget_cache();
        }
        // Entry 5 is another one, with or without others behind it.
        let other = cut(&store, 5);
        let mut elsewhere = Machine::new().open(&log, &other).unwrap();
        (0..more).for_each(|n| append(&mut elsewhere, 20 + n).map(drop).unwrap());
        for _ in 0..2 {
            let mut repository = machine.open(&log, &other).unwrap();
            let warnings = repository.warnings();
            assert!(matches!(warnings, [Error::History(_)]), "{warnings:?}");
            assert_eq!(repository.state().next(), Seq(5 + u64::from(more)));
            is_history(append(&mut repository, 9), "entry 5 was ");
        }
    }
}

/// A void entry names no past, so that its hash alone would say nothing of what was before it.
#[test]
fn a_log_that_was_changed_below_a_void_entry_is_noticed() {
    let (log, store) = six();
    let mut void = log.forge(&add(9)).by(&host());
    void.header.tlvs[0].1 = vec![1; 32];
    let mut stranger = void.bytes();
    let end = stranger.len();
    stranger[end - 40] ^= 1;
    let bytes = crate::repository::log::tests::forge::summed(stranger);
    let put = |store: &Shared| store.put_new(&names::entry(Seq(6)), &[&bytes], Durability::Now);
    assert!(put(&store).is_ok());
    let mut machine = Machine::new();
    machine.open(&log, &store).unwrap();
    machine.forget_cache();
    let other = cut(&store, 5);
    append(&mut Machine::new().open(&log, &other).unwrap(), 20).unwrap();
    assert!(put(&other).is_ok());
    let mut repository = machine.open(&log, &other).unwrap();
    is_history(append(&mut repository, 9), "what is before it is not");
}

/// The file may have been out of reach for a while.
#[test]
fn what_the_index_has_seen_counts_too_and_outlives_it() {
    let (log, store) = six();
    let machine = Machine::new();
    let mut repository = machine.open(&log, &store).unwrap();
    let older = std::fs::read(machine.file(&log)).unwrap();
    (20..23).for_each(|n| append(&mut repository, n).map(drop).unwrap());
    drop(machine.open(&log, &store).unwrap());
    std::fs::write(machine.file(&log), older).unwrap();
    let shorter = cut(&store, 7);
    for _ in 0..2 {
        let mut repository = machine.open(&log, &shorter).unwrap();
        is_history(append(&mut repository, 9), "entry 8 (");
    }
}

#[test]
fn a_history_that_was_accepted_is_the_one_that_counts() {
    let (log, store) = six();
    let mut machine = Machine::new();
    machine.open(&log, &store).unwrap();
    let shorter = cut(&store, 4);
    let repository = machine.open_and(&log, &shorter, true).unwrap();
    assert!(repository.warnings().is_empty());
    assert!(repository.accepted().unwrap().to_string().contains("entry 5 ("));
    machine.forget_cache();
    let mut repository = machine.open(&log, &shorter).unwrap();
    assert!(repository.warnings().is_empty() && repository.accepted().is_none());
    append(&mut repository, 9).unwrap();
    // From here on it is the other one that is not to be believed.
    assert!(matches!(machine.open(&log, &store).unwrap().warnings(), [Error::History(_)]));
}

#[test]
fn a_copy_may_be_behind_and_takes_nothing() {
    let (log, store) = six();
    let machine = Machine::new();
    machine.open(&log, &store).unwrap();
    let behind = cut(&store, 4);
    let _ = behind.put_new(names::MIRROR, &[b"x"], Durability::Now).unwrap();
    let mut repository = machine.open(&log, &behind).unwrap();
    assert!(matches!(repository.warnings(), [Error::Behind { behind: 2 }]));
    assert_eq!(
        repository.warnings()[0].to_string(),
        "this copy is 2 log entries behind what was seen here before"
    );
    behind.forget();
    assert!(matches!(Session::begin(&repository, 1), Err(Error::Mirror { .. })));
    assert!(matches!(append(&mut repository, 9), Err(Error::Mirror { .. })));
    assert_eq!(behind.count(Operation::PutNew), 0);
    // What was seen is what it was.
    is_history(append(&mut machine.open(&log, &cut(&store, 4)).unwrap(), 9), "entry 5 (");
}

#[test]
fn an_entry_far_behind_the_end_stops_nobody_who_reads_and_no_owner_who_knows() {
    let (log, store) = six();
    let far = u64::MAX - 1;
    let _ = store.put_new(&names::entry(Seq(far)), &[b"x"], Durability::Now).unwrap();
    let machine = Machine::new();
    let mut repository = machine.open(&log, &store).unwrap();
    assert!(matches!(repository.warnings(), [Error::Gap { .. }]));
    assert_eq!(repository.state().packs.len(), 3);
    // Also by those who have read it before.
    for _ in 0..2 {
        let error = append(&mut repository, 9).unwrap_err();
        let name = names::entry(Seq(far));
        let says = format!("the log breaks at log/0/6: it is missing, and {name} is there");
        assert!(error.to_string() == says && error.is_damage(), "{error}");
        assert!(Session::begin(&repository, 1).is_err());
        repository = machine.open(&log, &store).unwrap();
    }
    append(&mut machine.open_and(&log, &store, true).unwrap(), 9).unwrap();
    append(&mut machine.open(&log, &store).unwrap(), 10).unwrap();
    assert!(append(&mut Machine::new().open(&log, &store).unwrap(), 11).is_err());
}

#[test]
fn a_gap_that_may_be_a_loss_is_not_filled_by_anybody() {
    let (log, store) = six();
    let lost = copy(&*store);
    lost.delete(&names::entry(Seq(4))).unwrap();
    for accept in [false, true] {
        let mut repository = Machine::new().open_and(&log, &lost, accept).unwrap();
        let error = append(&mut repository, 9).unwrap_err();
        assert!(matches!(error, Error::Gap { .. }), "{error}");
    }
}

#[test]
fn a_commit_reads_one_entry_past_what_was_seen_and_puts_one() {
    let (log, store) = six();
    let machine = Machine::new();
    let mut repository = machine.open(&log, &store).unwrap();
    append(&mut repository, 9).unwrap();
    repository.settle(&[], &[]);
    store.forget();
    let mut repository = machine.open(&log, &store).unwrap();
    append(&mut repository, 10).unwrap();
    let calls = store.calls();
    let of_log: Vec<_> = calls
        .iter()
        .filter(|call| call.name.starts_with("log/"))
        .map(|call| (call.operation, call.name.as_str()))
        .collect();
    let (get, put) = (Operation::Get, Operation::PutNew);
    // That the last one is still there, that none follows, ours, and that it is ours.
    let expected = [(get, "log/0/6"), (get, "log/0/7"), (put, "log/0/7"), (get, "log/0/7")];
    assert_eq!(of_log, expected);
    let others = calls.len() - of_log.len();
    assert!(others == 2, "config and mirror: {calls:?}");
}

#[test]
fn a_memory_goes_forward_only() {
    let folder = tempfile::tempdir().unwrap();
    let repository = RepositoryId::new([1; 16]);
    let head = |n: u64| Head {
        seq: Seq(n),
        entry: EntryHash::new([n as u8; 32]),
        log: LogHead::new([9; 32]),
    };
    let open = || History::open(Some(folder.path()), repository).0;
    let (mut one, mut other) = (open(), open());
    one.remember(head(7), true).unwrap();
    // A run that began before the other one ended.
    other.remember(head(5), false).unwrap();
    assert_eq!(open().seen().unwrap().head, head(7));
    assert!(open().seen().unwrap().to_the_end);
    let mut later = open();
    later.remember(head(8), false).unwrap();
    assert!(open().seen().unwrap().to_the_end && open().seen().unwrap().head == head(8));
    later.accept(head(2)).unwrap();
    assert_eq!(open().seen().unwrap().head, head(2));
    assert!(!open().seen().unwrap().to_the_end);
    let (of_another, read) = History::open(Some(folder.path()), RepositoryId::new([2; 16]));
    assert!(of_another.seen().is_none() && read.is_ok());
}

#[test]
fn a_memory_that_is_damaged_is_told_and_made_anew() {
    let (log, store) = six();
    let machine = Machine::new();
    machine.open(&log, &store).unwrap();
    let good = std::fs::read(machine.file(&log)).unwrap();
    let seen = || History::open(Some(machine.state.path()), log.access.repository).0.seen();
    let before = seen().unwrap().head;
    let mut flipped = good.clone();
    flipped[60] ^= 1;
    for bad in [&b""[..], &good[..100], &[&good[..], b"x"].concat(), &flipped, &[255; 9000]] {
        std::fs::write(machine.file(&log), bad).unwrap();
        let mut repository = machine.open(&log, &store).unwrap();
        assert!(matches!(repository.warnings(), [Error::Io { .. }]), "{:?}", repository.warnings());
        repository.refresh().unwrap();
        assert_eq!(seen().unwrap().head, before);
    }
}

#[test]
fn a_place_that_takes_no_memory_is_a_warning_for_who_appends() {
    let (log, store) = six();
    let machine = Machine::new();
    std::fs::write(machine.state.path().join("history"), "a file").unwrap();
    let mut repository = machine.open(&log, &store).unwrap();
    assert!(repository.warnings().is_empty(), "{:?}", repository.warnings());
    append(&mut repository, 9).unwrap();
    append(&mut repository, 10).unwrap();
    assert!(matches!(repository.warnings(), [Error::Io { .. }]), "{:?}", repository.warnings());
    let session = SessionId::new([1; 16]);
    assert!(repository.append(session, &mut |_| Ok(add_of(session, &[]))).is_ok());
}

#[test]
fn whoever_breaks_the_log_ends_it_and_what_came_before_is_read() {
    let log = Log::new();
    let store = copy(&log.store);
    let machine = Machine::new();
    let end = machine.open(&log, &store).unwrap().state().next();
    let mut breaks = log.forge(&add_of(RUN, &[pack(1)]));
    breaks.header.tlvs[0].1 = vec![1; 32];
    let mut newer = log.forge(&add_of(RUN, &[pack(1)]));
    newer.header.tlvs.push((9, vec![]));
    for entry in [breaks.bytes(), newer.bytes()] {
        let store = copy(&store);
        let _ = store.put_new(&names::entry(end), &[&entry], Durability::Now).unwrap();
        // Who comes anew, and who has read it before.
        for machine in [&Machine::new(), &machine] {
            let mut repository = machine.open(&log, &store).unwrap();
            assert!(matches!(repository.warnings(), [Error::CutOff { .. }]));
            assert_eq!(repository.state().next(), end);
            let error = append(&mut repository, 9).unwrap_err();
            assert!(matches!(error, Error::Break { .. } | Error::Newer { .. }), "{error}");
        }
    }
}

#[test]
fn a_lost_entry_is_told_at_every_reading_until_a_checkpoint_leads_past_it() {
    let (log, store) = six();
    let knows = Machine::new();
    drop(knows.open(&log, &store).unwrap());
    let lost = copy(&*store);
    lost.delete(&names::entry(Seq(4))).unwrap();
    let new = Machine::new();
    for _ in 0..3 {
        let mut repository = new.open(&log, &lost).unwrap();
        assert!(
            matches!(repository.warnings(), [Error::Gap { .. }]),
            "{:?}",
            repository.warnings()
        );
        assert!(matches!(append(&mut repository, 9), Err(Error::Gap { .. })));
    }
    // A machine that has read it collects, and says what is missing.
    let mut repository = knows.open(&log, &lost).unwrap();
    repository.checkpoint_if_due(Occasion::Collection);
    assert!(matches!(repository.warnings(), [Error::Gap { .. }]), "{:?}", repository.warnings());
    let state = repository.state().clone();
    drop(repository);
    let repository = Machine::new().open(&log, &lost).unwrap();
    assert_eq!(repository.state().packs.len(), state.packs.len());
    // Then nothing is wrong any more.
    let mut repository = knows.open(&log, &lost).unwrap();
    repository.checkpoint_if_due(Occasion::Collection);
    assert!(repository.warnings().is_empty(), "{:?}", repository.warnings());
}
