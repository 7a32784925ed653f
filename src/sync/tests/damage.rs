//! What is damaged is named and stays behind; the rest is copied.

use super::scene::{Scene, names_of, same, sync};
use crate::store::{Durability, FaultyStore, MemoryStore, Store};
use esker_format::envelope::Kind;

#[test]
fn a_damaged_object_is_named_and_everything_else_is_copied() {
    let all = names_of(&Scene::new(4).store);
    for name in all.iter().filter(|name| !name.starts_with("log/") && *name != "config") {
        let Scene { store, .. } = Scene::new(4);
        let source = FaultyStore::new(store);
        let copy = MemoryStore::new();
        // The length of the header, which all objects have.
        source.flip_bit(name, 8 * 13);
        let report = sync(&source, &copy).unwrap();
        let bad: Vec<&str> = report.bad.iter().map(|bad| bad.name.as_str()).collect();
        assert_eq!(bad, [name]);
        assert!(report.bad[0].why.starts_with("is damaged: "), "{}", report.bad[0].why);
        assert_eq!(names_of(&copy).len(), all.len() - 1);
        assert_eq!((report.end, copy.size(name).unwrap()), (4, None));
        // The next one tries again.
        assert_eq!(sync(&source, &copy).unwrap().bad, report.bad);
        source.heal();
        assert_eq!(sync(&source, &copy).unwrap().bad, []);
        same(source.inner(), &copy);
    }
}

#[test]
fn bytes_of_another_repository_or_kind_are_not_copied() {
    let (scene, other) = (Scene::new(2), Scene::with(9, 2));
    let names = [other.pack(b"theirs"), {
        let manifest = [&scene.header(Kind::Manifest, 0).encode()[..], b"?"].concat();
        let id = esker_format::ids::Named::of(&manifest);
        let name = esker_format::names::pack(id);
        let _ = other.store.put_new(&name, &[&manifest], Durability::Now).unwrap();
        name
    }];
    let mut bytes = Vec::new();
    for name in &names {
        other.store.get(name, u64::MAX, &mut bytes).unwrap();
        let _ = scene.store.put_new(name, &[&bytes], Durability::Now).unwrap();
    }
    let copy = MemoryStore::new();
    let report = sync(&scene.store, &copy).unwrap();
    let mut bad: Vec<String> = report.bad.into_iter().map(|bad| bad.name).collect();
    let mut expected = names.to_vec();
    bad.sort();
    expected.sort();
    assert_eq!(bad, expected);
}

#[test]
fn a_damaged_entry_ends_the_log_of_the_copy_until_it_is_right_again() {
    let Scene { store, .. } = Scene::new(6);
    let source = FaultyStore::new(store);
    let copy = MemoryStore::new();
    source.flip_bit("log/0/3", 8 * 90);
    let report = sync(&source, &copy).unwrap();
    assert_eq!((report.end, report.entries, report.bad.len()), (3, 3, 1));
    assert_eq!(report.bad[0].name, "log/0/3");
    let entries: Vec<String> =
        names_of(&copy).into_iter().filter(|name| name.starts_with("log/")).collect();
    assert_eq!(entries, ["log/0/0", "log/0/1", "log/0/2"]);
    source.heal();
    assert_eq!(sync(&source, &copy).unwrap().end, 6);
    same(source.inner(), &copy);
}

#[test]
fn an_entry_that_is_void_for_every_reader_is_part_of_the_log() {
    let mut scene = Scene::new(2);
    // Somebody who may put objects and has no key: the checksum is right, and nothing else.
    let mut entry = b"anything".to_vec();
    entry.extend_from_slice(blake3::hash(&entry).as_bytes());
    let _ = scene.store.put_new("log/0/2", &[&entry], Durability::Now).unwrap();
    scene.next += 1;
    let copy = MemoryStore::new();
    assert_eq!(sync(&scene.store, &copy).unwrap().bad, []);
    // Also where it is the last one that both have.
    scene.save(b"more");
    assert_eq!(sync(&scene.store, &copy).unwrap().end, 4);
    same(&scene.store, &copy);
}

#[test]
fn an_object_with_another_size_in_the_copy_is_told_and_left_alone() {
    let scene = Scene::new(2);
    let copy = FaultyStore::new(MemoryStore::new());
    sync(&scene.store, &copy).unwrap();
    let name = names_of(&scene.store).into_iter().find(|name| name.starts_with("pack/")).unwrap();
    copy.truncate(&name, 50);
    let report = sync(&scene.store, &copy).unwrap();
    assert_eq!(report.bad.len(), 1);
    assert_eq!(report.bad[0].name, name);
    assert!(report.bad[0].why.starts_with("has 50 bytes in the copy and "));
    assert_eq!(report.objects, 0);
}
