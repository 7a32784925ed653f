//! Maps walked together give what they give alone, and read less.

use super::*;
use crate::repository::fixture::{Fixture, Thing, Tree, folder, key};
use crate::repository::{Extents, Found, Map, root_of};
use crate::store::Operation;
use std::collections::BTreeMap;
use std::sync::Arc;

type Roots = Vec<Option<(PageRef, u8)>>;

/// Trees that share most of their pages, of two levels at least: what was added, changed, taken
/// away, moved, and one that has nothing to do with them.
fn trees() -> Vec<Tree> {
    let mut first = Tree::new();
    first.insert(MapKey::root(), Thing::Directory);
    (0..12).for_each(|n| folder(&mut first, &format!("/many/{n}"), n * 1000, 900));
    let mut changed = first.clone();
    changed.insert(key("/many/5/005000"), Thing::File(vec![7, 8]));
    changed.remove(&key("/many/7/007899"));
    let mut grown = changed.clone();
    folder(&mut grown, "/more", 5000, 2000);
    let moved = grown.clone().into_iter().filter(|(key, _)| key.parent != b"many\x003").collect();
    let mut other = Tree::new();
    folder(&mut other, "/many/5", 5000, 3);
    vec![first.clone(), changed, grown, moved, first, other, Tree::new()]
}

fn saved() -> (Fixture, Roots) {
    let mut fixture = Fixture::new();
    let ids: Vec<_> = trees().iter().map(|tree| fixture.save(1, tree)).collect();
    let root = |id: &_| root_of(&fixture.repository.manifest(*id).unwrap());
    let roots = ids.iter().map(root).collect();
    (fixture, roots)
}

/// What each map has at each key, as it is met.
fn merged(merge: &mut Merge<'_>, chunks: &mut Chunks) -> BTreeMap<MapKey, BTreeMap<u32, Node>> {
    let mut found = BTreeMap::new();
    while let Some(met) = merge.next(chunks).unwrap() {
        let Met::Entry(key, variants) = met else { panic!("{met:?}") };
        assert!(found.last_key_value().is_none_or(|(last, _)| *last < key), "in order");
        let mut nodes = BTreeMap::new();
        for (at, Variant { node, maps }) in variants.iter().enumerate() {
            assert!(variants[..at].iter().all(|other| other.node != *node), "together");
            assert!(maps.is_sorted_by(|a, b| a < b) && !maps.is_empty());
            nodes.extend(maps.iter().map(|map| (*map, node.clone())));
        }
        found.insert(key, nodes);
    }
    found
}

/// The same from each map alone.
fn alone(
    roots: &Roots,
    bounds: &Bounds,
    chunks: &mut Chunks,
) -> BTreeMap<MapKey, BTreeMap<u32, Node>> {
    let mut all: BTreeMap<MapKey, BTreeMap<u32, Node>> = BTreeMap::new();
    for (number, root) in roots.iter().enumerate() {
        let root = root.as_ref().map(|(page, level)| (page, *level));
        let mut map = Map::new(root, bounds.clone());
        while let Some(found) = map.next(chunks).unwrap() {
            let Found::Entry(entry) = found else { panic!("{found:?}") };
            all.entry(entry.key).or_default().insert(number as u32, entry.node);
        }
    }
    all
}

#[test]
fn maps_together_give_what_each_gives_alone() {
    let (fixture, roots) = saved();
    assert!(roots.iter().flatten().any(|(_, level)| *level > 0), "of several levels");
    let mut chunks = fixture.reader();
    let below = |path| Bounds::Below(key(path));
    let bounds = [
        Bounds::All,
        below("/many"),
        below("/many/5"),
        below("/"),
        below("/nothing"),
        Bounds::One(key("/many/7/007899")),
        Bounds::One(MapKey::root()),
    ];
    for bounds in bounds {
        let expected = alone(&roots, &bounds, &mut chunks);
        let mut merge = Merge::new(roots.clone(), bounds.clone());
        let found = merged(&mut merge, &mut chunks);
        assert_eq!(found.len(), expected.len(), "{bounds:?}");
        assert!(found == expected, "{bounds:?}");
    }
}

#[test]
fn only_what_is_wanted_is_met() {
    let (fixture, roots) = saved();
    let mut chunks = fixture.reader();
    let wanted = |entry: &Entry| entry.key.name.ends_with(b"99");
    let mut expected = alone(&roots, &Bounds::All, &mut chunks);
    expected.retain(|key, _| key.name.ends_with(b"99"));
    let mut merge = Merge::new(roots.clone(), Bounds::All).wanting(wanted);
    assert!(merged(&mut merge, &mut chunks) == expected);
    assert!(expected.len() > 100);
}

#[test]
fn a_page_of_several_maps_is_read_once_and_one_that_is_skipped_never() {
    let (mut fixture, roots) = saved();
    // With no room for frames, each page that is read is a call to a store that is near.
    fixture.repository.extents = Arc::new(Extents::near(fixture.store.clone()));
    let pages = |roots: &Roots, skipped: fn(&PageRef, &[u32]) -> bool| {
        let mut chunks = Chunks::new(&fixture.repository, 0, 0).unwrap();
        let mut merge = Merge::new(roots.clone(), Bounds::All).skipping(skipped);
        fixture.store.forget();
        while merge.next(&mut chunks).unwrap().is_some() {}
        fixture.store.count(Operation::GetRange)
    };
    let one = vec![roots[0].clone()];
    let first = pages(&one, |_, _| false);
    let many = pages(&vec![roots[0].clone(); 50], |_, _| false);
    assert_eq!(many, first, "fifty equal maps are one");
    let changed = pages(&roots[..2].to_vec(), |_, _| false);
    assert!(changed > first && changed <= first + 6, "{changed} of {first}");
    let differing = pages(&roots[..2].to_vec(), |_, maps| maps.len() == 2);
    assert!((1..=10).contains(&differing), "{differing} of {first}");
    assert_eq!(pages(&vec![roots[0].clone(); 2], |_, maps| maps.len() == 2), 0);
}

#[test]
fn a_page_that_is_lost_is_told_with_all_that_lose_by_it() {
    let (fixture, roots) = saved();
    let (root, _) = roots[2].clone().unwrap();
    fixture.lose(&root.page);
    let mut chunks = fixture.reader();
    let mut merge = Merge::new(roots.clone(), Bounds::All);
    let (mut lost, mut entries) = (Vec::new(), 0);
    while let Some(met) = merge.next(&mut chunks).unwrap() {
        match met {
            Met::Entry(..) => entries += 1,
            Met::Lost { entries, maps, .. } => lost.push((entries, maps)),
        }
    }
    assert!(entries > 10_000, "the others are whole: {entries}");
    assert!(lost.contains(&(root.entries, vec![2])), "{lost:?}");
}
