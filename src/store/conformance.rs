//! One suite for every store: what [`Store`] says, as tests.

use std::sync::Barrier;
use std::thread;

use super::{Durability, Listed, Put, Store, StoreError, StoreErrorKind};

/// Holds a kind of store to the contract; `make` gives a new, empty one each time.
pub fn conformance(make: &dyn Fn() -> Box<dyn Store>) {
    conformance_of_one_writer(make);
    of_sixteen_racing_writers_exactly_one_stores(&*make());
}

/// The same without races: for services that look first and put then.
pub fn conformance_of_one_writer(make: &dyn Fn() -> Box<dyn Store>) {
    for test in [
        what_is_put_is_read_back,
        an_object_is_the_parts_one_after_the_other,
        an_object_that_exists_is_not_changed,
        a_range_is_exact_or_an_error,
        a_limit_is_kept_before_memory_is_taken,
        what_is_absent_is_not_found,
        a_listing_is_exact,
        what_is_deleted_is_absent_and_can_be_put_again,
        bad_names_are_refused,
        failures_leave_nothing_behind,
        an_object_put_at_the_barrier_is_visible_at_once,
    ] {
        test(&*make());
    }
}

/// Of two hosts that put the same names, exactly one stores each, and readers find what it has put.
pub fn of_two_hosts_exactly_one_stores_each(hosts: [&dyn Store; 2]) {
    let put_all = |host: usize| {
        let put = |n: u64| {
            let bytes = noise(host as u64, 1000);
            hosts[host].put_new(&format!("log/{n}"), &[&bytes], Durability::Now).unwrap()
        };
        (0..100).map(put).collect::<Vec<_>>()
    };
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(|| put_all(0));
        (put_all(1), first.join().unwrap())
    });
    for (n, pair) in first.iter().zip(&second).enumerate() {
        assert_ne!(pair.0, pair.1, "log/{n}");
        let winner = u64::from(*pair.0 == Put::Stored);
        assert!(read(hosts[0], &format!("log/{n}")) == noise(winner, 1000), "log/{n}");
    }
    assert_eq!(names(hosts[1], "").len(), 100);
}

/// A whole object.
pub fn read(store: &dyn Store, name: &str) -> Vec<u8> {
    let mut out = b"left over".to_vec();
    store.get(name, u64::MAX, &mut out).unwrap();
    out
}

/// The sorted names of a listing.
pub fn names(store: &dyn Store, prefix: &str) -> Vec<String> {
    listed(store, prefix).into_iter().map(|l| l.name).collect()
}

/// Bytes that differ at every place and for every seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn listed(store: &dyn Store, prefix: &str) -> Vec<Listed> {
    let mut listed = Vec::new();
    store.list(prefix, &mut |one| listed.push(one)).unwrap();
    listed.sort();
    listed
}

fn put(store: &dyn Store, name: &str, bytes: &[u8]) -> Put {
    let put = store.put_new(name, &[bytes], Durability::AtBarrier);
    put.unwrap()
}

fn kind<T: std::fmt::Debug>(result: Result<T, StoreError>) -> StoreErrorKind {
    result.unwrap_err().kind
}

fn what_is_put_is_read_back(store: &dyn Store) {
    for (name, durability) in [("now", Durability::Now), ("later", Durability::AtBarrier)] {
        for len in [0, 1, 4096, 20 << 20] {
            let name = format!("{name}/{len}");
            let bytes = noise(len as u64, len);
            let put = store.put_new(&name, &[&bytes], durability).unwrap();
            assert_eq!(put, Put::Stored);
            assert_eq!(store.size(&name).unwrap(), Some(len as u64));
            assert!(read(store, &name) == bytes, "{name}");
        }
    }
    store.barrier().unwrap();
    store.barrier().unwrap();
}

fn an_object_is_the_parts_one_after_the_other(store: &dyn Store) {
    let many: Vec<[u8; 1]> = (0..3000_u32).map(|n| [n as u8]).collect();
    let many: Vec<&[u8]> = many.iter().map(|part| &part[..]).collect();
    let cases: [(&str, &[&[u8]]); 4] = [
        ("none", &[]),
        ("empty", &[b"", b""]),
        ("some", &[b"", b"ab", b"", b"c", b""]),
        ("many", &many), // more than one system call takes
    ];
    for (name, parts) in cases {
        let put = store.put_new(name, parts, Durability::Now).unwrap();
        assert_eq!((put, read(store, name)), (Put::Stored, parts.concat()));
    }
}

fn an_object_that_exists_is_not_changed(store: &dyn Store) {
    assert_eq!(put(store, "a/b", b"first"), Put::Stored);
    for durability in [Durability::AtBarrier, Durability::Now] {
        for bytes in [&b"first"[..], b"second, and longer", b""] {
            let put = store.put_new("a/b", &[bytes], durability).unwrap();
            assert_eq!((put, read(store, "a/b")), (Put::Exists, b"first".to_vec()));
        }
    }
}

pub fn of_sixteen_racing_writers_exactly_one_stores(store: &dyn Store) {
    for round in 0..4 {
        let name = format!("race/{round}");
        let start = Barrier::new(16);
        let race = |writer: u64| {
            let bytes = noise(writer, 100_000 + writer as usize);
            start.wait();
            (put(store, &name, &bytes), bytes)
        };
        let race = &race;
        let ended: Vec<_> = thread::scope(|scope| {
            let writers: Vec<_> = (0..16).map(|n| scope.spawn(move || race(n))).collect();
            writers.into_iter().map(|w| w.join().unwrap()).collect()
        });
        let mut winners = ended.iter().filter(|(put, _)| *put == Put::Stored);
        let winner = winners.next().expect("one writer stores");
        assert!(winners.next().is_none(), "only one writer stores");
        assert!(read(store, &name) == winner.1);
    }
}

fn a_range_is_exact_or_an_error(store: &dyn Store) {
    let bytes = noise(1, 100_000);
    put(store, "a", &bytes);
    put(store, "empty", b"");
    let mut out = b"left over".to_vec();
    for (offset, len) in
        [(0, 0), (0, 1), (0, 100_000), (1, 99_999), (99_999, 1), (100_000, 0), (4095, 4098)]
    {
        store.get_range("a", offset as u64, len, &mut out).unwrap();
        assert!(out == bytes[offset..offset + len], "{offset} {len}");
    }
    store.get_range("empty", 0, 0, &mut out).unwrap();
    for (name, offset, len) in [
        ("a", 0, 100_001),
        ("a", 100_000, 1),
        ("a", 100_001, 0),
        ("a", 1, usize::MAX),
        ("a", u64::MAX, 1),
        ("a", u64::MAX, usize::MAX),
        ("empty", 0, 1),
    ] {
        let error = kind(store.get_range(name, offset, len, &mut out));
        assert_eq!((error, out.len()), (StoreErrorKind::Truncated, 0));
    }
}

fn a_limit_is_kept_before_memory_is_taken(store: &dyn Store) {
    put(store, "a", &noise(1, 100_000));
    let mut out = b"left over".to_vec();
    store.get("a", 100_000, &mut out).unwrap();
    let mut out = b"left over".to_vec();
    assert_eq!(kind(store.get("a", 99_999, &mut out)), StoreErrorKind::TooLarge);
    assert!(out.is_empty() && out.capacity() < 99_999);
}

fn what_is_absent_is_not_found(store: &dyn Store) {
    put(store, "a/b", b"1");
    for name in ["b", "a/c", "c/d/e"] {
        let mut out = b"left over".to_vec();
        assert_eq!(kind(store.get(name, 9, &mut out)), StoreErrorKind::NotFound);
        assert!(out.is_empty());
        let error = kind(store.get_range(name, 0, 0, &mut out));
        assert_eq!(error, StoreErrorKind::NotFound);
        assert_eq!(store.size(name).unwrap(), None);
        store.delete(name).unwrap();
    }
}

fn a_listing_is_exact(store: &dyn Store) {
    assert_eq!(listed(store, ""), []);
    let mut expected = vec![Listed { name: "config".to_owned(), size: 3 }];
    put(store, "config", b"abc");
    for n in 0..2500_usize {
        let folder = ["pack/ab", "pack/cd", "pack", "packs", "log/0/deep/deeper"][n % 5];
        let name = format!("{folder}/{n:04}");
        put(store, &name, &noise(1, n % 7));
        expected.push(Listed { name, size: n as u64 % 7 });
    }
    expected.sort();
    for prefix in ["", "pack/", "pack/ab/", "packs/", "log/", "log/0/deep/", "none/", "pack/none/"]
    {
        let below = expected.iter().filter(|one| one.name.starts_with(prefix));
        assert!(listed(store, prefix) == below.cloned().collect::<Vec<_>>(), "{prefix}");
    }
}

fn what_is_deleted_is_absent_and_can_be_put_again(store: &dyn Store) {
    put(store, "a/b", b"1");
    put(store, "a/c", b"2");
    for _ in 0..2 {
        store.delete("a/b").unwrap();
        assert_eq!(store.size("a/b").unwrap(), None);
        assert_eq!(names(store, ""), ["a/c"]);
    }
    assert_eq!(put(store, "a/b", b"3"), Put::Stored);
    assert_eq!(read(store, "a/b"), b"3");
    store.barrier().unwrap();
}

fn bad_names_are_refused(store: &dyn Store) {
    let long = "a".repeat(256);
    let mut out = Vec::new();
    for name in
        ["", "/", "a/", "/a", "a//b", ".", "../a", "a/../../b", ".tmp-1", "A", "a\0b", &long]
    {
        let refused = [
            kind(store.put_new(name, &[b"1"], Durability::Now)),
            kind(store.get(name, 9, &mut out)),
            kind(store.get_range(name, 0, 0, &mut out)),
            kind(store.size(name)),
            kind(store.delete(name)),
        ];
        assert_eq!(refused, [StoreErrorKind::BadName; 5], "{name:?}");
    }
    for prefix in ["a", "/", "../", "a//", "A/"] {
        let refused = kind(store.list(prefix, &mut |_| panic!("found something")));
        assert_eq!(refused, StoreErrorKind::BadName, "{prefix:?}");
    }
}

fn failures_leave_nothing_behind(store: &dyn Store) {
    put(store, "a/b", b"1");
    put(store, "a/b", b"2");
    let _ = kind(store.put_new("a/B", &[b"1"], Durability::Now));
    let _ = kind(store.put_new("c/../d", &[b"1"], Durability::AtBarrier));
    let one = Listed { name: "a/b".to_owned(), size: 1 };
    assert_eq!(listed(store, ""), [one]);
}

fn an_object_put_at_the_barrier_is_visible_at_once(store: &dyn Store) {
    let bytes = noise(1, 3 << 20); // large enough for an early write-back
    put(store, "a", &bytes);
    assert!(read(store, "a") == bytes);
    assert_eq!(names(store, ""), ["a"]);
    store.barrier().unwrap();
    assert!(read(store, "a") == bytes);
}
