//! The index database, through the doors that a run uses: a repository without its cache is
//! opened (all segments are read and inserted), and a look-up asks for chunks.

use criterion::{BatchSize, Criterion, Throughput};
use esker::repository::{FrameWriter, NewKey, Repository, Session, Unlock, create};
use esker::store::MemoryStore;
use esker_benches::noise;
use esker_format::cbor::Extra;
use esker_format::chunking::PROFILE_FILES;
use esker_format::ids::{ChunkId, SeriesId};
use esker_format::node::Time;
use esker_format::secret::Entropy;
use esker_format::snapshot::{Counts, Manifest, Summary};
use std::path::Path;
use std::sync::Arc;

const CHUNKS: u64 = 128 << 10;
/// Small, so that the packs fit in memory.
const CHUNK_LEN: usize = 1 << 10;
const NEVER: Time = Time { seconds: 0, nanos: 0 };

/// A repository in memory with many chunks, and its key.
struct Filled {
    store: Arc<MemoryStore>,
    key: NewKey,
}

impl Filled {
    fn new(ids: &[ChunkId]) -> Self {
        let store = Arc::new(MemoryStore::new());
        let mut entropy = Entropy::new([1; 32]);
        let key = NewKey::from(&mut entropy);
        create(&*store, &key, None, NEVER, "bench", &mut entropy).unwrap();
        let filled = Self { store, key };

        let cache = tempfile::tempdir().unwrap();
        let mut repository = filled.open(cache.path());
        let session = Session::begin(&repository, 1).unwrap();
        let mut lookup = repository.lookup().unwrap();
        let mut writer = FrameWriter::data(0);
        let data = noise(6, CHUNK_LEN * 1024);
        for (id, bytes) in ids.iter().zip(data.chunks(CHUNK_LEN).cycle()) {
            session.claim(id, CHUNK_LEN, &mut lookup).unwrap();
            let space = writer.space(CHUNK_LEN, session.packer()).unwrap();
            space.copy_from_slice(bytes);
            writer.keep(*id, CHUNK_LEN);
        }
        writer.flush(session.packer()).unwrap();
        session.commit(&mut repository, |_, _| manifest()).unwrap();
        filled
    }

    fn open(&self, cache: &Path) -> Repository {
        let store = Arc::clone(&self.store);
        Repository::open(store, Unlock::File(self.key.material()), cache).unwrap()
    }
}

fn manifest() -> Manifest {
    let summary = Summary {
        series: SeriesId::new([0; 16]),
        host: "host".to_owned(),
        label: "label".to_owned(),
        tags: Vec::new(),
        paths: Vec::new(),
        start: NEVER,
        end: NEVER,
        counts: Counts::default(),
        problems: 0,
        base: None,
        position: None,
        requires: Vec::new(),
        replaces: None,
        extra: Extra::default(),
    };
    Manifest {
        summary,
        root: None,
        root_level: 0,
        profiles: vec![PROFILE_FILES],
        problems: Vec::new(),
        program: "bench".to_owned(),
        extra: Extra::default(),
    }
}

fn ids(first: u64) -> Vec<ChunkId> {
    (first..first + CHUNKS)
        .map(|n| ChunkId::new(*blake3::hash(&n.to_le_bytes()).as_bytes()))
        .collect()
}

pub fn insert(c: &mut Criterion) {
    let filled = Filled::new(&ids(0));
    let mut group = c.benchmark_group("index");
    group.throughput(Throughput::Elements(CHUNKS)).sample_size(10);
    group.bench_function("insert, an empty cache", |b| {
        b.iter_batched(
            || tempfile::tempdir().unwrap(),
            |cache| (filled.open(cache.path()), cache),
            BatchSize::PerIteration,
        );
    });
}

pub fn look_up(c: &mut Criterion) {
    let known = ids(0);
    let filled = Filled::new(&known);
    let cache = tempfile::tempdir().unwrap();
    let repository = filled.open(cache.path());
    let mut group = c.benchmark_group("index");
    group.throughput(Throughput::Elements(CHUNKS)).sample_size(10);
    for (name, ids, there) in
        [("look up known, in the order stored", known, true), ("look up new", ids(CHUNKS), false)]
    {
        group.bench_function(name, |b| {
            let mut lookup = repository.lookup().unwrap();
            b.iter(|| {
                for id in &ids {
                    assert_eq!(lookup.find(id).unwrap().is_some(), there);
                }
            });
        });
    }
}
