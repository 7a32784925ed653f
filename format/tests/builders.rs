//! What the builders make: every entry comes back in order, pages are within their limits, and a
//! change stays near where it was made.

use crate::samples::{bare, entry};
use crate::support::*;
use esker_format::content::{Item, ListRoot};
use esker_format::error::FormatError;
use esker_format::ids::ChunkId;
use esker_format::limits::{PAGE_ENTRIES_MAX, PAGE_ENTRIES_MIN, PAGE_MAX};
use esker_format::list::{ListBuilder, ListPage};
use esker_format::map_builder::MapBuilder;
use esker_format::node::{Node, NodeKind};
use esker_format::page::{Entry, Page, PageRef};
use esker_format::path::MapKey;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Pages by id, as a repository would keep them.
type Stored = BTreeMap<ChunkId, Vec<u8>>;

fn build(entries: &[Entry]) -> (Stored, Option<(PageRef, u8)>) {
    let keys = scope();
    let mut pages = Stored::new();
    let mut builder = MapBuilder::new(&keys);
    let mut store = |bytes: &[u8]| {
        let id = keys.page_id(bytes);
        pages.insert(id, bytes.to_vec());
        Ok::<_, FormatError>(id)
    };
    for entry in entries {
        builder.push(entry.clone(), &mut store).unwrap();
    }
    let root = builder.finish(&mut store).unwrap();
    (pages, root)
}

/// All entries below a reference; every page is checked against what names it.
fn walk(pages: &Stored, root: &PageRef, level: u8, is_root: bool, last: bool) -> Vec<Entry> {
    let bytes = &pages[&root.page];
    assert_eq!(bytes.len() as u64, root.page_len);
    assert!(bytes.len() <= PAGE_MAX);
    let page = Page::decode(bytes).unwrap();
    page.expect(root, level).unwrap();
    let count = match &page {
        Page::Leaf(entries) => entries.len(),
        Page::Inner(_, pages) => pages.len(),
    };
    assert!(count <= PAGE_ENTRIES_MAX);
    assert!(count >= PAGE_ENTRIES_MIN || is_root || last, "{count} entries");
    match page {
        Page::Leaf(entries) => entries,
        Page::Inner(_, children) => {
            assert!(children.len() > 1 || !is_root, "a root with a single page");
            let end = children.len() - 1;
            let child = |(i, child): (usize, &PageRef)| {
                walk(pages, child, level - 1, false, (is_root || last) && i == end)
            };
            children.iter().enumerate().flat_map(child).collect()
        }
    }
}

fn everything(pages: &Stored, root: &Option<(PageRef, u8)>) -> Vec<Entry> {
    root.as_ref().map_or(vec![], |(root, level)| walk(pages, root, *level, true, true))
}

/// Ids of the pages of each level, from the leaves up.
fn levels(pages: &Stored) -> Vec<Vec<ChunkId>> {
    let mut levels: Vec<Vec<ChunkId>> = vec![];
    for (id, bytes) in pages {
        let level = usize::from(Page::decode(bytes).unwrap().level());
        levels.resize(levels.len().max(level + 1), vec![]);
        levels[level].push(*id);
    }
    levels
}

fn numbered(n: usize) -> Vec<Entry> {
    let path = |i| format!("/dir {:03}/file {:05}", i / 700, i);
    (0..n).map(|i| entry(&path(i), bare(NodeKind::Fifo))).collect()
}

#[test]
fn an_empty_map_has_no_page_and_a_small_one_has_one() {
    assert_eq!(build(&[]).1, None);
    let (pages, root) = build(&numbered(3));
    assert_eq!((pages.len(), root.as_ref().unwrap().1), (1, 0));
    assert_eq!(everything(&pages, &root), numbered(3));
}

#[test]
fn a_large_map_comes_back_in_order_through_three_levels() {
    let entries = numbered(60_000);
    let (pages, root) = build(&entries);
    let (reference, level) = root.clone().unwrap();
    assert_eq!((level, reference.entries), (2, 60_000));
    assert!(everything(&pages, &root) == entries);
    let leaves = levels(&pages)[0].len();
    assert!((60_000 / 400..60_000 / 150).contains(&leaves), "{leaves} leaves");
}

#[test]
fn a_changed_value_changes_one_page_a_level() {
    let entries = numbered(40_000);
    let (before, _) = build(&entries);
    for at in [0, 1, 12_345, 39_999] {
        let mut changed = entries.clone();
        changed[at].node.mode = 0o600;
        let (after, _) = build(&changed);
        for (level, pages) in levels(&after).iter().enumerate() {
            let new = pages.iter().filter(|id| !before.contains_key(id)).count();
            assert_eq!(new, 1, "entry {at}, level {level}");
        }
        assert_eq!(before.len(), after.len());
    }
}

#[test]
fn a_key_more_or_less_changes_only_pages_nearby() {
    let entries = numbered(40_000);
    let (before, root) = build(&entries);
    let depth = usize::from(root.unwrap().1) + 1;
    let (mut most, mut sum) = (0, 0);
    for at in (0..40).map(|i| i * 1000 + 7) {
        let mut fewer = entries.clone();
        fewer.remove(at);
        let mut more = entries.clone();
        let key = MapKey { name: [&more[at].key.name[..], b"!"].concat(), ..more[at].key.clone() };
        more.insert(at + 1, Entry { key, node: bare(NodeKind::Socket) });
        for changed in [fewer, more] {
            let (after, root) = build(&changed);
            assert!(everything(&after, &root) == changed);
            let new = after.keys().filter(|id| !before.contains_key(id)).count();
            (most, sum) = (most.max(new), sum + new);
        }
    }
    // A cut that falls into the first 64 entries of another page moves; it soon finds a common one.
    assert!(most <= 8 * depth, "{most} new pages for one entry");
    assert!(sum <= 80 * 2 * depth, "{sum} new pages for 80 changes");
}

#[test]
fn equal_subtrees_share_leaves_whatever_stands_before() {
    let entries = numbered(20_000);
    let (whole, _) = build(&entries);
    let (part, _) = build(&entries[7_000..]);
    let leaves = &levels(&part)[0];
    let shared = leaves.iter().filter(|id| whole.contains_key(id)).count();
    assert!(shared + 5 >= leaves.len(), "{shared} of {}", leaves.len());
}

#[test]
fn entries_out_of_order_or_wrong_are_refused() {
    let keys = scope();
    let mut store = |_: &[u8]| Ok::<_, FormatError>(chunk(1));
    let mut push = |entries: &[Entry]| {
        let mut builder = MapBuilder::new(&keys);
        entries.iter().try_for_each(|entry| builder.push(entry.clone(), &mut store))
    };
    let fifo = |path: &str| entry(path, bare(NodeKind::Fifo));
    assert_eq!(push(&[fifo("/a"), fifo("/b")]), Ok(()));
    assert!(push(&[fifo("/b"), fifo("/a")]).is_err());
    assert!(push(&[fifo("/a"), fifo("/a")]).is_err());
    let dots = MapKey { parent: b"a".to_vec(), name: b"..".to_vec() };
    assert!(push(&[Entry { key: dots, node: bare(NodeKind::Fifo) }]).is_err());
    let mode = Node { mode: 0o10000, ..bare(NodeKind::Fifo) };
    assert!(push(&[entry("/a", mode)]).is_err());
    // Also over a cut: the order is checked against the last entry whichever page it is in.
    let mut many = numbered(3000);
    many.push(many[0].clone());
    assert!(push(&many).is_err());
}

#[test]
fn keys_of_64_kib_make_small_pages_that_come_back() {
    let path = |i: usize| {
        let parent = vec![vec![b'p'; 255]; 255].join(&b'/');
        format!("/{}/{i:05}", String::from_utf8(parent).unwrap())
    };
    let entries: Vec<Entry> = (0..200).map(|i| entry(&path(i), bare(NodeKind::Fifo))).collect();
    let keys = scope();
    let mut pages = Stored::new();
    let mut builder = MapBuilder::new(&keys);
    let mut store = |bytes: &[u8]| {
        let id = keys.page_id(bytes);
        Page::decode(bytes).unwrap();
        pages.insert(id, bytes.to_vec());
        Ok::<_, FormatError>(id)
    };
    for entry in &entries {
        builder.push(entry.clone(), &mut store).unwrap();
    }
    let (root, level) = builder.finish(&mut store).unwrap().unwrap();
    assert_eq!((root.entries, level), (200, 1));
    let leaves = pages.values().map(|b| Page::decode(b).unwrap()).filter(|p| p.level() == 0);
    let counts: Vec<usize> =
        leaves.map(|page| if let Page::Leaf(entries) = page { entries.len() } else { 0 }).collect();
    assert_eq!(counts.iter().sum::<usize>(), 200);
    assert!(counts.iter().all(|n| *n <= 17), "{counts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_map_comes_back(numbers in prop::collection::btree_set(0u32..9000, 0..3000)) {
        let entries: Vec<Entry> = numbers
            .iter()
            .map(|n| entry(&format!("/{:02}/{:04}", n / 1000, n), bare(NodeKind::Fifo)))
            .collect();
        let (pages, root) = build(&entries);
        prop_assert!(everything(&pages, &root) == entries);
    }

    #[test]
    fn any_list_comes_back(ids in prop::collection::vec(0u32..3000, 1..3000)) {
        let items: Vec<Item> = ids.iter().map(|n| item(*n)).collect();
        let (pages, root) = build_list(&items);
        prop_assert!(whole_list(&pages, &root) == items);
    }
}

fn item(n: u32) -> Item {
    if n.is_multiple_of(50) { Item::Hole(4096) } else { Item::Data(chunk(n), u64::from(n)) }
}

fn build_list(items: &[Item]) -> (Stored, ListRoot) {
    let keys = scope();
    let mut pages = Stored::new();
    let mut builder = ListBuilder::default();
    let mut store = |bytes: &[u8]| {
        let id = keys.page_id(bytes);
        pages.insert(id, bytes.to_vec());
        Ok::<_, FormatError>(id)
    };
    for item in items {
        builder.push(*item, &mut store).unwrap();
    }
    let root = builder.finish(&mut store).unwrap();
    (pages, root)
}

fn whole_list(pages: &Stored, root: &ListRoot) -> Vec<Item> {
    let level = u8::try_from(root.level).unwrap();
    walk_list(pages, root.page, root.page_len, level, (root.items, root.bytes))
}

fn walk_list(
    pages: &Stored,
    id: ChunkId,
    len: u64,
    level: u8,
    (items, bytes): (u64, u64),
) -> Vec<Item> {
    let encoded = &pages[&id];
    assert_eq!(encoded.len() as u64, len);
    let page = ListPage::decode(encoded).unwrap();
    page.expect(level, items, bytes).unwrap();
    match page {
        ListPage::Leaf(items) => items,
        ListPage::Inner(_, children) => {
            let child = |c: &esker_format::list::ListRef| {
                walk_list(pages, c.page, c.page_len, level - 1, (c.items, c.bytes))
            };
            children.iter().flat_map(child).collect()
        }
    }
}

fn chunks(n: u32) -> Vec<Item> {
    (0..n).map(|n| Item::Data(chunk(n), 4096)).collect()
}

#[test]
fn a_long_list_has_levels_and_comes_back() {
    for (n, level) in [(1, 0), (17, 0), (64, 0), (1500, 1), (200_000, 2)] {
        let items = chunks(n);
        let (pages, root) = build_list(&items);
        assert_eq!((root.items, root.bytes), (u64::from(n), u64::from(n) * 4096));
        assert_eq!(root.level, level, "{n}");
        assert!(whole_list(&pages, &root) == items);
    }
    // Holes have no ids and never end a page.
    let (pages, root) = build_list(&[Item::Hole(1); 3000]);
    assert_eq!((root.level, pages.len()), (1, 3), "two full equal pages, a rest, a root");
}

#[test]
fn equal_runs_share_list_pages() {
    let run = chunks(20_000);
    let (before, _) = build_list(&run);
    let mut after = run.clone();
    after.splice(9_000..9_001, (0..77).map(|n| Item::Data(chunk(1 << 20 | n), 1)));
    after.insert(0, Item::Zero(1));
    let (after, _) = build_list(&after);
    let new = after.keys().filter(|id| !before.contains_key(id)).count();
    assert!(new <= 12, "{new} new pages of {}", after.len());
}

#[test]
fn few_items_stay_in_the_node() {
    let mut store = |_: &[u8]| Ok::<_, FormatError>(chunk(1));
    let mut builder = ListBuilder::default();
    for n in 0..16 {
        assert_eq!(builder.short().map(<[_]>::len), Some(n));
        builder.push(Item::Zero(1), &mut store).unwrap();
    }
    assert_eq!(builder.short().map(<[_]>::len), Some(16));
    builder.push(Item::Zero(1), &mut store).unwrap();
    assert_eq!(builder.short(), None);
    assert!(builder.push(Item::Hole(0), &mut store).is_err());
    assert!(builder.push(Item::Data(chunk(1), (16 << 20) + 1), &mut store).is_err());
    assert!(ListBuilder::default().finish(&mut store).is_err());
}
