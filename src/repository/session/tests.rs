//! Runs that write, one beside the other.

use crate::repository::{
    Chunks, Error, Finished, FrameWriter, Kept, NewKey, Repository, Session, Unlock, create,
};
use crate::store::{FaultyStore, MemoryStore, Store};
use esker_format::cbor::Extra;
use esker_format::frame::FrameType;
use esker_format::ids::SeriesId;
use esker_format::names;
use esker_format::node::Time;
use esker_format::secret::Entropy;
use esker_format::snapshot::{Counts, Manifest, Summary};
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
    let summary = Summary {
        series: SeriesId::new([1; 16]),
        host: "host".to_owned(),
        label: String::new(),
        tags: Vec::new(),
        paths: Vec::new(),
        start: TIME,
        end: TIME,
        counts: Counts::default(),
        problems: 0,
        base: None,
        position: None,
        requires: Vec::new(),
        replaces: None,
        extra: Extra::default(),
    };
    let manifest = Manifest {
        summary,
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
    let mut chunks = Chunks::new(repository, 1 << 20).unwrap();
    let found = chunks.get(&id, chunk.len() as u64, FrameType::Data)?;
    assert_eq!(found, chunk);
    Ok(())
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
