//! Runs that write, one beside the other.

use crate::repository::fixture::summary;
use crate::repository::{
    Chunks, Error, Finished, FrameWriter, Kept, NewKey, Repository, Session, Unlock, create,
};
use crate::store::{FaultyStore, MemoryStore, Store};
use esker_format::cbor::Extra;
use esker_format::frame::FrameType;
use esker_format::names;
use esker_format::node::Time;
use esker_format::secret::Entropy;
use esker_format::snapshot::Manifest;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const TIME: Time = Time { seconds: 0, nanos: 0 };

/// A repository in memory, which hosts open with caches of their own.
struct Place {
    key: NewKey,
    store: Arc<FaultyStore<MemoryStore>>,
}

impl Place {
    fn new() -> Self {
        let key = NewKey::from(&mut Entropy::new([7; 32]));
        let store = Arc::new(FaultyStore::new(MemoryStore::new()));
        create(&*store, &key, None, TIME, "a test", &mut Entropy::new([8; 32])).unwrap();
        Self { key, store }
    }

    fn open(&self, cache: &Path) -> Repository {
        Repository::open(self.store.clone(), Unlock::File(self.key.material()), cache).unwrap()
    }

    fn names(&self, prefix: &str) -> Vec<String> {
        let mut names = Vec::new();
        self.store.list(prefix, &mut |listed| names.push(listed.name)).unwrap();
        names
    }
}

/// Keeps a chunk, as a worker does.
fn keep(session: &Session, repository: &Repository, chunk: &[u8]) -> Kept {
    let mut lookup = repository.lookup().unwrap();
    let id = session.access().scope_keys.data_id(chunk);
    let kept = session.claim(&id, chunk.len(), &mut lookup).unwrap();
    if kept == Kept::New {
        let mut writer = FrameWriter::data(0);
        writer.space(chunk.len(), session.packer()).unwrap().copy_from_slice(chunk);
        writer.keep(id, chunk.len());
        writer.flush(session.packer()).unwrap();
    }
    kept
}

fn commit(session: Session, repository: &mut Repository) -> Finished {
    let manifest = Manifest {
        summary: summary(1),
        root: None,
        root_level: 0,
        profiles: Vec::new(),
        problems: Vec::new(),
        program: String::new(),
        extra: Extra::default(),
    };
    session.commit(repository, |_, _| manifest).unwrap()
}

fn read(repository: &Repository, chunk: &[u8]) -> Result<(), Error> {
    let id = repository.access().scope_keys.data_id(chunk);
    let mut chunks = Chunks::new(repository, 0, 1 << 20).unwrap();
    let found = chunks.get(&id, chunk.len() as u64, FrameType::Data)?;
    assert_eq!(found, chunk);
    Ok(())
}

#[test]
fn what_another_run_with_the_same_cache_has_told_can_be_built_on() {
    let (place, cache) = (Place::new(), tempfile::tempdir().unwrap());
    let [mut a, mut b] = [0, 1].map(|_: usize| place.open(cache.path()));
    let earlier = Session::begin(&a, 1).unwrap();
    keep(&earlier, &a, b"of a");
    commit(earlier, &mut a);
    // The index that both have knows of a pack that is in no entry that this one has read.
    let later = Session::begin(&b, 1).unwrap();
    assert_eq!(keep(&later, &b, b"of a"), Kept::Known);
    commit(later, &mut b);
    for repository in [b, place.open(cache.path())] {
        assert_eq!(repository.state().snapshots.len(), 2);
        read(&repository, b"of a").unwrap();
    }
}

#[test]
fn who_lost_a_race_learns_the_packs_of_who_won_it() {
    let place = Place::new();
    let caches: [TempDir; 2] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [mut a, mut b] = [0, 1].map(|n: usize| place.open(caches[n].path()));
    let later = Session::begin(&b, 1).unwrap();
    keep(&later, &b, b"of b");
    let earlier = Session::begin(&a, 1).unwrap();
    keep(&earlier, &a, b"of a");
    commit(earlier, &mut a);
    commit(later, &mut b);
    for repository in [b, place.open(caches[1].path())] {
        assert_eq!(repository.state().snapshots.len(), 2);
        read(&repository, b"of a").unwrap();
        read(&repository, b"of b").unwrap();
    }
}

#[test]
fn a_segment_that_could_not_be_read_is_tried_again_at_the_next_open() {
    let place = Place::new();
    let caches: [TempDir; 2] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut a = place.open(caches[0].path());
    drop(place.open(caches[1].path()));
    let session = Session::begin(&a, 1).unwrap();
    keep(&session, &a, b"of a");
    commit(session, &mut a);
    for name in [names::INDEX, names::PACKS].into_iter().flat_map(|prefix| place.names(prefix)) {
        place.store.hide(&name);
    }
    let b = place.open(caches[1].path());
    assert_eq!(b.warnings().len(), 2, "{:?}", b.warnings());
    assert!(matches!(read(&b, b"of a"), Err(Error::NoChunk { .. })));
    place.store.heal();
    let b = place.open(caches[1].path());
    assert!(b.warnings().is_empty(), "{:?}", b.warnings());
    read(&b, b"of a").unwrap();
}

#[test]
fn what_a_pack_held_that_is_gone_is_stored_again_and_found_by_all() {
    let place = Place::new();
    let caches: [TempDir; 2] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut writer = place.open(caches[0].path());
    let save = |repository: &mut Repository, chunks: [&[u8]; 2]| {
        let session = Session::begin(repository, 1).unwrap();
        let kept = chunks.map(|chunk| keep(&session, repository, chunk));
        commit(session, repository);
        kept
    };
    assert_eq!(save(&mut writer, [b"one", b"two"]), [Kept::New, Kept::New]);
    assert_eq!(save(&mut writer, [b"one", b"two"]), [Kept::Known, Kept::Known]);
    let first = place.names(names::PACKS).remove(0);
    place.store.delete(&first).unwrap();
    assert_eq!(save(&mut writer, [b"one", b"two"]), [Kept::New, Kept::New]);
    assert_eq!(save(&mut writer, [b"two", b"one"]), [Kept::Known, Kept::Known]);
    for repository in [&writer, &place.open(caches[1].path())] {
        read(repository, b"one").unwrap();
        read(repository, b"two").unwrap();
    }
}

#[test]
fn a_pack_that_lost_its_end_holds_nothing() {
    let place = Place::new();
    let cache = tempfile::tempdir().unwrap();
    let mut repository = place.open(cache.path());
    let session = Session::begin(&repository, 1).unwrap();
    keep(&session, &repository, b"one");
    commit(session, &mut repository);
    place.store.truncate(&place.names(names::PACKS)[0], 100);
    let session = Session::begin(&repository, 1).unwrap();
    assert_eq!(keep(&session, &repository, b"one"), Kept::New);
}

#[test]
fn of_two_copies_the_one_that_is_left_is_found() {
    for gone in 0..2 {
        let place = Place::new();
        let caches: [TempDir; 2] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let mut hosts = [0, 1].map(|n: usize| place.open(caches[n].path()));
        let sessions = [0, 1].map(|n: usize| Session::begin(&hosts[n], 1).unwrap());
        for (session, host) in sessions.into_iter().zip(&mut hosts) {
            keep(&session, host, b"both");
            commit(session, host);
        }
        let pack = hosts[1].state().packs[gone].id;
        place.store.delete(&names::pack(pack)).unwrap();
        read(&hosts[1], b"both").unwrap();
        let session = Session::begin(&hosts[1], 1).unwrap();
        assert_eq!(keep(&session, &hosts[1], b"both"), Kept::Known);
    }
}

#[test]
fn what_the_first_snapshot_has_published_is_not_stored_twice() {
    let place = Place::new();
    let cache = tempfile::tempdir().unwrap();
    let mut repository = place.open(cache.path());
    let session = Session::begin(&repository, 1).unwrap();
    assert_eq!(keep(&session, &repository, b"one"), Kept::New);
    session.packer().finish().unwrap();
    session.publish_done(&mut repository).unwrap();
    assert_eq!(keep(&session, &repository, b"one"), Kept::Known);
    commit(session, &mut repository);
    assert_eq!(place.names(names::PACKS).len(), 1);
}

#[test]
fn a_run_that_read_less_does_not_wind_the_index_back() {
    let place = Place::new();
    let cache = tempfile::tempdir().unwrap();
    let [mut slow, mut quick] = [(); 2].map(|()| place.open(cache.path()));
    let session = Session::begin(&quick, 1).unwrap();
    keep(&session, &quick, b"quick");
    commit(session, &mut quick);
    assert!(slow.state().next() < quick.state().next());
    slow.index_segments(&[], &[]).unwrap();
    let owner = slow.access().owner_key;
    let saved = quick.index.load(owner).unwrap();
    assert_eq!((saved.head, saved.packs.len()), (quick.state().head, 1));

    // What it appends later is saved with all that is before it.
    let session = Session::begin(&slow, 1).unwrap();
    keep(&session, &slow, b"slow");
    commit(session, &mut slow);
    let saved = quick.index.load(owner).unwrap();
    assert_eq!((saved.head, saved.packs.len()), (slow.state().head, 2));
    assert_eq!(saved.snapshots.len(), 2);
    let repository = place.open(cache.path());
    read(&repository, b"quick").unwrap();
    read(&repository, b"slow").unwrap();
}
