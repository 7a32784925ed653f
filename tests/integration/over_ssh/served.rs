//! The store of `ssh://` through a real server, held to the contract of all stores.

#[path = "../../../src/store/conformance.rs"]
#[allow(dead_code, reason = "not every part of the suite is needed here")]
mod conformance;

use self::conformance::{conformance, names, noise, of_two_hosts_exactly_one_stores_each, read};
use crate::support::Sshd;
use esker::store::{
    Durability, Listed, Put, SshOptions, SshStore, SshTarget, Store, StoreError, StoreErrorKind,
};
use rustix::process::Signal;
use std::path::Path;
use std::thread;
use std::time::Duration;
use tempfile::{tempdir, tempdir_in};

fn options(sshd: &Sshd) -> SshOptions {
    let command = sshd.command().into_iter().map(Into::into).collect();
    SshOptions { command, ..SshOptions::default() }
}

fn target(sshd: &Sshd, folder: &Path) -> SshTarget {
    let program = env!("CARGO_BIN_EXE_esker");
    SshTarget::parse(&format!("{}?program={program}", sshd.address(folder))).unwrap()
}

#[test]
fn a_folder_that_the_program_serves_over_ssh_keeps_the_contract() {
    let Some(sshd) = Sshd::begin() else { return };
    let parent = tempdir().unwrap();
    conformance(&|| {
        let folder = tempdir_in(&parent).unwrap().keep().join("new/folder");
        Box::new(SshStore::create(&target(&sshd, &folder), &options(&sshd)).unwrap())
    });
}

#[test]
fn of_two_hosts_over_ssh_exactly_one_stores_each_name() {
    let Some(sshd) = Sshd::begin() else { return };
    let folder = tempdir().unwrap();
    let open = || SshStore::open(&target(&sshd, folder.path()), &options(&sshd)).unwrap();
    of_two_hosts_exactly_one_stores_each([&open(), &open()]);
}

#[test]
fn a_served_folder_survives_servers_that_are_killed_in_the_middle_of_puts() {
    let Some(sshd) = Sshd::begin() else { return };
    let folder = tempdir().unwrap();
    let store = SshStore::open(&target(&sshd, folder.path()), &options(&sshd)).unwrap();
    let bytes = noise(7, 6 << 20);
    thread::scope(|scope| {
        let putting = scope.spawn(|| {
            for n in 0..12 {
                store.put_new(&format!("pack/{n}"), &[&bytes], Durability::AtBarrier).unwrap();
            }
            store.barrier().unwrap();
        });
        for _ in 0..4 {
            if putting.is_finished() {
                break;
            }
            thread::sleep(Duration::from_millis(400));
            sshd.signal(Signal::KILL);
        }
    });
    assert_eq!(names(&store, "").len(), 12);
    for n in 0..12 {
        assert!(read(&store, &format!("pack/{n}")) == bytes);
    }
}

#[test]
fn a_served_folder_whose_server_hangs_is_out_of_reach() {
    let Some(sshd) = Sshd::begin() else { return };
    let folder = tempdir().unwrap();
    // Long enough for a connection on a busy machine.
    let timeout = Duration::from_secs(8);
    let hasty = SshOptions { timeout, retries: 0, ..options(&sshd) };
    let store = SshStore::open(&target(&sshd, folder.path()), &hasty).unwrap();
    sshd.signal(Signal::STOP);
    let error = store.put_new("a", &[&noise(1, 8 << 20)], Durability::Now).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreachable);
    sshd.signal(Signal::CONT);
}
