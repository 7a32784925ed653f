//! A map built with leaves taken over from another map is the map that its entries alone make.

use crate::samples::{bare, entry};
use crate::support::*;
use esker_format::error::FormatError;
use esker_format::ids::ChunkId;
use esker_format::map_builder::{KnownLeaf, MapBuilder, Pages};
use esker_format::node::NodeKind;
use esker_format::page::{Entry, Page, PageRef, reference_to};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The leaves of a map, in order, and everything that was stored for it.
#[derive(Default)]
struct Stored {
    pages: BTreeMap<ChunkId, Vec<u8>>,
    leaves: Vec<(PageRef, Vec<Entry>)>,
    kept: usize,
    opened: usize,
}

impl Pages for Stored {
    type Error = FormatError;
    type Known = Vec<Entry>;

    fn store(&mut self, page: &Page, bytes: &[u8]) -> Result<ChunkId, FormatError> {
        let id = scope().page_id(bytes);
        if let Page::Leaf(entries) = page {
            self.leaves.push((reference_to(page, id, bytes.len() as u64)?, entries.clone()));
        }
        self.pages.insert(id, bytes.to_vec());
        Ok(id)
    }
    fn keep(&mut self, _: Vec<Entry>) {
        self.kept += 1;
    }
    fn open(&mut self, entries: Vec<Entry>) -> Result<Vec<Entry>, FormatError> {
        self.opened += 1;
        Ok(entries)
    }
}

fn build(entries: &[Entry]) -> (Stored, Option<(PageRef, u8)>) {
    let keys = scope();
    let (mut stored, mut map) = (Stored::default(), MapBuilder::new(&keys));
    for entry in entries {
        map.push(entry.clone(), &mut stored).unwrap();
    }
    let root = map.finish(&mut stored).unwrap();
    (stored, root)
}

fn key_bytes(entries: &[Entry]) -> usize {
    entries.iter().map(|e| e.key.parent.len() + e.key.name.len()).sum()
}

/// Builds the map of `after` with every leaf of `before` that it still has in a row.
fn rebuild(before: &Stored, after: &[Entry]) -> (Stored, Option<(PageRef, u8)>) {
    let keys = scope();
    let (mut stored, mut map) = (Stored::default(), MapBuilder::new(&keys));
    let mut at = 0;
    while at < after.len() {
        let same = |leaf: &&(PageRef, Vec<Entry>)| after[at..].starts_with(&leaf.1);
        if let Some((reference, entries)) = before.leaves.iter().find(same) {
            let (reference, known) = (reference.clone(), entries.clone());
            let leaf = KnownLeaf { reference, key_bytes: key_bytes(entries), known };
            map.push_leaf(leaf, &mut stored).unwrap();
            at += entries.len();
        } else {
            map.push(after[at].clone(), &mut stored).unwrap();
            at += 1;
        }
    }
    let root = map.finish(&mut stored).unwrap();
    (stored, root)
}

fn numbered(numbers: impl Iterator<Item = u32>) -> Vec<Entry> {
    let path = |n| format!("/dir {:03}/file {n:06}", n / 300);
    numbers.map(|n| entry(&path(n), bare(NodeKind::Fifo))).collect()
}

#[test]
fn a_map_that_did_not_change_is_taken_over_without_opening_a_leaf() {
    let entries = numbered(0..30_000);
    let (before, root) = build(&entries);
    let (again, same) = rebuild(&before, &entries);
    assert_eq!(root, same);
    assert_eq!((again.kept, again.opened), (before.leaves.len(), 0));
    let inner = before.pages.len() - before.leaves.len();
    assert_eq!(again.pages.len(), inner, "only inner pages are stored again");
}

#[test]
fn a_leaf_out_of_order_is_refused() {
    let entries = numbered(0..3000);
    let (before, _) = build(&entries);
    let keys = scope();
    let (mut stored, mut map) = (Stored::default(), MapBuilder::new(&keys));
    map.push(entries[2999].clone(), &mut stored).unwrap();
    let (reference, known) = before.leaves[0].clone();
    let leaf = KnownLeaf { reference, key_bytes: key_bytes(&known), known };
    assert!(map.push_leaf(leaf, &mut stored).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn known_leaves_make_the_map_that_their_entries_make(
        gone in prop::collection::btree_set(0u32..6000, 0..12),
        cut in 0u32..2000,
        new in prop::collection::btree_set(0u32..9000, 0..12),
    ) {
        let (before, _) = build(&numbered(0..6000));
        let left = (cut..6000).filter(|n| !gone.contains(n) && !new.contains(n));
        let mut numbers: Vec<u32> = left.chain(new.iter().copied()).collect();
        numbers.sort_unstable();
        let after = numbered(numbers.into_iter());
        let (plain, root) = build(&after);
        let (mixed, same) = rebuild(&before, &after);
        prop_assert_eq!(root, same);
        prop_assert!(mixed.pages.keys().all(|id| plain.pages.contains_key(id)));
    }
}
