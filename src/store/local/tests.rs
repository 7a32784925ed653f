//! What is true of a local folder beyond the contract of all stores.

mod mounted;
mod torn;

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::{env, fs};

use tempfile::{TempDir, tempdir, tempdir_in};

use super::*;
use crate::skipped::skipped;
use crate::store::conformance::{conformance, names, noise, read};

fn put(store: &LocalStore, name: &str, bytes: &[u8]) -> Result<Put, StoreErrorKind> {
    store.put_new(name, &[bytes], Durability::AtBarrier).map_err(|error| error.kind)
}

fn new_store() -> (TempDir, LocalStore) {
    let folder = tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    (folder, store)
}

/// All files of a folder, hidden ones too.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn a_local_folder_keeps_the_contract_on_disk_and_in_memory_in_every_way() {
    for place in [env::temp_dir(), "/dev/shm".into()] {
        let Ok(parent) = tempdir_in(&place) else {
            skipped(&format!("no folder can be made in {}", place.display()));
            continue;
        };
        let kinds = [(Way::Unnamed, false), (Way::Link, true), (Way::Rename, false)];
        for (way, each_file) in kinds {
            let root = || tempdir_in(&parent).unwrap().keep();
            conformance(&|| {
                let mut store = LocalStore::create(root()).unwrap();
                store.way.store(way as u8, Ordering::Relaxed);
                if each_file {
                    store.durable.sync_each_file();
                }
                Box::new(store)
            });
        }
        let litter = |path: &PathBuf| path.to_string_lossy().contains(".tmp-");
        assert_eq!(files(parent.path()).into_iter().find(litter), None);
    }
}

#[test]
fn a_store_is_created_with_its_parents_and_only_in_an_empty_folder() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("a/b/c");
    let store = LocalStore::create(&root).unwrap();
    assert_eq!(store.location(), root.to_str().unwrap());
    assert_eq!(fs::metadata(&root).unwrap().mode() & 0o777, 0o700);
    LocalStore::create(&root).unwrap();
    fs::create_dir(root.join("lost+found")).unwrap();
    LocalStore::create(&root).unwrap();

    for name in ["f1", "f2", "f3", "f4", "f5", "f6", "f7"] {
        fs::write(root.join(name), "").unwrap();
    }
    let refused = LocalStore::create(&root).unwrap_err().to_string();
    let reason = "the folder is not empty: it holds f1, f2, f3, f4, f5 and 2 more";
    assert_eq!(refused, format!("cannot create a store in {}: {reason}", root.display()));
    assert_eq!(LocalStore::create(root.join("f1")).unwrap_err().kind, StoreErrorKind::Other);
}

#[test]
fn a_store_that_is_not_there_is_not_opened() {
    let folder = tempdir().unwrap();
    let error = LocalStore::open(folder.path().join("none")).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotFound);
    assert!(files(folder.path()).is_empty());
}

#[test]
fn objects_and_folders_are_for_their_owner_only() {
    let (folder, store) = new_store();
    put(&store, "pack/ab/12", b"1").unwrap();
    for (path, mode) in [("pack", 0o700), ("pack/ab", 0o700), ("pack/ab/12", 0o600)] {
        let metadata = fs::metadata(folder.path().join(path)).unwrap();
        assert_eq!(metadata.mode() & 0o777, mode, "{path}");
    }
}

#[test]
fn the_identity_is_that_of_the_root_folder() {
    let (folder, store) = new_store();
    let metadata = fs::metadata(folder.path()).unwrap();
    assert_eq!(store.local_identity(), Some((metadata.dev(), metadata.ino())));
}

#[test]
fn what_is_not_a_plain_file_is_neither_read_nor_passed_over() {
    let (folder, store) = new_store();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("secret"), "secret").unwrap();
    fs::create_dir_all(path("real/folder")).unwrap();
    fs::write(path("real/a"), "1").unwrap();
    symlink(path("secret"), path("real/link")).unwrap();
    symlink(path("real"), path("linked")).unwrap();
    let made = Command::new("mkfifo").arg(path("real/pipe")).status();
    assert!(made.unwrap().success());
    let mut out = Vec::new();
    for name in ["real/link", "real/folder", "real/pipe", "linked/a"] {
        let refused = [
            store.get(name, 99, &mut out).unwrap_err().kind,
            store.size(name).unwrap_err().kind,
            put(&store, name, b"1").unwrap_err(),
        ];
        assert_eq!(refused, [StoreErrorKind::Other; 3], "{name}");
    }
    for prefix in ["", "real/", "linked/"] {
        store.list(prefix, &mut |_| ()).unwrap_err();
    }
    assert_eq!(fs::read(path("secret")).unwrap(), b"secret");
}

#[test]
fn names_that_no_object_can_have_are_not_listed() {
    let (folder, store) = new_store();
    put(&store, "pack/a", b"1").unwrap();
    fs::write(folder.path().join("pack/.tmp-1"), "litter").unwrap();
    fs::write(folder.path().join("README.txt"), "hello").unwrap();
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    fs::set_permissions(folder.path().join("lost+found"), Permissions::from_mode(0o0)).unwrap();
    assert_eq!(names(&store, ""), ["pack/a"]);
}

#[test]
fn a_store_whose_folder_is_gone_is_not_listed_as_empty() {
    let (folder, store) = new_store();
    drop(folder);
    let error = store.list("", &mut |_| ()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreachable);
}

#[test]
fn more_files_than_may_wait_are_durable_before_the_barrier() {
    let (_folder, mut store) = new_store();
    store.durable.sync_each_file();
    let open_files = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open_files();
    for n in 0..300 {
        put(&store, &format!("pack/{n}"), b"1").unwrap();
    }
    assert!(open_files() < before + 150, "other tests have files open, too");
    store.barrier().unwrap();
    assert_eq!(names(&store, "pack/").len(), 300);
}

#[test]
fn after_a_lost_write_no_barrier_is_good() {
    let (_folder, store) = new_store();
    put(&store, "a", b"1").unwrap();
    store.barrier().unwrap();
    store.durable.lose();
    for _ in 0..2 {
        let error = store.barrier().unwrap_err().to_string();
        assert!(error.contains("an earlier barrier failed"), "{error}");
    }
}
