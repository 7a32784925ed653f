//! Checkpoints in place of the entries before them.

mod false_ones;
mod long;
mod rich;

use crate::repository::checkpoint::convert::{of_state, to_state};
use crate::repository::checkpoint::find::{candidates, open};
use crate::repository::checkpoint::write::{Occasion, is_due};
use crate::repository::error::Error;
use crate::repository::log;
use crate::repository::log::tests::forge::{Log, RUN, add_of, enrol, forget, host, stranger};
use crate::repository::state::{Changes, State};
use crate::repository::{Repository, Unlock};
use crate::store::{
    Durability, Fault, FaultyStore, MemoryStore, Operation, RecordingStore, Store, StoreErrorKind,
};
use esker_format::cbor::Extra;
use esker_format::ids::{CheckpointId, PackId, Seq, SessionId};
use esker_format::key::{OwnerSecret, SigningKey};
use esker_format::key_material::{KeyMaterial, WriterMaterial};
use esker_format::log_entry::{Body, PackAdd, ROLE_APPEND, ROLE_COLLECT, Rekey};
use esker_format::names;
use esker_format::secret::Secret;
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

type Shared = Arc<RecordingStore<Arc<FaultyStore<MemoryStore>>>>;

/// A repository that hosts open with caches of their own.
struct Site {
    log: Log,
    faults: Arc<FaultyStore<MemoryStore>>,
    store: Shared,
    /// Caches of readers that are still there.
    caches: RefCell<Vec<TempDir>>,
}

impl Site {
    fn new(mut log: Log) -> Self {
        let inner = std::mem::replace(&mut log.store, MemoryStore::new());
        let faults = Arc::new(FaultyStore::new(inner));
        let store = Arc::new(RecordingStore::new(Arc::clone(&faults)));
        Self { log, faults, store, caches: RefCell::default() }
    }

    fn open(&self, cache: &Path) -> Repository {
        let unlock = Unlock::File(self.log.key.material());
        Repository::open(self.store.clone(), unlock, cache).unwrap()
    }

    /// Opens it with an empty cache, and says how often it has asked for entries.
    fn anew(&self) -> (Repository, usize) {
        self.store.forget();
        let cache = tempfile::tempdir().unwrap();
        let repository = self.open(cache.path());
        self.caches.borrow_mut().push(cache);
        let calls = self.store.calls();
        (repository, calls.iter().filter(|call| call.name.starts_with(names::LOG)).count())
    }

    fn checkpoints(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.store.list(names::CHECKPOINTS, &mut |listed| found.push(listed.name)).unwrap();
        found.sort_by_key(|name| name[11..].split('-').next().unwrap().parse::<u64>().unwrap());
        found
    }

    /// The state that all entries give.
    fn replayed(&self) -> State {
        let mut state = State::new(self.log.access.owner_key);
        log::replay(&*self.store, &self.log.access, &mut state).unwrap();
        state
    }

    fn append(&self, repository: &mut Repository, packs: std::ops::Range<u32>) {
        for n in packs {
            repository.append(RUN, &mut |_| Ok(numbered(n))).unwrap();
        }
    }
}

/// An entry that adds the pack with a number.
fn numbered(n: u32) -> Body {
    let mut id = [1; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    let pack = PackAdd { id: PackId::new(id), len: 1, session: None, extra: Extra::default() };
    add_of(RUN, &[pack])
}

/// What is equal whatever way a state came about.
fn plain(state: &State) -> State {
    let mut state = state.clone();
    (state.changes, state.void) = (Changes::default(), Vec::new());
    state
}

#[test]
fn a_checkpoint_holds_what_the_entries_before_it_say() {
    let log = rich::log();
    rich::rest(&log);
    let state = log.state();
    rich::expect_rich(&state);
    let checkpoint = of_state(&state).unwrap();
    checkpoint.check().unwrap();
    let again = to_state(checkpoint.clone());
    assert!(again.changes.everything);
    assert_eq!(plain(&again), plain(&state));
    assert_eq!(of_state(&again).unwrap(), checkpoint);
}

#[test]
fn a_new_reader_goes_on_from_the_newest_checkpoint_and_comes_to_the_same_state() {
    let site = Site::new(rich::log());
    let cache = tempfile::tempdir().unwrap();
    let mut writer = site.open(cache.path());
    site.append(&mut writer, 0..40);
    writer.checkpoint().unwrap();
    site.append(&mut writer, 40..43);
    let (mut reader, asked) = site.anew();
    // The first, the one of the checkpoint, the four behind it, one of them twice, and none; and what
    // else is there.
    assert_eq!(asked, 1 + 1 + 4 + 1 + 1);
    assert!(reader.warnings().is_empty(), "{:?}", reader.warnings());
    assert_eq!(plain(reader.state()), plain(&site.replayed()));
    site.append(&mut reader, 43..45);
    assert_eq!(plain(reader.state()), plain(&site.replayed()));
}

#[test]
fn a_cache_keeps_all_of_a_state_that_came_from_a_checkpoint() {
    let site = Site::new(rich::log());
    let cache = tempfile::tempdir().unwrap();
    let mut writer = site.open(cache.path());
    site.append(&mut writer, 0..40);
    writer.checkpoint().unwrap();
    let cache = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let reader = site.open(cache.path());
        assert_eq!(plain(reader.state()), plain(&site.replayed()));
        site.append(
            &mut writer,
            40 + reader.state().next().0 as u32..50 + reader.state().next().0 as u32,
        );
    }
    // The rows are all there: nothing before them is asked for again.
    site.store.forget();
    let reader = site.open(cache.path());
    let gets = site.store.calls();
    assert!(!gets.iter().any(|call| call.name == names::entry(Seq(5))), "{gets:?}");
    assert_eq!(plain(reader.state()), plain(&site.replayed()));
}

#[test]
fn who_is_far_behind_looks_for_a_checkpoint_once_and_keeps_what_it_has() {
    let site = Site::new(rich::log());
    let caches = [(); 2].map(|()| tempfile::tempdir().unwrap());
    drop(site.open(caches[0].path()));
    let mut writer = site.open(caches[1].path());
    site.append(&mut writer, 0..700);
    writer.checkpoint().unwrap();
    site.append(&mut writer, 700..703);
    site.store.forget();
    let reader = site.open(caches[0].path());
    let (gets, lists) = (site.store.count(Operation::Get), site.store.count(Operation::List));
    assert!((60..90).contains(&gets) && lists == 2, "{gets} {lists}");
    assert_eq!(plain(reader.state()), plain(&site.replayed()));
    drop(reader);
    let reader = site.open(caches[0].path());
    assert_eq!(plain(reader.state()), plain(&site.replayed()));
}

#[test]
fn who_is_a_little_behind_reads_entries() {
    let site = Site::new(rich::log());
    let caches = [(); 2].map(|()| tempfile::tempdir().unwrap());
    drop(site.open(caches[0].path()));
    let mut writer = site.open(caches[1].path());
    site.append(&mut writer, 0..60);
    writer.checkpoint().unwrap();
    site.store.forget();
    site.open(caches[0].path());
    assert_eq!(site.store.count(Operation::List), 0);
}

#[test]
fn the_newest_three_stay_and_what_nobody_named() {
    let site = Site::new(Log::new());
    let cache = tempfile::tempdir().unwrap();
    let mut writer = site.open(cache.path());
    let foreign = ["checkpoint/1-x", "checkpoint/newer"];
    for name in foreign {
        assert!(site.store.put_new(name, &[b"x"], Durability::Now).is_ok());
    }
    let unnamed = names::checkpoint(Seq(1), CheckpointId::new([1; 32]));
    assert!(site.store.put_new(&unnamed, &[b"x"], Durability::Now).is_ok());
    let written: Vec<String> = (0..5)
        .map(|_| {
            let at = writer.state().head.unwrap().seq;
            names::checkpoint(at, writer.checkpoint().unwrap())
        })
        .collect();
    let mut found = Vec::new();
    site.store.list(names::CHECKPOINTS, &mut |listed| found.push(listed.name)).unwrap();
    let mut expected = [&written[2..], &foreign.map(str::to_owned), &[unnamed]].concat();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn only_who_may_collect_writes_one() {
    let log = Log::new();
    let collector = SigningKey(Secret::new([4; 32]));
    log.put(log.owners(&enrol(&collector, 0, ROLE_APPEND | ROLE_COLLECT)));
    let site = Site::new(log);
    let enter = |signer: &SigningKey, cache: &Path| {
        let unlock = Unlock::File(writers_material(&site.log, signer));
        Repository::open(site.store.clone(), unlock, cache).unwrap()
    };
    let cache = tempfile::tempdir().unwrap();
    let mut refused = enter(&host(), cache.path());
    assert!(matches!(refused.checkpoint(), Err(Error::NoRight { .. })));
    refused.checkpoint_if_due(Occasion::Collection);
    assert!(refused.warnings().is_empty() && site.checkpoints().is_empty());
    let mut may = enter(&collector, cache.path());
    let id = may.checkpoint().unwrap();
    assert_eq!(site.checkpoints(), [names::checkpoint(Seq(3), id)]);
    let found = candidates(&*site.store).unwrap();
    assert!(open(&*site.store, &site.log.access, &found[0]).is_ok());
}

/// The key material of a writer.
fn writers_material(log: &Log, signer: &SigningKey) -> KeyMaterial {
    let KeyMaterial::Owner(owner) = log.key.material() else { unreachable!() };
    let secret = OwnerSecret(owner.secret.clone());
    KeyMaterial::Writer(WriterMaterial {
        repository: owner.repository,
        scope: 0,
        scope_secret: secret.scope(0).0,
        epoch: 0,
        epoch_secret: secret.epoch(0).0,
        reading: secret.reading_key(0).public(),
        owner: secret.owner_key().verification(),
        signing: signer.0.clone(),
        extra: Extra::default(),
    })
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_a_warning() {
    let site = Site::new(Log::new());
    let cache = tempfile::tempdir().unwrap();
    let mut writer = site.open(cache.path());
    site.append(&mut writer, 0..20);
    let fault = Fault::Fail(StoreErrorKind::NoSpace);
    site.faults.on_call(Operation::PutNew, 1, fault);
    writer.checkpoint_if_due(Occasion::Collection);
    assert!(matches!(writer.warnings(), [Error::Store(_)]), "{:?}", writer.warnings());
    assert!(site.checkpoints().is_empty());
    site.append(&mut writer, 20..21);
    writer.checkpoint_if_due(Occasion::Collection);
    assert_eq!(site.checkpoints().len(), 1);
    // Once is enough.
    site.append(&mut writer, 21..23);
    writer.checkpoint_if_due(Occasion::Collection);
    assert_eq!(site.checkpoints().len(), 1);
}

#[test]
fn a_log_that_is_not_understood_has_no_checkpoint() {
    let log = Log::new();
    let rekey = Rekey { epoch: 1, extra: Extra::default() };
    log.put(log.owners(&Body::Rekey(rekey)));
    assert_eq!(log.state().not_understood.len(), 1);
    assert!(of_state(&log.state()).is_none());
    let mut writer = Site::new(log).anew().0;
    assert!(writer.checkpoint().is_err());
    let empty = SessionId::new([0; 16]);
    assert!(writer.append(empty, &mut |_| Ok(forget())).is_err());
}

/// What lies right behind a checkpoint is read while it is looked at.
#[test]
fn entries_that_change_nothing_are_told_of_behind_a_checkpoint_too() {
    let log = Log::new();
    let site = Site::new(log);
    let cache = tempfile::tempdir().unwrap();
    let mut writer = site.open(cache.path());
    site.append(&mut writer, 0..40);
    writer.checkpoint().unwrap();
    let last = writer.state().head.unwrap().seq;
    // The checkpoint's own entry gives way to one that nobody signed, and one of the future.
    let mut log = Log::new();
    log.store = MemoryStore::new();
    for seq in 0..last.0 {
        let object = log::read_entry(&*site.store, Seq(seq)).unwrap().unwrap();
        assert!(log.store.put_new(&names::entry(Seq(seq)), &[&object], Durability::Now).is_ok());
    }
    let void = log.forge(&numbered(90)).by(&stranger());
    log.put(void);
    log.put(log.owners(&Body::Rekey(Rekey { epoch: 1, extra: Extra::default() })));
    log.put(log.forge(&numbered(91)));
    for seq in last.0..last.0 + 3 {
        site.store.delete(&names::entry(Seq(seq))).unwrap();
        let name = names::entry(Seq(seq));
        assert!(site.store.put_new(&name, &[&log.get(seq)], Durability::Now).is_ok());
    }
    let (mut reader, asked) = site.anew();
    assert!(asked < 10, "{asked}");
    let warnings = reader.warnings();
    assert!(matches!(warnings, [Error::Void { .. }, Error::Newer { .. }]), "{warnings:?}");
    let error = reader.append(RUN, &mut |_| Ok(numbered(92))).unwrap_err();
    assert!(matches!(error, Error::Newer { .. }), "{error}");
}

#[test]
fn large_checkpoints_are_written_less_often_by_runs() {
    let least = |occasion, bytes| (0..).find(|n| is_due(occasion, *n, bytes)).unwrap();
    assert_eq!(least(Occasion::Run, 0), 512);
    assert_eq!(least(Occasion::Run, 8 << 20), 512);
    assert_eq!(least(Occasion::Run, 32 << 20), 2048);
    assert_eq!(least(Occasion::Run, 256 << 20), 4096);
    assert_eq!(least(Occasion::Collection, 256 << 20), 12);
    assert_eq!(least(Occasion::Revocation, 256 << 20), 1);
}
