//! Snapshots copied between two repositories in memory.

use super::{Copied, Progress, copy, twin};
use crate::repository::fixture::{Fixture, Thing, Tree, folder, key};
use crate::repository::snapshots::Snapshot;
use crate::repository::{Error, NewKey, Repository, Unlock, create};
use crate::store::{MemoryStore, Operation, RecordingStore};
use esker_format::ids::SnapshotId;
use esker_format::node::Time;
use esker_format::secret::Entropy;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

/// Another repository, with keys of its own.
struct Other {
    store: Arc<RecordingStore<MemoryStore>>,
    key: NewKey,
    repository: Repository,
    _cache: TempDir,
}

impl Other {
    fn new() -> Self {
        let key = NewKey::from(&mut Entropy::new([77; 32]));
        let store = Arc::new(RecordingStore::new(MemoryStore::new()));
        let time = Time { seconds: 0, nanos: 0 };
        create(&*store, &key, None, time, "a test", &mut Entropy::new([78; 32])).unwrap();
        let cache = tempfile::tempdir().unwrap();
        let unlock = Unlock::File(key.material());
        let repository = Repository::open(store.clone(), unlock, cache.path()).unwrap();
        Self { store, key, repository, _cache: cache }
    }
}

fn run(source: &mut Fixture, other: &mut Other, id: SnapshotId) -> Result<Copied, Error> {
    let snapshot = listed(&source.repository, id);
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    copy(&mut source.repository, &mut other.repository, &snapshot, "a test", &progress, &stop)
}

fn listed(repository: &Repository, id: SnapshotId) -> Snapshot {
    repository.snapshots().unwrap().into_iter().find(|snapshot| snapshot.id == id).unwrap()
}

/// The bytes of all files of a snapshot, read by somebody without a cache.
fn files(other: &Other, id: SnapshotId) -> Vec<(Vec<u8>, Vec<u8>)> {
    use crate::repository::{Bounds, Chunks, Found, Items, Map};
    use esker_format::content::Item;
    let cache = tempfile::tempdir().unwrap();
    let unlock = Unlock::File(other.key.material());
    let repository = Repository::open(other.store.clone(), unlock, cache.path()).unwrap();
    let manifest = repository.manifest(id).unwrap();
    let mut chunks = Chunks::new(&repository, 0, 1 << 20).unwrap();
    let mut map =
        Map::new(manifest.root.as_ref().map(|r| (r, manifest.root_level as u8)), Bounds::All);
    let mut found = Vec::new();
    while let Some(Found::Entry(entry)) = map.next(&mut chunks).unwrap() {
        let mut bytes = Vec::new();
        if let Some(content) = &entry.node.content {
            let mut items = Items::new(content);
            while let Some((Item::Data(id, len), None)) = items.next(&mut chunks).unwrap() {
                let of = esker_format::frame::FrameType::Data;
                bytes.extend_from_slice(chunks.get(&id, len, of).unwrap());
            }
        }
        found.push((entry.key.path(), bytes));
    }
    found
}

/// What these files should be.
fn expected(tree: &Tree) -> Vec<(Vec<u8>, Vec<u8>)> {
    let bytes = |thing: &Thing| match thing {
        Thing::Directory => Vec::new(),
        Thing::File(chunks) => {
            chunks.iter().flat_map(|n| crate::repository::fixture::chunk(*n)).collect()
        }
    };
    tree.iter().map(|(key, thing)| (key.path(), bytes(thing))).collect()
}

fn tree(first: u64, files: u64) -> Tree {
    let mut tree = Tree::new();
    folder(&mut tree, "/a", first, files);
    tree.insert(key("/z"), Thing::File((0..200).collect()));
    tree
}

#[test]
fn a_copy_has_the_same_content_under_other_names() {
    let (mut source, mut other) = (Fixture::new(), Other::new());
    let tree = tree(0, 300);
    let id = source.save(1, &tree);
    let copied = run(&mut source, &mut other, id).unwrap();
    assert!(!copied.was_there && copied.taken == 0 && copied.added > 0);
    assert_eq!(files(&other, copied.snapshot), expected(&tree));
    let (old, new) = (listed(&source.repository, id), listed(&other.repository, copied.snapshot));
    let (old, mut new) = (old.summary, new.summary);
    new.counts = old.counts.clone();
    assert_eq!(old, new);
    let names = |packs: &[crate::repository::state::Pack]| {
        packs.iter().map(|pack| pack.id).collect::<Vec<_>>()
    };
    let here = names(&source.repository.state().packs);
    assert!(names(&other.repository.state().packs).iter().all(|id| !here.contains(id)));
}

#[test]
fn a_snapshot_is_copied_once() {
    let (mut source, mut other) = (Fixture::new(), Other::new());
    let id = source.save(1, &tree(0, 20));
    let first = run(&mut source, &mut other, id).unwrap();
    other.store.forget();
    let again = run(&mut source, &mut other, id).unwrap();
    assert!(again.was_there && again.snapshot == first.snapshot);
    assert_eq!(other.store.count(Operation::PutNew), 0);
    let snapshot = listed(&source.repository, id);
    assert_eq!(twin(&other.repository, &snapshot).unwrap(), Some(first.snapshot));
}

#[test]
fn content_that_is_known_there_is_neither_read_nor_stored_again() {
    let (mut source, mut other) = (Fixture::new(), Other::new());
    let (old, mut new) = (tree(0, 300), tree(0, 300));
    let first = source.save(1, &old);
    run(&mut source, &mut other, first).unwrap();
    new.insert(key("/b"), Thing::File(vec![9999]));
    new.insert(key("/a/000007"), Thing::File(vec![8888]));
    new.remove(&key("/a/000009"));
    let second = source.save(1, &new);
    let copied = run(&mut source, &mut other, second).unwrap();
    assert_eq!(files(&other, copied.snapshot), expected(&new));
    let changed = [9999, 8888].map(|n| crate::repository::fixture::chunk(n).len() as u64);
    assert_eq!(copied.read, changed.iter().sum::<u64>());
    assert_eq!(copied.taken, new.len() as u64 - 2);
    // Another series has no such snapshot: it is read, and not stored again.
    let third = source.save(2, &new);
    let copied = run(&mut source, &mut other, third).unwrap();
    assert!(copied.read > 10_000 && copied.taken == 0);
    assert_eq!(copied.added, 0);
    assert_eq!(files(&other, copied.snapshot), expected(&new));
}

#[test]
fn a_snapshot_that_lost_something_is_not_copied() {
    let (mut source, mut other) = (Fixture::new(), Other::new());
    let id = source.save(1, &tree(0, 50));
    let data = source.repository.access().scope_keys.data_id(&crate::repository::fixture::chunk(7));
    source.lose(&data);
    let failed = run(&mut source, &mut other, id).unwrap_err();
    assert!(failed.is_damage(), "{failed}");
    assert!(other.repository.snapshots().unwrap().is_empty());
}
