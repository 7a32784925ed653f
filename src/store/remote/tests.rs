//! The store of S3 over a real server.

use std::ffi::OsStr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::RemoteStore;
use crate::servers::S3Server;
use crate::store::address::Address;
use crate::store::conformance::{conformance, of_sixteen_racing_writers_exactly_one_stores, read};
use crate::store::probe::Probe;
use crate::store::settings::Settings;
use crate::store::stores_file::StoresFile;
use crate::store::{Durability, Put, Store, StoreErrorKind};

mod broken;
#[cfg(any(feature = "azblob", feature = "webdav"))]
mod others;
mod script;

/// Opens an address with what the server's file of stores says.
fn open(server: &S3Server, address: &str) -> RemoteStore {
    let Address::Remote(remote) = Address::parse(OsStr::new(address)).unwrap() else {
        panic!("{address} is a folder")
    };
    let stores = StoresFile::read(&server.stores_file()).unwrap();
    let settings = Settings::new(&remote, &stores, &|_| None).unwrap();
    RemoteStore::open(&remote.to_string(), &settings).unwrap()
}

#[test]
fn s3_keeps_the_contract() {
    let server = S3Server::start();
    let number = AtomicU32::new(0);
    conformance(&|| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        Box::new(open(&server, &format!("s3://bucket/store/{number}")))
    });
}

/// That a server loses a race shows only now and then, so there are many.
#[test]
fn the_suite_finds_a_server_that_looks_first_and_puts_then() {
    let server = S3Server::without_lock();
    let found = (0..50).any(|number| {
        let store = open(&server, &format!("s3://bucket/store/{number}"));
        let race = std::panic::AssertUnwindSafe(|| {
            of_sixteen_racing_writers_exactly_one_stores(&store);
        });
        std::panic::catch_unwind(race).is_err()
    });
    assert!(found, "of sixteen writers one stored, 200 times");
}

#[test]
fn a_probe_over_s3_is_good_and_tells_the_time() {
    let server = S3Server::start();
    let store = open(&server, "s3://bucket/store");
    assert!(store.nature().is_for_several_writers && store.nature().endpoint == server.endpoint);
    let probe = Probe { time: 1_700_000_000, delete: true };
    let found = probe.run(&store).unwrap();
    for verdict in [&found.put_if_absent, &found.listing, &found.ranges] {
        assert!(verdict.is_good(), "{found:?}");
    }
    assert_eq!(found.deletes, Some(true));
    assert!(found.clock_ahead.unwrap().abs() < 60, "{found:?}");
    store.list("", &mut |left| panic!("{} is left", left.name)).unwrap();
}

#[test]
fn a_probe_finds_a_server_that_looks_first_and_puts_then() {
    let server = S3Server::without_lock();
    let probe = Probe { time: 1_700_000_000, delete: true };
    let found = (0..50).any(|number| {
        let store = open(&server, &format!("s3://bucket/store/{number}"));
        !probe.run(&store).unwrap().put_if_absent.is_good()
    });
    assert!(found, "of sixteen writers one stored, 250 times");
}

#[test]
fn a_store_at_the_top_of_a_bucket_and_one_below_do_not_see_more_than_they_should() {
    let server = S3Server::start();
    let (top, below) = (open(&server, "s3://bucket"), open(&server, "s3://bucket/a/b"));
    assert_eq!(below.put_new("x/1", &[b"1"], Durability::Now).unwrap(), Put::Stored);
    assert_eq!(read(&top, "a/b/x/1"), b"1");
    let mut names = Vec::new();
    below.list("", &mut |found| names.push(found.name)).unwrap();
    top.list("", &mut |found| names.push(found.name)).unwrap();
    assert_eq!(names, ["x/1", "a/b/x/1"]);
    assert_eq!(
        (top.location(), below.location()),
        ("s3://bucket".into(), "s3://bucket/a/b".into())
    );
}

/// It looks first, says so, and hangs up on the rest of the body.
#[test]
fn a_large_object_that_is_there_already_is_found_to_be_so() {
    let server = S3Server::start();
    let store = open(&server, "s3://bucket/x");
    let large = vec![7; 16 << 20];
    assert_eq!(store.put_new("a", &[&large], Durability::Now).unwrap(), Put::Stored);
    for _ in 0..10 {
        assert_eq!(store.put_new("a", &[&large], Durability::Now).unwrap(), Put::Exists);
    }
}

#[test]
fn a_missing_bucket_is_told_as_such() {
    let server = S3Server::start();
    let address = format!("s3://none?endpoint={}", server.endpoint);
    let text = server.stores("esker", "esker-secret").replace("s3://bucket", "s3://none");
    crate::servers::write_private(&server.stores_file(), &text);
    let store = open(&server, &address);
    let mut out = Vec::new();
    let errors = [
        store.get("config", 9, &mut out).unwrap_err(),
        store.list("", &mut |_| ()).unwrap_err(),
        store.put_new("a", &[b"1"], Durability::Now).unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind, error.name.as_str()), (StoreErrorKind::NotFound, ""), "{error:?}");
        assert!(format!("{:?}", error.source).contains("NoSuchBucket"), "{error:?}");
    }
}

#[test]
fn wrong_keys_are_refused_in_the_words_of_the_service() {
    let server = S3Server::start();
    for (key, secret) in [("esker", "wrong"), ("somebody", "esker-secret")] {
        crate::servers::write_private(&server.stores_file(), &server.stores(key, secret));
        let store = open(&server, "s3://bucket/x");
        let error = store.get("config", 9, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Permission, "{error:?}");
        assert!(error.source.is_some(), "{error:?}");
    }
}
