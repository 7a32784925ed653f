//! A repository in memory for tests, filled with path maps that they say.

use crate::repository::{Chunks, FrameWriter, Kept, NewKey, Repository, Session, Unlock, create};
use crate::store::{FaultyStore, MemoryStore, RecordingStore, Store};
use esker_format::cbor::Extra;
use esker_format::content::{Content, Item};
use esker_format::frame::FrameType;
use esker_format::ids::{SeriesId, SnapshotId};
use esker_format::list::ListBuilder;
use esker_format::map_builder::MapBuilder;
use esker_format::names;
use esker_format::node::{Node, NodeKind, Time};
use esker_format::page::Entry;
use esker_format::path::MapKey;
use esker_format::secret::Entropy;
use esker_format::snapshot::{Counts, Manifest, Summary};
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

/// The repository, and what its store is asked.
pub struct Fixture {
    pub store: Arc<RecordingStore<Arc<FaultyStore<MemoryStore>>>>,
    pub faults: Arc<FaultyStore<MemoryStore>>,
    pub repository: Repository,
    pub key: NewKey,
    _cache: TempDir,
}

/// A tree to be saved: paths with what is there.
pub type Tree = BTreeMap<MapKey, Thing>;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    Directory,
    /// A file of chunks, each of which is filled with one number.
    File(Vec<u64>),
}

/// The key of a path.
pub fn key(path: &str) -> MapKey {
    MapKey::from_path(path.as_bytes()).unwrap()
}

/// A directory with this many files, each of a chunk with its number from `first` on.
pub fn folder(tree: &mut Tree, path: &str, first: u64, files: u64) {
    tree.insert(key(path), Thing::Directory);
    for n in first..first + files {
        tree.insert(key(&format!("{path}/{n:06}")), Thing::File(vec![n]));
    }
}

impl Fixture {
    pub fn new() -> Self {
        let key = NewKey::from(&mut Entropy::new([7; 32]));
        let faults = Arc::new(FaultyStore::new(MemoryStore::new()));
        let store = Arc::new(RecordingStore::new(Arc::clone(&faults)));
        create(&*store, &key, None, TIME, "a test", &mut Entropy::new([8; 32])).unwrap();
        let cache = tempfile::tempdir().unwrap();
        let unlock = Unlock::File(key.material());
        let repository = Repository::open(store.clone(), unlock, cache.path()).unwrap();
        Self { store, faults, repository, key, _cache: cache }
    }

    /// The same repository, as another process sees it that has its cache there.
    pub fn open(&self, cache: &std::path::Path) -> Repository {
        let unlock = Unlock::File(self.key.material());
        Repository::open(self.store.clone(), unlock, cache).unwrap()
    }

    /// Holds that a reader without a cache gets all chunks of this tree out of a snapshot.
    #[track_caller]
    pub fn holds(&self, id: SnapshotId, tree: &Tree) {
        let cache = tempfile::tempdir().unwrap();
        let repository = self.open(cache.path());
        let mut chunks = Chunks::new(&repository, 0, 1 << 20).unwrap();
        let manifest = repository.manifest(id).unwrap();
        let root = manifest.root.as_ref().map(|root| (root, manifest.root_level as u8));
        let mut map = crate::repository::Map::new(root, crate::repository::Bounds::All);
        let mut found = Tree::new();
        while let Some(next) = map.next(&mut chunks).unwrap() {
            let crate::repository::Found::Entry(entry) = next else { panic!("{next:?}") };
            let Some(Thing::File(numbers)) = tree.get(&entry.key) else {
                found.insert(entry.key, Thing::Directory);
                continue;
            };
            let mut items = entry.node.content.iter().map(crate::repository::Items::new);
            let mut items = items.next();
            for number in numbers {
                let next = items.as_mut().unwrap().next(&mut chunks).unwrap();
                let Some((Item::Data(id, len), None)) = next else { panic!("{next:?}") };
                let bytes = chunks.get(&id, len, FrameType::Data).unwrap();
                assert!(bytes == chunk(*number), "{}", entry.key.path().escape_ascii());
            }
            found.insert(entry.key, Thing::File(numbers.clone()));
        }
        assert_eq!(&found, tree);
    }

    /// Bytes of all objects below a folder of the store.
    pub fn bytes(&self, folder: &str) -> u64 {
        let mut sum = 0;
        self.store.list(folder, &mut |listed| sum += listed.size).unwrap();
        sum
    }

    /// Saves a tree as a snapshot of the series with this number.
    pub fn save(&mut self, series: u8, tree: &Tree) -> SnapshotId {
        save(&mut self.repository, series, tree)
    }

    fn save_in(
        repository: &mut Repository,
        session: Session,
        series: u8,
        tree: &Tree,
    ) -> crate::repository::Result<SnapshotId> {
        let keys = session.access().scope_keys.clone();
        let mut lookup = repository.lookup().unwrap();
        let (mut data, mut pages) = (FrameWriter::data(0), FrameWriter::pages());
        let mut entries = Vec::new();
        for (key, thing) in tree {
            let node = match thing {
                Thing::Directory => Node::bare(NodeKind::Directory, 0o755, TIME),
                Thing::File(chunks) => {
                    let items = chunks.iter().map(|n| {
                        let bytes = chunk(*n);
                        let id = keys.data_id(&bytes);
                        if session.claim(&id, bytes.len(), &mut lookup).unwrap() == Kept::New {
                            let packer = session.packer();
                            data.space(bytes.len(), packer).unwrap().copy_from_slice(&bytes);
                            data.keep(id, bytes.len());
                        }
                        Item::Data(id, bytes.len() as u64)
                    });
                    let mut list = ListBuilder::default();
                    for item in items.collect::<Vec<_>>() {
                        let mut store = |bytes: &[u8]| session.page(bytes, &mut pages, &mut lookup);
                        list.push(item, &mut store).unwrap();
                    }
                    file(list, &mut |bytes| session.page(bytes, &mut pages, &mut lookup))
                }
            };
            entries.push(Entry { key: key.clone(), node });
        }
        let mut map = MapBuilder::new(&keys);
        let mut store = |bytes: &[u8]| session.page(bytes, &mut pages, &mut lookup);
        entries.into_iter().for_each(|entry| map.push(entry, &mut store).unwrap());
        let root = map.finish(&mut store).unwrap();
        data.flush(session.packer()).unwrap();
        pages.flush(session.packer()).unwrap();
        let (root, root_level) = match root {
            Some((page, level)) => (Some(page), level.into()),
            None => (None, 0),
        };
        // No two runs end at the same time.
        let end = Time { seconds: repository.state().snapshots.len() as i64, nanos: 0 };
        let manifest = |added, stored| Manifest {
            summary: Summary {
                counts: Counts { added, stored, ..Counts::default() },
                end,
                ..summary(series)
            },
            root,
            root_level,
            profiles: Vec::new(),
            problems: Vec::new(),
            program: String::new(),
            extra: Extra::default(),
        };
        Ok(session.commit(repository, manifest)?.snapshot)
    }

    /// A reader that has nothing yet, and a record without what was before.
    pub fn reader(&self) -> Chunks {
        self.store.forget();
        Chunks::new(&self.repository, 0, 64 << 20).unwrap()
    }

    /// Takes away the pack that holds this chunk.
    pub fn lose(&self, id: &esker_format::ids::ChunkId) {
        let mut lookup = self.repository.lookup().unwrap();
        let place = lookup.find(id).unwrap().unwrap();
        self.faults.hide(&names::pack(self.repository.state().packs[place.pack as usize].id));
        self.repository.extents.forget();
    }
}

/// Saves a tree as a snapshot of the series with this number.
pub fn save(repository: &mut Repository, series: u8, tree: &Tree) -> SnapshotId {
    let session = Session::begin(repository, 1).unwrap();
    commit(repository, session, series, tree).unwrap()
}

/// The same in a session that began before.
pub fn commit(
    repository: &mut Repository,
    session: Session,
    series: u8,
    tree: &Tree,
) -> crate::repository::Result<SnapshotId> {
    Fixture::save_in(repository, session, series, tree)
}

const TIME: Time = Time { seconds: 0, nanos: 0 };

/// The bytes of a chunk, longer for larger numbers.
pub fn chunk(number: u64) -> Vec<u8> {
    let mut bytes = vec![0; 20 + (number % 50) as usize];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn file<E: From<esker_format::FormatError> + std::fmt::Debug>(
    list: ListBuilder,
    store: &mut esker_format::list::StorePage<'_, E>,
) -> Node {
    let content = match list.short() {
        Some([]) => None,
        Some(items) => Some(Content::Items(items.to_vec())),
        None => Some(Content::List(list.finish(store).unwrap())),
    };
    let size = content.as_ref().map_or(0, |content| content.len().unwrap());
    Node { size: Some(size), content, ..Node::bare(NodeKind::File, 0o644, TIME) }
}

/// A summary of a snapshot of a series.
pub fn summary(series: u8) -> Summary {
    Summary {
        series: SeriesId::new([series; 16]),
        host: "host".to_owned(),
        label: format!("series {series}"),
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
    }
}
