//! What a view shows is what a walk through the map and a whole read give.

use super::*;
use crate::repository::fixture::{Fixture, Thing, Tree as Things, chunk, folder, key};
use crate::repository::{Bounds, Error, Found, Map, root_of};
use crate::store::Operation;
use esker_format::content::{Content, Item};
use esker_format::node::{Node, NodeKind, Time};
use esker_format::page::Entry;
use esker_format::path::MapKey;
use std::ops::ControlFlow;
use tempfile::TempDir;

const LONG: u64 = 3000;

/// Directories of all sizes, and a file with a content list of several levels.
fn things() -> Things {
    let mut tree = Things::new();
    tree.insert(MapKey::root(), Thing::Directory);
    tree.insert(key("/a"), Thing::Directory);
    folder(&mut tree, "/a/many", 0, 4000);
    folder(&mut tree, "/a/few", 0, 3);
    folder(&mut tree, "/a/none", 0, 0);
    tree.insert(key("/a/long"), Thing::File((0..LONG).collect()));
    tree.insert(key("/a/many.txt"), Thing::File(vec![1, 2]));
    tree.insert(key("/z"), Thing::File(vec![9]));
    tree
}

struct Scene {
    fixture: Fixture,
    id: SnapshotId,
    entries: Vec<Entry>,
    view: Arc<View>,
    tree: Arc<Tree>,
    _cache: TempDir,
}

fn scene() -> Scene {
    let mut fixture = Fixture::new();
    let id = fixture.save(1, &things());
    let manifest = fixture.repository.manifest(id).unwrap();
    let (root, mut chunks) = (root_of(&manifest), fixture.reader());
    let mut map = Map::new(root.as_ref().map(|(page, level)| (page, *level)), Bounds::All);
    let mut entries = Vec::new();
    while let Some(found) = map.next(&mut chunks).unwrap() {
        let Found::Entry(entry) = found else { panic!("{found:?}") };
        entries.push(*entry);
    }
    let cache = tempfile::tempdir().unwrap();
    let view = View::new(Box::new(fixture.open(cache.path())), 1 << 20, 2);
    let tree = Arc::new(view.tree(id, 0).unwrap());
    Scene { fixture, id, entries, view, tree, _cache: cache }
}

/// The names in a directory from a number on, and what of it was lost.
fn names(tree: &Tree, path: &str, from: Option<u64>) -> (Vec<(u64, Vec<u8>)>, Vec<Error>) {
    let (mut found, mut lost) = (Vec::new(), Vec::new());
    let mut visit = |child: Child<'_>| {
        match child {
            Child::Entry(number, entry) => found.push((number, entry.key.name.clone())),
            Child::Lost(_, error) => lost.push(error),
        }
        ControlFlow::Continue(())
    };
    tree.list(&key(path), from, &mut visit).unwrap();
    (found, lost)
}

#[test]
fn an_entry_is_found_by_its_number_and_by_its_path() {
    let Scene { entries, tree, .. } = &scene();
    assert_eq!(tree.entries(), entries.len() as u64);
    for (number, entry) in entries.iter().enumerate() {
        let number = number as u64;
        assert_eq!(tree.entry(number).unwrap().as_ref(), Some(entry));
        assert_eq!(tree.find(&entry.key).unwrap(), Some((number, entry.clone())));
    }
    assert_eq!(tree.entry(entries.len() as u64).unwrap(), None);
    for path in ["/0", "/a/many/000000a", "/a/many/x", "/zz", "/a/long/x"] {
        assert_eq!(tree.find(&key(path)).unwrap(), None, "{path}");
    }
}

#[test]
fn a_directory_lists_its_own_entries_in_order_from_any_of_them_on() {
    let Scene { entries, tree, .. } = &scene();
    for directory in entries.iter().filter(|entry| entry.node.kind == NodeKind::Directory) {
        let path = String::from_utf8(directory.key.path()).unwrap();
        let is_child = |(_, entry): &(usize, &Entry)| {
            entry.key.parent == directory.key.as_parent() && entry.key != MapKey::root()
        };
        let own = entries.iter().enumerate().filter(is_child);
        let own: Vec<_> = own.map(|(at, entry)| (at as u64, entry.key.name.clone())).collect();
        assert_eq!(names(tree, &path, None).0, own, "{path}");
        for at in [0, 1, own.len() / 2].into_iter().filter(|at| *at < own.len()) {
            assert_eq!(names(tree, &path, Some(own[at].0)).0, own[at..], "{path} from {at}");
        }
    }
    assert!(names(tree, "/a/none", None).0.is_empty());
    assert!(names(tree, "/nothing", None).0.is_empty());
}

/// A file in the tree of a scene, and its bytes.
fn long(scene: &Scene) -> (Arc<File>, Vec<u8>) {
    let (_, entry) = scene.tree.find(&key("/a/long")).unwrap().unwrap();
    let file = File::new(&scene.tree, "/a/long".to_owned(), &entry.node);
    (file, (0..LONG).flat_map(chunk).collect())
}

#[test]
fn bytes_are_the_same_from_wherever_they_are_read() {
    let scene = scene();
    let (file, bytes) = long(&scene);
    assert_eq!(file.len(), bytes.len() as u64);
    let mut at = 1;
    for _ in 0..300 {
        at = (at * 48271) % 2_147_483_647;
        let (from, len) = (at % (bytes.len() + 100), (at / 7) % 5000);
        let mut out = vec![1; len];
        let read = file.read_at(from as u64, &mut out).unwrap();
        let right = &bytes[from.min(bytes.len())..(from + len).min(bytes.len())];
        assert_eq!(&out[..read], right, "{len} from {from}");
    }
}

#[test]
fn who_reads_a_file_bit_by_bit_asks_the_store_for_each_frame_once() {
    let scene = scene();
    let (file, bytes) = long(&scene);
    scene.fixture.store.forget();
    let mut all = Vec::new();
    while all.len() < bytes.len() {
        let mut some = vec![0; 100.min(bytes.len() - all.len())];
        let read = file.read_at(all.len() as u64, &mut some).unwrap();
        all.extend_from_slice(&some[..read]);
    }
    assert_eq!(all, bytes);
    let asked: Vec<_> = scene.fixture.store.calls().into_iter().collect();
    let reads = scene.fixture.store.count(Operation::GetRange);
    assert!((1..=8).contains(&reads), "{reads} of {asked:?}");
}

/// A node with these items, some of which stand for the first chunks of the long file.
fn mixed(scene: &Scene) -> (Node, Vec<u8>) {
    let (file, _) = long(scene);
    let leaf = scene.view.read(0, |chunks| file.leaf(chunks, 0)).unwrap();
    let data: Vec<Item> = leaf.from(0).take(3).map(|(_, item)| *item).collect();
    let items = vec![
        data[0],
        Item::Hole(10_000),
        Item::Zero(5_000),
        data[1],
        Item::Lost(100),
        data[2],
        Item::Zero(7),
    ];
    let bytes = [chunk(0), vec![0; 15_000], chunk(1), vec![1; 100], chunk(2), vec![0; 7]].concat();
    let size = Some(bytes.len() as u64);
    let bare = Node::bare(NodeKind::Image, 0o600, Time { seconds: 0, nanos: 0 });
    (Node { size, content: Some(Content::Items(items)), ..bare }, bytes)
}

#[test]
fn what_was_lost_is_an_error_for_its_own_bytes_alone() {
    let scene = scene();
    let (node, bytes) = mixed(&scene);
    let file = File::new(&scene.tree, "/disk".to_owned(), &node);
    let lost = chunk(0).len() + 15_000 + chunk(1).len();
    for (at, right) in bytes.iter().enumerate() {
        let mut out = [3];
        match file.read_at(at as u64, &mut out) {
            Ok(1) if !(lost..lost + 100).contains(&at) => assert_eq!(out[0], *right, "{at}"),
            Err(Error::Damaged { object, .. }) if (lost..lost + 100).contains(&at) => {
                assert_eq!(object, "/disk");
            }
            other => panic!("{at}: {other:?}"),
        }
    }
    assert!(file.read_at(0, &mut vec![0; bytes.len()]).is_err(), "zeros in place of it");
}

#[test]
fn stretches_of_zeros_and_of_data_follow_each_other_over_the_whole_file() {
    let scene = scene();
    let (node, bytes) = mixed(&scene);
    let file = File::new(&scene.tree, "/disk".to_owned(), &node);
    let (mut at, mut found) = (0, Vec::new());
    while let Some(stretch) = file.stretch(at).unwrap() {
        found.push((stretch.is_zero, stretch.len));
        at += stretch.len;
    }
    let (first, rest) = (chunk(0).len() as u64, chunk(1).len() + 100 + chunk(2).len());
    assert_eq!(found, [(false, first), (true, 15_000), (false, rest as u64), (true, 7)]);
    assert_eq!(at, bytes.len() as u64);
    let inside = file.stretch(first + 3).unwrap().unwrap();
    assert_eq!(inside, Stretch { len: 14_997, is_zero: true });
}

#[test]
fn a_frame_that_is_lost_is_an_error_and_files_elsewhere_are_read() {
    let mut scene = scene();
    let mut things = things();
    things.insert(key("/later"), Thing::File(vec![70_000]));
    let id = scene.fixture.save(1, &things);
    scene.view.refresh().unwrap();
    let tree = Arc::new(scene.view.tree(id, 0).unwrap());
    let open = |path: &str| {
        let (_, entry) = tree.find(&key(path)).unwrap().unwrap();
        let Some(Content::Items(items)) = &entry.node.content else { panic!("{entry:?}") };
        let Item::Data(id, _) = items[0] else { panic!("{items:?}") };
        (File::new(&tree, path.to_owned(), &entry.node), id)
    };
    let ((old, _), (new, id)) = (open("/z"), open("/later"));
    scene.fixture.lose(&id);
    // It came with the pages, which lie beside it.
    lock(&scene.view.repository).extents().forget();
    assert!(new.read_at(0, &mut [0; 5]).unwrap_err().is_damage());
    let mut out = vec![0; chunk(9).len()];
    assert_eq!(old.read_at(0, &mut out).unwrap(), out.len());
    assert_eq!(out, chunk(9));
    scene.fixture.faults.heal();
    assert_eq!(new.read_at(0, &mut [0; 5]).unwrap(), 5, "it is asked for again");
}

#[test]
fn a_page_that_is_lost_is_told_and_what_comes_behind_it_is_listed() {
    let Scene { fixture, entries, tree, id, .. } = &scene();
    let manifest = fixture.repository.manifest(*id).unwrap();
    let mut lookup = fixture.repository.lookup().unwrap();
    let place = lookup.find(&manifest.root.unwrap().page).unwrap().unwrap();
    // Nothing of the map is there any more.
    fixture
        .faults
        .hide(&esker_format::names::pack(fixture.repository.state().packs[place.pack as usize].id));
    let (found, lost) = names(tree, "/a/many", None);
    assert!(found.is_empty() && lost.len() == 1 && lost[0].is_damage(), "{found:?} {lost:?}");
    assert!(tree.entry(5).unwrap_err().is_damage());
    assert!(tree.find(&entries[3].key).unwrap_err().is_damage());
}

#[test]
fn snapshots_that_others_save_are_seen_and_readers_find_what_is_in_them() {
    let mut scene = scene();
    let before = scene.view.end();
    scene.view.refresh().unwrap();
    assert_eq!(scene.view.end(), before, "nothing new");
    let mut more = Things::new();
    more.insert(key("/new"), Thing::File(vec![50_000]));
    let id = scene.fixture.save(2, &more);
    assert_eq!(scene.view.snapshots().unwrap().len(), 1);
    scene.view.refresh().unwrap();
    assert_ne!(scene.view.end(), before);
    assert_eq!(scene.view.snapshots().unwrap().len(), 2);
    let tree = Arc::new(scene.view.tree(id, 0).unwrap());
    let (_, entry) = tree.find(&key("/new")).unwrap().unwrap();
    let mut out = vec![0; 100];
    let file = File::new(&tree, "/new".to_owned(), &entry.node);
    let read = file.read_at(0, &mut out).unwrap();
    assert_eq!(out[..read], chunk(50_000));
}

#[test]
fn many_threads_read_the_same_file_at_once() {
    let scene = scene();
    let (file, bytes) = long(&scene);
    std::thread::scope(|scope| {
        for first in 0..8 {
            let (file, bytes) = (&file, &bytes);
            scope.spawn(move || {
                for at in (first * 100..bytes.len()).step_by(700) {
                    let mut out = vec![0; 300];
                    let read = file.read_at(at as u64, &mut out).unwrap();
                    assert_eq!(out[..read], bytes[at..(at + 300).min(bytes.len())]);
                }
            });
        }
    });
}
