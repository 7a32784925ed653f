//! What differs, and what is read to say so.

use super::*;
use crate::repository::fixture::{Fixture, Thing, Tree, folder, key};
use crate::store::Operation;
use esker_format::ids::SnapshotId;

fn tree() -> Tree {
    let mut tree = Tree::new();
    tree.insert(MapKey::root(), Thing::Directory);
    (0..12).for_each(|n| folder(&mut tree, &format!("/many/{n}"), n * 1000, 900));
    tree.insert(key("/large"), Thing::File((0..3000).collect()));
    tree
}

fn changed() -> Tree {
    let mut tree = tree();
    tree.insert(key("/many/5/005000"), Thing::File(vec![5000, 8]));
    tree.insert(key("/many/6/006001"), Thing::File(vec![6051]));
    tree.remove(&key("/many/7/007899"));
    tree.insert(key("/many/8/008000"), Thing::Directory);
    tree.insert(key("/many/8/008000/new"), Thing::File(vec![]));
    tree.insert(key("/large"), Thing::File((0..3001).collect()));
    tree
}

/// What is told: changes by path, and what is lost of the old and of the new one.
fn told(
    fixture: &Fixture,
    [old, new]: [SnapshotId; 2],
    path: Option<&str>,
) -> (Vec<(String, Change)>, [u64; 2]) {
    let [old, new] = [old, new].map(|id| fixture.repository.manifest(id).unwrap());
    let mut diff = Diff::new(&old, &new, path.map(key).as_ref(), true);
    let (mut changes, mut lost) = (Vec::new(), [0; 2]);
    let mut chunks = fixture.reader();
    while let Some(step) = diff.next(&mut chunks).unwrap() {
        match step {
            Step::Difference(d) => {
                changes.push((String::from_utf8(d.key.path()).unwrap(), d.change));
            }
            Step::Lost { entries, is_old, .. } => lost[usize::from(!is_old)] += entries,
        }
    }
    (changes, lost)
}

fn expected(list: &[(&str, Change)]) -> (Vec<(String, Change)>, [u64; 2]) {
    (list.iter().map(|(path, change)| ((*path).to_owned(), *change)).collect(), [0; 2])
}

#[test]
fn differences_are_told_in_map_order_and_the_other_way_round() {
    let mut fixture = Fixture::new();
    let (a, b) = (fixture.save(1, &tree()), fixture.save(1, &changed()));
    let there = [
        ("/large", Change::Content),
        ("/many/5/005000", Change::Content),
        // Equal in size.
        ("/many/6/006001", Change::Content),
        ("/many/7/007899", Change::Removed),
        ("/many/8/008000", Change::Kind),
        ("/many/8/008000/new", Change::Added),
    ];
    assert_eq!(told(&fixture, [a, b], None), expected(&there));
    let back = there.map(|(path, change)| match change {
        Change::Removed => (path, Change::Added),
        Change::Added => (path, Change::Removed),
        other => (path, other),
    });
    assert_eq!(told(&fixture, [b, a], None), expected(&back));
    assert_eq!(told(&fixture, [a, b], Some("/many/8")), expected(&there[4..]));
    assert_eq!(told(&fixture, [a, b], Some("/many/8/008000")), expected(&there[4..]));
    assert_eq!(told(&fixture, [a, b], Some("/many/5/005000")), expected(&there[1..2]));
    assert_eq!(told(&fixture, [a, b], Some("/many/1")), expected(&[]));
}

#[test]
fn what_two_snapshots_share_is_not_read() {
    let mut fixture = Fixture::new();
    let (a, b) = (fixture.save(1, &tree()), fixture.save(1, &changed()));
    let same = fixture.save(1, &tree());
    assert_eq!(told(&fixture, [a, same], None), expected(&[]));
    assert_eq!(fixture.store.count(Operation::GetRange), 0, "equal roots are enough");
    let [old, new] = [a, b].map(|id| fixture.repository.manifest(id).unwrap());
    let whole = old.root.as_ref().unwrap().entries / 1024;
    assert!(whole >= 10);
    let mut chunks = Chunks::new(&fixture.repository, 0, 0).unwrap();
    fixture.store.forget();
    let mut diff = Diff::new(&old, &new, None, true);
    while diff.next(&mut chunks).unwrap().is_some() {}
    // A page in old and new for each of the six places, and those above them.
    let pages = fixture.store.count(Operation::GetRange);
    assert!(pages <= 2 * 6 + 2 * 4, "{pages}");
}

#[test]
fn what_a_lost_page_held_is_neither_added_nor_removed() {
    let mut fixture = Fixture::new();
    let (a, b) = (fixture.save(1, &tree()), fixture.save(1, &changed()));
    let (whole, _) = told(&fixture, [a, b], None);
    // The pages that only the new one has are lost with its root.
    let root = fixture.repository.manifest(b).unwrap().root.unwrap();
    fixture.lose(&root.page);
    let (changes, lost) = told(&fixture, [a, b], None);
    assert!(lost[0] == 0 && lost[1] == root.entries, "{lost:?}");
    assert_eq!(changes, []);
    let (changes, lost) = told(&fixture, [b, a], None);
    assert!(lost[0] == root.entries && lost[1] == 0, "{lost:?}");
    assert_eq!(changes, []);
    assert_eq!(whole.len(), 6);
}

#[test]
fn behind_a_lost_page_the_comparison_goes_on() {
    let mut fixture = Fixture::new();
    let a = fixture.save(1, &tree());
    let mut tree = tree();
    tree.insert(key("/many/5/005000"), Thing::File(vec![5000, 8]));
    let between = fixture.save(1, &tree);
    tree.insert(key("/many/9/009000"), Thing::File(vec![9000, 8]));
    let b = fixture.save(1, &tree);
    // The page around 5000 is in the pack of the snapshot between, and no page above it.
    let root = fixture.repository.manifest(between).unwrap().root.unwrap();
    fixture.lose(&root.page);
    let there = [("/many/9/009000".to_owned(), Change::Content)];
    for (pair, side) in [([a, b], 1), ([b, a], 0)] {
        let (changes, lost) = told(&fixture, pair, None);
        assert_eq!(changes, there);
        assert!((64..=1024).contains(&lost[side]) && lost[1 - side] == 0, "{lost:?}");
    }
}
