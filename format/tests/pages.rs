//! Hostile pages: what a page may not say, however it is encoded.

use crate::samples::{bare, entry, file, inner, leaf, list_inner, list_leaf, page_ref};
use crate::support::*;
use esker_format::cbor::{self, Writer};
use esker_format::error::FormatError;
use esker_format::list::{ListPage, ListRef};
use esker_format::node::{Node, NodeKind};
use esker_format::page::{Entry, Page, PageRef, reference_to};
use esker_format::path::MapKey;

/// A leaf with these groups of parent and names, whatever they are.
fn raw_leaf(groups: &[(&[u8], &[&[u8]])]) -> Vec<u8> {
    let node = cbor::encode(&bare(NodeKind::Fifo));
    let mut w = Writer::default();
    w.array(2);
    w.u64(0);
    w.array(groups.len());
    let mut out = w.into_bytes();
    for (parent, names) in groups {
        let mut w = Writer::default();
        w.array(2);
        w.bytes(parent);
        w.array(names.len());
        out.extend(w.into_bytes());
        for name in *names {
            let mut w = Writer::default();
            w.array(2);
            w.bytes(name);
            out.extend(w.into_bytes());
            out.extend_from_slice(&node);
        }
    }
    out
}

fn key(parent: &[u8], name: &[u8]) -> MapKey {
    MapKey { parent: parent.to_vec(), name: name.to_vec() }
}

#[test]
fn names_that_could_escape_are_refused_wherever_they_stand() {
    for name in [&b""[..], b".", b"..", b"a/b", b"/a", b"a\0b", b"\0", &[b'x'; 256]] {
        assert!(Page::decode(&raw_leaf(&[(b"a", &[name])])).is_err(), "{name:?}");
        assert!(
            Page::decode(&raw_leaf(&[(name, &[b"a"])])).is_err()
                || name.is_empty()
                || name == b"a\0b"
        );
        let page = PageRef { parent: b"a".to_vec(), name: name.to_vec(), ..page_ref("/") };
        assert!(Page::decode(&Page::Inner(1, vec![page]).encode()).is_err(), "{name:?}");
    }
    for parent in [&b"a/b"[..], b"..", b"a\0..", b"..\0a", b"a\0", b"\0a", b"a\0\0b", b"/", b"."] {
        assert!(Page::decode(&raw_leaf(&[(parent, &[b"x"])])).is_err(), "{parent:?}");
        let page = PageRef { parent: parent.to_vec(), name: b"x".to_vec(), ..page_ref("/") };
        assert!(Page::decode(&Page::Inner(1, vec![page]).encode()).is_err(), "{parent:?}");
    }
}

#[test]
fn paths_are_absolute_and_without_dots() {
    for bad in [&b""[..], b"a", b"./a", b"/a/../b", b"/./a", b"/a/..", b"/a\0b", b"a/b"] {
        assert!(MapKey::from_path(bad).is_err(), "{bad:?}");
    }
    assert_eq!(MapKey::from_path(b"//a///b/").unwrap(), key(b"a", b"b"));
    assert_eq!(MapKey::from_path(b"/").unwrap(), MapKey::root());
}

#[test]
fn entries_ascend_and_are_there_once() {
    assert!(Page::decode(&raw_leaf(&[(b"", &[b"", b"a", b"b"]), (b"a", &[b"x"])])).is_ok());
    for groups in [
        &[(&b""[..], &[&b"b"[..], b"a"][..])][..],
        &[(b"", &[b"a", b"a"])],
        &[(b"b", &[b"x"]), (b"a", &[b"x"])],
        &[(b"a", &[b"x"]), (b"a", &[b"y"])],
        &[(b"", &[b"a", b""])],
        &[(b"a", &[b""])],
        &[(b"a", &[b"x"]), (b"", &[b""])],
        &[(b"a", &[])],
        &[(b"a", &[b"x"]), (b"b", &[])],
        &[],
    ] {
        assert!(Page::decode(&raw_leaf(groups)).is_err(), "{groups:?}");
    }
}

#[test]
fn first_keys_of_an_inner_page_ascend() {
    let read = |paths: &[&str]| {
        Page::decode(&Page::Inner(1, paths.iter().map(|p| page_ref(p)).collect()).encode())
    };
    assert!(read(&["/", "/a", "/b", "/a/x"]).is_ok());
    for paths in [&["/b", "/a"][..], &["/a", "/a"], &["/a/x", "/b"], &["/a", "/"], &[]] {
        assert!(read(paths).is_err(), "{paths:?}");
    }
}

#[test]
fn references_are_to_pages_that_can_be() {
    let read = |page: PageRef| Page::decode(&Page::Inner(1, vec![page]).encode());
    assert!(read(page_ref("/a")).is_ok());
    assert!(read(PageRef { entries: 0, ..page_ref("/a") }).is_err());
    assert!(read(PageRef { page_len: 0, ..page_ref("/a") }).is_err());
    assert!(read(PageRef { page_len: (8 << 20) + 1, ..page_ref("/a") }).is_err());
    let read = |change: fn(&mut ListRef)| {
        let ListPage::Inner(level, mut pages) = list_inner() else { unreachable!() };
        change(&mut pages[1]);
        ListPage::decode(&ListPage::Inner(level, pages).encode())
    };
    assert!(read(|_| ()).is_ok());
    assert!(read(|p| p.items = 0).is_err());
    assert!(read(|p| p.bytes = p.items - 1).is_err());
    assert!(read(|p| p.page_len = 0).is_err());
    assert!(read(|p| p.page_len = (8 << 20) + 1).is_err());
    assert!(read(|p| p.bytes = u64::MAX).is_err(), "a sum beyond 64 bits");
}

#[test]
fn a_page_is_what_its_reference_says() {
    for page in [leaf(), inner()] {
        let reference = reference_to(&page, chunk(1), 99).unwrap();
        let level = page.level();
        assert_eq!(page.expect(&reference, level), Ok(()));
        assert!(page.expect(&reference, level + 1).is_err());
        let with = |change: fn(&mut PageRef)| {
            let mut reference = reference.clone();
            change(&mut reference);
            page.expect(&reference, level)
        };
        assert!(with(|r| r.entries += 1).is_err());
        assert!(with(|r| r.bytes -= 1).is_err());
        assert!(with(|r| r.name = b"other".to_vec()).is_err());
        assert!(with(|r| r.parent = b"other".to_vec()).is_err());
        assert_eq!(with(|r| r.extra = extra(&[(128, 1)])), Ok(()), "a field of a newer version");
    }
}

#[test]
fn a_list_page_is_what_its_reference_says() {
    let bytes = (1 << 33) + 70_000 + 4096 + 1;
    assert_eq!(list_leaf().expect(0, 4, bytes), Ok(()));
    assert_eq!(list_inner().expect(1, 512, 1 << 25), Ok(()));
    assert!(list_leaf().expect(1, 4, bytes).is_err());
    assert!(list_leaf().expect(0, 5, bytes).is_err());
    assert!(list_leaf().expect(0, 4, bytes + 1).is_err());
    assert!(list_inner().expect(0, 512, 1 << 25).is_err());
}

#[test]
fn a_level_is_not_played_with() {
    // An inner page that calls itself a leaf, a leaf that calls itself inner, and levels too high.
    let with_level = |bytes: Vec<u8>, level: u8| {
        assert_eq!(bytes[0], 0x82);
        [&[0x82, level][..], &bytes[2..]].concat()
    };
    assert!(Page::decode(&with_level(inner().encode(), 0)).is_err());
    assert!(Page::decode(&with_level(leaf().encode(), 1)).is_err());
    assert!(Page::decode(&with_level(inner().encode(), 11)).is_err());
    assert!(ListPage::decode(&with_level(list_inner().encode(), 0)).is_err());
    assert!(ListPage::decode(&with_level(list_leaf().encode(), 1)).is_err());
    assert!(ListPage::decode(&with_level(list_inner().encode(), 11)).is_err());
}

#[test]
fn counts_beyond_64_bits_are_refused() {
    let most = || PageRef { entries: u64::MAX, ..page_ref("/a") };
    let page = Page::Inner(1, vec![most(), PageRef { entries: 1, ..page_ref("/b") }]);
    assert!(reference_to(&page, chunk(1), 99).is_err());
    let huge = |path: &str| {
        let content =
            esker_format::content::Content::Items(vec![esker_format::content::Item::Hole(
                u64::MAX,
            )]);
        entry(path, Node { size: Some(u64::MAX), content: Some(content), ..file() })
    };
    let page = Page::Leaf(vec![huge("/a"), huge("/b")]);
    assert!(matches!(reference_to(&page, chunk(1), 9), Err(FormatError::Malformed { .. })));
}

#[test]
fn a_page_of_something_else_is_refused() {
    for bytes in [list_leaf().encode(), list_inner().encode(), cbor::encode(&file()), vec![]] {
        assert!(Page::decode(&bytes).is_err());
    }
    for bytes in [leaf().encode(), inner().encode(), cbor::encode(&file()), vec![]] {
        assert!(ListPage::decode(&bytes).is_err());
    }
    let entry = Entry { key: key(b"", b"x"), node: Node { size: Some(5), ..file() } };
    assert!(Page::decode(&Page::Leaf(vec![entry]).encode()).is_err(), "a node that is wrong");
}
