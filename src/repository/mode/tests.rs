//! Two machines at one repository: each has a state folder of its own.

use super::*;
use crate::repository::{Local, NewKey, Unlock, create_in_mode, entropy};
use crate::store::Nature;
use crate::store::probe::{Report, Verdict};
use crate::store::{Durability, MemoryStore, Operation, Put, RecordingStore, StoreError, pass_on};
use esker_format::node::Time;
use std::result::Result;
use std::sync::Arc;
use tempfile::TempDir;

const TIME: Time = Time { seconds: 1_700_000_000, nanos: 0 };

/// A store of a kind that nobody knows, which keeps everything that is asked of it.
#[derive(Default)]
struct Unknown {
    inner: MemoryStore,
    overwrites: bool,
    is_known: bool,
}

impl Store for Unknown {
    pass_on!(inner: barrier, get, get_range, size, list, delete);

    fn location(&self) -> String {
        "somewhere".to_owned()
    }
    fn put_new(&self, name: &str, parts: &[&[u8]], how: Durability) -> Result<Put, StoreError> {
        if self.overwrites && name.starts_with("probe/") {
            // One at a time, as far as this test needs it.
            let _ = self.inner.put_new(name, parts, how)?;
            return Ok(Put::Stored);
        }
        self.inner.put_new(name, parts, how)
    }
    fn local_identity(&self) -> Option<(u64, u64)> {
        None
    }
    fn nature(&self) -> Nature {
        Nature { is_for_several_writers: self.is_known, ..Nature::default() }
    }
}

type Shared = Arc<RecordingStore<Unknown>>;

/// A machine.
struct Machine {
    state: TempDir,
    cache: TempDir,
}

impl Machine {
    fn new() -> Self {
        Self { state: tempfile::tempdir().unwrap(), cache: tempfile::tempdir().unwrap() }
    }

    fn state(&self) -> Option<&Path> {
        Some(self.state.path())
    }

    fn open(&self, store: &Shared, key: &NewKey) -> Repository {
        let local = Local {
            cache: self.cache.path(),
            state: self.state(),
            accept_history: false,
            probes: true,
        };
        let unlock = Unlock::File(key.material());
        Repository::open_with(Arc::clone(store) as Arc<dyn Store>, unlock, local).unwrap()
    }
}

/// A repository that a machine has made in a store.
fn made(store: Unknown, single: bool) -> (Shared, NewKey, Machine) {
    let (store, key, machine) =
        (Arc::new(RecordingStore::new(store)), NewKey::draw(), Machine::new());
    let (mode, probed) = Mode::choose(&*store, machine.state(), single).unwrap();
    create_in_mode(&*store, &key, None, TIME, "a test", &mode, &mut entropy()).unwrap();
    probed.keep(machine.state(), key.repository, &*store).unwrap();
    (store, key, machine)
}

/// Appends, with a name that nobody else has at the time.
fn append(repository: &mut Repository) -> Result<(), Error> {
    repository.refresh()?;
    append_unread(repository)
}

/// The same without a look at what others have appended.
fn append_unread(repository: &mut Repository) -> Result<(), Error> {
    let draft = repository.draft_writer(&format!("w{}", repository.state().next().0), None, 1)?;
    repository.enrol(&draft).map(drop)
}

#[test]
fn a_store_of_a_known_kind_that_passes_is_shared_and_tried_once_by_each_machine() {
    let (store, key, first) = made(Unknown { is_known: true, ..Unknown::default() }, false);
    store.forget();
    let probes = || store.calls().iter().filter(|call| call.name.starts_with("probe/")).count();
    let mut repository = first.open(&store, &key);
    assert_eq!(repository.mode(), Mode::Shared);
    append(&mut repository).unwrap();
    assert_eq!(probes(), 0, "it was tried when the repository was made");

    let second = Machine::new();
    let mut there = second.open(&store, &key);
    assert_eq!((probes(), there.probed().unwrap()), (0, None), "readers try nothing");
    append(&mut there).unwrap();
    let puts = |call: &&crate::store::Call| {
        call.operation == Operation::PutNew && call.name.starts_with("probe/")
    };
    assert_eq!(store.calls().iter().filter(puts).count(), 81);
    let once = probes();
    append(&mut there).unwrap();
    append(&mut second.open(&store, &key)).unwrap();
    assert_eq!(probes(), once, "what was found is remembered");
    append(&mut repository).unwrap();
}

#[test]
fn a_store_of_an_unknown_kind_is_for_the_machine_that_made_the_repository() {
    let (store, key, first) = made(Unknown::default(), false);
    let mut repository = first.open(&store, &key);
    let host = repository.host().unwrap().unwrap();
    assert_eq!(repository.mode(), Mode::Single { holder: host.clone() });
    append(&mut repository).unwrap();
    drop(repository);

    let second = Machine::new();
    let mut there = second.open(&store, &key);
    let end = there.state().next();
    match append(&mut there).unwrap_err() {
        Error::Held { holder, here: None } => assert_eq!(holder, host),
        other => panic!("{other}"),
    }
    there.refresh().unwrap();
    assert_eq!(there.state().next(), end, "nothing was appended");
    assert_eq!(there.probed().unwrap(), None, "nothing was tried");
}

#[test]
fn of_two_runs_on_the_machine_that_writes_one_waits_for_the_other() {
    let (store, key, machine) = made(Unknown::default(), false);
    let (mut one, mut two) = (machine.open(&store, &key), machine.open(&store, &key));
    append(&mut one).unwrap();
    assert!(matches!(append(&mut two), Err(Error::Busy { .. })));
    assert!(matches!(two.take_over(None), Err(Error::Busy { .. })));
    drop(one);
    append(&mut two).unwrap();
}

#[test]
fn whoever_takes_over_writes_and_the_one_before_does_not_any_more() {
    let (store, key, first) = made(Unknown::default(), false);
    let mut old = first.open(&store, &key);
    append(&mut old).unwrap();
    let before = old.mode();

    let second = Machine::new();
    let mut new = second.open(&store, &key);
    let taken = new.take_over(Some("the old disk is gone")).unwrap();
    assert_eq!((taken.before, taken.seq), (before, Some(new.state().head.unwrap().seq)));
    assert_eq!(taken.now, Mode::Single { holder: new.host().unwrap().unwrap() });
    append(&mut new).unwrap();

    // In the middle of its run, as soon as it reads what the other has appended.
    let error = append_unread(&mut old).unwrap_err();
    assert!(matches!(&error, Error::Held { here: Some(_), .. }), "{error}");
    assert!(matches!(append(&mut first.open(&store, &key)), Err(Error::Held { .. })));
    assert!(new.take_over(None).unwrap().seq.is_none(), "it has it already");

    // And back.
    drop((old, new));
    assert!(first.open(&store, &key).take_over(None).unwrap().seq.is_some());
    append(&mut first.open(&store, &key)).unwrap();
}

#[test]
fn only_a_store_of_a_known_kind_can_be_shared_again() {
    let (store, key, machine) = made(Unknown { is_known: true, ..Unknown::default() }, true);
    let mut repository = machine.open(&store, &key);
    assert!(matches!(repository.mode(), Mode::Single { .. }), "as it was asked for");
    let taken = repository.share(None).unwrap();
    assert_eq!((taken.now, repository.mode()), (Mode::Shared, Mode::Shared));
    append(&mut Machine::new().open(&store, &key)).unwrap();

    let (store, key, machine) = made(Unknown::default(), false);
    let error = machine.open(&store, &key).share(None).unwrap_err();
    assert!(matches!(error, Error::NotForSeveral { .. }), "{error}");
}

#[test]
fn a_shared_repository_takes_nothing_where_the_store_fails_the_probe() {
    let (store, key, _) = made(Unknown { is_known: true, ..Unknown::default() }, false);
    // As from another place: the same objects, and a gateway in between.
    let bad = Unknown { overwrites: true, is_known: true, ..Unknown::default() };
    store
        .list("", &mut |listed| {
            let mut bytes = Vec::new();
            store.get(&listed.name, u64::MAX, &mut bytes).unwrap();
            let _ = bad.put_new(&listed.name, &[&bytes], Durability::Now).unwrap();
        })
        .unwrap();
    let (bad, machine) = (Arc::new(RecordingStore::new(bad)), Machine::new());
    let mut repository = machine.open(&bad, &key);
    let end = repository.state().next();
    for _ in 0..2 {
        let error = append(&mut repository).unwrap_err();
        assert!(
            matches!(&error, Error::NotForSeveral { why, .. } if why.contains("16 of 16")),
            "{error}"
        );
    }
    assert_eq!(bad.count(Operation::PutNew), 17, "one round, once, and one alone");
    repository.refresh().unwrap();
    assert_eq!(repository.state().next(), end);
    let _ = repository.take_over(None).unwrap();
    append(&mut repository).unwrap();
}

#[test]
fn what_was_found_is_remembered_and_what_cannot_be_read_is_found_out_again() {
    let (store, key, machine) = made(Unknown { is_known: true, ..Unknown::default() }, false);
    let repository = machine.open(&store, &key);
    let report = Report {
        put_if_absent: Verdict::Bad("two\nlines".to_owned()),
        listing: Verdict::Unclear("why not".to_owned()),
        ranges: Verdict::Good,
        deletes: Some(false),
        clock_ahead: Some(-7),
    };
    let probed = Probed { time: 17, report };
    probed.keep(machine.state(), key.repository, &*store).unwrap();
    let found = repository.probed().unwrap().unwrap();
    assert_eq!(found.report.put_if_absent, Verdict::Bad("two lines".to_owned()));
    assert_eq!((found.time, &found.report.listing), (17, &probed.report.listing));
    assert_eq!((found.report.deletes, found.report.clock_ahead), (Some(false), Some(-7)));

    let file =
        std::fs::read_dir(machine.state.path().join("probe")).unwrap().next().unwrap().unwrap();
    let mut text = std::fs::read_to_string(file.path()).unwrap();
    text = text.replace("delete refused", "delete good");
    std::fs::write(file.path(), text).unwrap();
    assert_eq!(repository.probed().unwrap(), None);
}

#[test]
fn the_folder_of_probes_has_the_name_that_the_format_gives_it() {
    assert_eq!(format!("{}/", crate::store::probe::FOLDER), esker_format::names::PROBES);
}

#[test]
fn a_machine_keeps_its_name_and_two_of_one_name_are_two() {
    let (one, two) = (Machine::new(), Machine::new());
    assert_eq!(host::find(one.state()).unwrap(), None);
    let name = host::make(one.state()).unwrap();
    assert_eq!(host::make(one.state()).unwrap(), name);
    assert_eq!(host::find(one.state()).unwrap().as_ref(), Some(&name));
    let other = host::make(two.state()).unwrap();
    assert_ne!(name, other);
    assert_eq!(name.split(' ').next(), other.split(' ').next());
    std::fs::write(one.state.path().join("host"), "no number").unwrap();
    assert!(matches!(host::find(one.state()), Err(Error::Io { .. })));
    assert!(matches!(host::make(None), Err(Error::NoStateFolder)));
}

#[test]
fn a_collection_removes_what_probes_left_that_are_over_and_no_other() {
    let (store, key, machine) = made(Unknown { is_known: true, ..Unknown::default() }, false);
    let name = |before: i64| format!("probe/{}-00112233445566ff", TIME.seconds - before);
    let names = [name(2 * 86_400), name(3600), name(-3600), "probe/mine".to_owned()];
    for name in &names {
        let _ = store.put_new(name, &[b"x"], Durability::Now).unwrap();
    }
    let mut repository = machine.open(&store, &key);
    let request = crate::repository::gc::Request {
        grace: std::time::Duration::ZERO,
        abort_after: std::time::Duration::from_secs(86_400),
        max_repack: None,
        now: TIME.seconds,
        is_dry: false,
        forgotten: Vec::new(),
    };
    let (progress, stop) = (Default::default(), std::sync::atomic::AtomicBool::new(false));
    let plan = crate::repository::gc::plan(&mut repository, &request, &progress, &stop).unwrap();
    assert_eq!(plan.leftovers.count, 1);
    let _ =
        crate::repository::gc::apply(&mut repository, plan, &request, &progress, &stop).unwrap();
    let left = names.iter().filter(|name| store.size(name).unwrap().is_some());
    assert_eq!(left.collect::<Vec<_>>(), [&names[1], &names[2], &names[3]]);
}
