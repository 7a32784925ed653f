//! What only one snapshot needs, beside the same counted without any thought.

use super::*;
use crate::repository::fixture::{Fixture, Thing, Tree, folder, key};
use esker_format::content::{Content, Item};
use esker_format::list::ListPage;
use std::collections::BTreeSet;

/// All that a snapshot refers to.
fn reachable(fixture: &Fixture, id: SnapshotId) -> BTreeSet<Prefix> {
    let manifest = fixture.repository.manifest(id).unwrap();
    let mut chunks = Chunks::new(&fixture.repository, 0, 64 << 20).unwrap();
    let mut found = BTreeSet::new();
    let mut pages: Vec<_> = manifest.root.iter().map(|p| (p.page, p.page_len, false)).collect();
    while let Some((id, len, is_list)) = pages.pop() {
        found.insert(prefix(&id));
        let bytes = chunks.get(&id, len, FrameType::Page).unwrap();
        let mut items = Vec::new();
        if is_list {
            match ListPage::decode(bytes).unwrap() {
                ListPage::Leaf(list) => items = list,
                ListPage::Inner(_, below) => {
                    pages.extend(below.iter().map(|p| (p.page, p.page_len, true)));
                }
            }
        } else {
            match Page::decode(bytes).unwrap() {
                Page::Leaf(entries) => {
                    for entry in entries {
                        match entry.node.content {
                            Some(Content::Items(list)) => items.extend(list),
                            Some(Content::List(root)) => {
                                pages.push((root.page, root.page_len, true))
                            }
                            _ => {}
                        }
                    }
                }
                Page::Inner(_, below) => {
                    pages.extend(below.iter().map(|p| (p.page, p.page_len, false)));
                }
            }
        }
        for item in items {
            if let Item::Data(id, _) = item {
                found.insert(prefix(&id));
            }
        }
    }
    found
}

/// Snapshots of two series that share chunks in all ways: the same, moved, copied, in long lists,
/// come back after a while.
fn saved() -> (Fixture, Vec<SnapshotId>) {
    let mut fixture = Fixture::new();
    let mut tree = Tree::new();
    (0..6).for_each(|n| folder(&mut tree, &format!("/many/{n}"), n * 1000, 500));
    tree.insert(key("/large"), Thing::File((10_000..12_000).collect()));
    let first = tree.clone();
    let mut ids = vec![fixture.save(1, &tree)];
    // Only in the second one: a file, and a moved one that others have.
    tree.insert(key("/many/2/new"), Thing::File(vec![777_777, 3]));
    tree.insert(key("/moved"), Thing::File(vec![4001]));
    tree.insert(key("/large"), Thing::File((10_000..12_000).chain([888_888]).collect()));
    ids.push(fixture.save(1, &tree));
    tree.remove(&key("/many/2/new"));
    folder(&mut tree, "/gone soon", 50_000, 300);
    ids.push(fixture.save(1, &tree));
    // The same again, so that nothing of it is one's own.
    ids.push(fixture.save(1, &tree));
    ids.push(fixture.save(2, &first));
    // Another series that has what the second one has, elsewhere.
    let mut other = Tree::new();
    folder(&mut other, "/elsewhere", 50_100, 400);
    other.insert(key("/copy"), Thing::File(vec![777_777]));
    ids.push(fixture.save(2, &other));
    ids.push(fixture.save(1, &Tree::new()));
    ids.push(fixture.save(1, &other.into_iter().chain(first).collect()));
    (fixture, ids)
}

#[test]
fn what_only_one_snapshot_needs_is_what_no_other_refers_to() {
    let (fixture, ids) = saved();
    let all: Vec<BTreeSet<Prefix>> = ids.iter().map(|id| reachable(&fixture, *id)).collect();
    let mut sizes = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        let mut expected = all[number].clone();
        for (_, other) in all.iter().enumerate().filter(|(other, _)| *other != number) {
            expected.retain(|prefix| !other.contains(prefix));
        }
        let only = only_in(&fixture.repository, *id).unwrap();
        assert!(only.lost.is_empty());
        let found: BTreeSet<Prefix> = only.chunks.keys().copied().collect();
        assert_eq!(found, expected, "snapshot {number}");
        let told = exclusive(&fixture.repository, *id).unwrap();
        assert_eq!(told.chunks + told.pages, expected.len() as u64);
        sizes.push(told.chunks);
    }
    // 888,888 of the large file is shared with the third; 777,777 with a copy elsewhere.
    assert_eq!(sizes[2..5], [0, 0, 0], "{sizes:?}");
    assert!(sizes[5] == 0 && sizes[6] == 0, "{sizes:?}");
    assert!(sizes.iter().all(|n| *n < 300), "{sizes:?}");
}

#[test]
fn packs_that_nobody_else_needs_are_told_from_those_that_others_share() {
    let mut fixture = Fixture::new();
    let mut tree = Tree::new();
    folder(&mut tree, "/shared", 0, 300);
    let first = fixture.save(1, &tree);
    folder(&mut tree, "/own", 1000, 300);
    let second = fixture.save(1, &tree);
    let told = exclusive(&fixture.repository, second).unwrap();
    // All that the second one added is in one pack, and in no other.
    let packs = &fixture.repository.state().packs;
    assert_eq!((told.chunks, told.whole_packs, told.partly_packs), (300, 1, 0));
    assert_eq!((told.whole_bytes, told.stored), (packs[1].len, packs[1].len));
    let plain: u64 = (1000..1300).map(|n| 20 + n % 50).sum();
    assert_eq!(told.chunk_bytes, plain);
    // Its files are in the pack of the first one; the pages of that are needed by nobody else.
    let told = exclusive(&fixture.repository, first).unwrap();
    assert_eq!((told.chunks, told.whole_packs, told.partly_packs), (0, 0, 1));
    assert!(told.pages > 0 && told.stored > 0 && told.stored < packs[0].len);
}

#[test]
fn what_is_lost_elsewhere_makes_the_answer_a_guess_and_says_so() {
    let (fixture, ids) = saved();
    let lost = fixture.repository.manifest(ids[5]).unwrap().root.unwrap();
    fixture.lose(&lost.page);
    assert!(!exclusive(&fixture.repository, ids[1]).unwrap().lost.is_empty());
}

#[test]
fn a_page_of_several_snapshots_is_read_once() {
    let mut fixture = Fixture::new();
    let mut tree = Tree::new();
    folder(&mut tree, "/many", 0, 5000);
    fixture.save(1, &tree);
    let pages = |fixture: &Fixture, id| {
        fixture.store.forget();
        exclusive(&fixture.repository, id).unwrap();
        fixture.store.bytes_read()
    };
    tree.insert(key("/own"), Thing::File(vec![99_999]));
    let own = fixture.save(1, &tree);
    let once = pages(&fixture, own);
    tree.remove(&key("/own"));
    for _ in 0..20 {
        fixture.save(2, &tree);
    }
    let manifests = 20 * 4096;
    assert!(pages(&fixture, own) < once + manifests, "twenty more of the same cost no page");
}
