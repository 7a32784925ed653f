//! The other services that are tested, over real servers, where those can be had.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::RemoteStore;
use crate::store::address::Address;
use crate::store::settings::Settings;
use crate::store::stores_file::StoresFile;
use crate::store::{Durability, Store, StoreErrorKind};

fn open(stores: &Path, address: &str) -> RemoteStore {
    let Address::Remote(remote) = Address::parse(address.as_ref()).unwrap() else { panic!() };
    let settings = Settings::new(&remote, &StoresFile::read(stores).unwrap(), &|_| None).unwrap();
    RemoteStore::open(&remote.to_string(), &settings).unwrap()
}

#[cfg(feature = "azblob")]
#[test]
fn azure_keeps_the_contract() {
    let Some(server) = crate::servers::AzureServer::start() else { return };
    let number = AtomicU32::new(0);
    crate::store::conformance::conformance(&|| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        Box::new(open(&server.stores_file(), &format!("azblob://container/store/{number}")))
    });
}

#[cfg(feature = "azblob")]
#[test]
fn a_missing_container_of_azure_is_told_as_such() {
    let Some(server) = crate::servers::AzureServer::start() else { return };
    let text = std::fs::read_to_string(server.stores_file()).unwrap();
    crate::servers::write_private(&server.stores_file(), &text.replace("//container", "//none"));
    let store = open(&server.stores_file(), "azblob://none");
    let error = store.put_new("a", &[b"1"], Durability::Now).unwrap_err();
    assert!(error.is_no_store(), "{error:?}");
}

#[cfg(feature = "webdav")]
#[test]
fn webdav_keeps_the_contract_for_one_writer() {
    let Some(server) = crate::servers::DavServer::start() else { return };
    let number = AtomicU32::new(0);
    crate::store::conformance::conformance_of_one_writer(&|| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let store = open(&server.stores_file(), &format!("{}/store/{number}", server.address));
        assert!(!store.has_put_if_absent());
        Box::new(store)
    });
}

#[cfg(feature = "webdav")]
#[test]
fn a_probe_over_webdav_lists_and_reads_whatever_the_race_says() {
    let Some(server) = crate::servers::DavServer::start() else { return };
    let store = open(&server.stores_file(), &server.address);
    let probe = crate::store::probe::Probe { time: 1, delete: true };
    let found = probe.run(&store).unwrap();
    assert!(found.listing.is_good() && found.ranges.is_good(), "{found:?}");
    assert_eq!((found.deletes, store.nature().is_for_several_writers), (Some(true), false));
}

#[cfg(feature = "webdav")]
#[test]
fn webdav_says_who_may_not() {
    let Some(server) = crate::servers::DavServer::start() else { return };
    let text = std::fs::read_to_string(server.stores_file()).unwrap();
    crate::servers::write_private(&server.stores_file(), &text.replace("secret", "wrong"));
    let store = open(&server.stores_file(), &server.address);
    let error = store.put_new("a", &[b"1"], Durability::Now).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Permission, "{error:?}");
}
