//! A real OpenSSH server, and what goes wrong between it and us.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::tempdir;

use super::*;
use crate::sshd::Sshd;
use crate::store::conformance::{
    conformance, names, noise, of_two_hosts_exactly_one_stores_each, read,
};

fn options(sshd: &Sshd) -> SshOptions {
    let command = sshd.command().into_iter().map(Into::into).collect();
    SshOptions { command, ..SshOptions::default() }
}

fn target(sshd: &Sshd, folder: &Path) -> SshTarget {
    SshTarget::parse(&sshd.address(folder)).unwrap()
}

fn litter(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            found.extend(litter(&entry.path()));
        } else if name.starts_with(".tmp-") {
            found.push(name);
        }
    }
    found
}

#[test]
fn an_sftp_server_keeps_the_contract() {
    let Some(sshd) = Sshd::begin() else { return };
    let parent = tempdir().unwrap();
    conformance(&|| {
        let folder = tempfile::tempdir_in(&parent).unwrap().keep().join("new/folder");
        Box::new(SftpStore::create(&target(&sshd, &folder), &options(&sshd)).unwrap())
    });
    assert_eq!(litter(parent.path()), [""; 0]);
}

#[test]
fn of_two_hosts_that_put_the_same_names_exactly_one_stores_each() {
    let Some(sshd) = Sshd::begin() else { return };
    let folder = tempdir().unwrap();
    let open = || SftpStore::open(&target(&sshd, folder.path()), &options(&sshd)).unwrap();
    of_two_hosts_exactly_one_stores_each([&open(), &open()]);
    assert_eq!(litter(folder.path()), [""; 0]);
}

#[test]
fn a_client_whose_ssh_is_killed_in_the_middle_of_puts_goes_on_and_every_object_is_whole() {
    let Some(sshd) = Sshd::begin() else { return };
    let folder = tempdir().unwrap();
    let store = SftpStore::open(&target(&sshd, folder.path()), &options(&sshd)).unwrap();
    let bytes = noise(7, 6 << 20);
    thread::scope(|scope| {
        let putting = scope.spawn(|| {
            for n in 0..12 {
                store.put_new(&format!("pack/{n}"), &[&bytes], Durability::Now).unwrap();
            }
        });
        for _ in 0..4 {
            if putting.is_finished() {
                break;
            }
            let child = Pid::from_raw(store.keeper.connection().child_id() as i32).unwrap();
            thread::sleep(Duration::from_millis(300));
            let _ = kill_process(child, Signal::KILL);
        }
    });
    assert_eq!(names(&store, "pack/").len(), 12);
    for n in 0..12 {
        assert!(read(&store, &format!("pack/{n}")) == bytes);
    }
    store.put_new("pack/last", &[b"1"], Durability::Now).unwrap();
    assert_eq!(litter(folder.path()), [""; 0], "what lost connections left is gone");
}

#[test]
fn a_server_that_stops_answering_is_out_of_reach_and_can_come_back() {
    let Some(sshd) = Sshd::begin() else { return };
    let folder = tempdir().unwrap();
    let patient = options(&sshd);
    let hasty = SshOptions { timeout: Duration::from_secs(2), retries: 0, ..patient.clone() };
    let store = SftpStore::open(&target(&sshd, folder.path()), &hasty).unwrap();
    store.put_new("a", &[b"1"], Durability::Now).unwrap();
    sshd.signal(Signal::STOP);
    let error = store.size("a").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreachable);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("said nothing"), "{cause}");
    sshd.signal(Signal::CONT);
    let store = SftpStore::open(&target(&sshd, folder.path()), &patient).unwrap();
    assert_eq!(store.size("a").unwrap(), Some(1));
}

#[test]
fn what_a_killed_client_left_is_not_listed_and_removed_by_a_put_when_it_is_old() {
    let Some(sshd) = Sshd::begin() else { return };
    let folder = tempdir().unwrap();
    let store = SftpStore::open(&target(&sshd, folder.path()), &options(&sshd)).unwrap();
    store.put_new("pack/a", &[b"1"], Durability::Now).unwrap();
    let day = Duration::from_secs(24 * 3600);
    for (name, age) in [(".tmp-old", day * 2), (".tmp-new", day / 2)] {
        let file = fs::File::create(folder.path().join("pack").join(name)).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }
    assert_eq!(names(&store, ""), ["pack/a"]);
    assert_eq!(litter(folder.path()).len(), 2, "listing removes nothing");
    store.put_new("pack/b", &[b"1"], Durability::Now).unwrap();
    assert_eq!(litter(folder.path()), [".tmp-new"]);
}

#[test]
fn what_is_no_object_is_neither_read_nor_passed_over() {
    let Some(sshd) = Sshd::begin() else { return };
    let folder = tempdir().unwrap();
    let store = SftpStore::open(&target(&sshd, folder.path()), &options(&sshd)).unwrap();
    fs::write(folder.path().join("README.txt"), "hello").unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    assert_eq!(names(&store, ""), [""; 0]);
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
    let mut out = Vec::new();
    for name in ["a", "link"] {
        assert_eq!(store.get(name, 9999, &mut out).unwrap_err().kind, StoreErrorKind::Other);
        assert_eq!(store.size(name).unwrap_err().kind, StoreErrorKind::Other);
        store.put_new(name, &[b"1"], Durability::Now).unwrap_err();
    }
    store.list("", &mut |_| panic!("found something")).unwrap_err();
}

#[test]
fn a_folder_that_is_gone_is_an_error_and_never_an_empty_store() {
    let Some(sshd) = Sshd::begin() else { return };
    let folder = tempdir().unwrap();
    let store = SftpStore::open(&target(&sshd, folder.path()), &options(&sshd)).unwrap();
    let place = folder.path().to_owned();
    drop(folder);
    for prefix in ["", "pack/"] {
        let error = store.list(prefix, &mut |_| ()).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::NotFound, "{prefix}");
    }
    let error = store.put_new("pack/a", &[b"1"], Durability::Now).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotFound);
    assert!(!place.exists());
    let error = SftpStore::open(&target(&sshd, &place), &options(&sshd)).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotFound);
}

#[test]
fn a_store_is_created_only_in_an_empty_folder() {
    let Some(sshd) = Sshd::begin() else { return };
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    fs::create_dir(folder.path().join("probe")).unwrap();
    fs::write(folder.path().join("probe/1700000000-0011223344556677"), "left").unwrap();
    SftpStore::create(&target(&sshd, folder.path()), &options(&sshd)).unwrap();
    fs::write(folder.path().join("letter"), "").unwrap();
    let error = SftpStore::create(&target(&sshd, folder.path()), &options(&sshd)).unwrap_err();
    assert!(error.to_string().contains("it holds letter"), "{error}");
}

#[test]
fn who_is_not_let_in_is_told_what_ssh_says() {
    let Some(sshd) = Sshd::begin() else { return };
    let folder = tempdir().unwrap();
    fs::write(sshd.path("authorized_keys"), "").unwrap();
    let error = SftpStore::open(&target(&sshd, folder.path()), &options(&sshd)).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Permission);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("Permission denied (publickey"), "{cause}");

    fs::write(sshd.path("known_hosts"), "").unwrap();
    let error = SftpStore::open(&target(&sshd, folder.path()), &options(&sshd)).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Permission);

    let nobody = SshTarget::parse("127.0.0.1:1/x").unwrap();
    let error = SftpStore::open(&nobody, &options(&sshd)).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreachable);

    let command = vec!["/no/such/ssh".into()];
    let without = SshOptions { command, ..SshOptions::default() };
    let error = SftpStore::open(&nobody, &without).unwrap_err();
    assert!(error.to_string().contains("cannot run /no/such/ssh"), "{error}");
}

#[test]
fn an_address_with_an_option_that_does_not_exist_is_refused() {
    for text in ["h/x?program=esker", "h/x?fsync=maybe"] {
        let target = SshTarget::parse(text).unwrap();
        assert!(SftpStore::open(&target, &SshOptions::default()).is_err(), "{text}");
    }
}
