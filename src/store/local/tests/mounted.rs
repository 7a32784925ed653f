//! File systems that are full or read-only, made for the test where it runs as root.

use std::process::Stdio;

use super::*;

/// A file system in memory that goes with this value.
struct Mounted(TempDir);

impl Mounted {
    /// `None`, and a loud word, where this test may not mount.
    fn new(options: &str) -> Option<Self> {
        let folder = tempdir().unwrap();
        let mount = ["-t", "tmpfs", "-o", options, "tmpfs"];
        let mounted =
            Command::new("mount").args(mount).arg(folder.path()).stderr(Stdio::null()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        skipped("needs the right to mount a file system");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn make_read_only(&self) {
        let remount = ["-o", "remount,ro"];
        let status = Command::new("mount").args(remount).arg(self.path()).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn a_full_device_is_no_space_and_keeps_no_part_of_the_object() {
    for way in [Way::Unnamed, Way::Link, Way::Rename] {
        let Some(device) = Mounted::new("size=4m") else {
            return;
        };
        let store = LocalStore::create(device.path()).unwrap();
        store.way.store(way as u8, Ordering::Relaxed);
        let bytes = noise(1, 3 << 20);
        for durability in [Durability::AtBarrier, Durability::Now] {
            let parts = [&bytes[..], &bytes[..]];
            let error = store.put_new("pack/big", &parts, durability).unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::NoSpace);
        }
        assert!(files(device.path()).is_empty(), "{way:?}");
        // All of the space is free again.
        assert_eq!(put(&store, "pack/fits", &bytes), Ok(Put::Stored));
        assert_eq!(put(&store, "pack/more", &bytes), Err(StoreErrorKind::NoSpace));
        store.barrier().unwrap();
        assert_eq!(names(&store, ""), ["pack/fits"]);
        assert_eq!(store.way.load(Ordering::Relaxed), way as u8);
    }
}

#[test]
fn a_device_without_room_for_another_name_is_no_space() {
    let Some(device) = Mounted::new("size=4m,nr_inodes=4") else {
        return;
    };
    let store = LocalStore::create(device.path()).unwrap();
    let puts: Vec<_> = (0..5).map(|n| put(&store, &format!("{n}"), b"1")).collect();
    assert_eq!(puts.last(), Some(&Err(StoreErrorKind::NoSpace)));
    assert_eq!(put(&store, "new/folder/1", b"1"), Err(StoreErrorKind::NoSpace));
}

#[test]
fn a_read_only_file_system_is_opened_read_and_listed() {
    let Some(device) = Mounted::new("size=4m") else {
        return;
    };
    let store = LocalStore::create(device.path()).unwrap();
    put(&store, "pack/a", b"1").unwrap();
    drop(store);
    device.make_read_only();

    let store = LocalStore::open(device.path()).unwrap();
    assert_eq!(read(&store, "pack/a"), b"1");
    assert_eq!(names(&store, ""), ["pack/a"]);
    for name in ["pack/b", "new/b", "b"] {
        assert_eq!(put(&store, name, b"1"), Err(StoreErrorKind::ReadOnly));
    }
    let error = store.delete("pack/a").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::ReadOnly);
}

#[test]
fn a_folder_without_write_permission_is_read_and_refuses_writes() {
    if rustix::process::geteuid().is_root() {
        skipped("permissions do not bind root");
        return;
    }
    let (folder, store) = new_store();
    put(&store, "a", b"1").unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o500)).unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    assert_eq!(read(&store, "a"), b"1");
    assert_eq!(names(&store, ""), ["a"]);
    assert_eq!(put(&store, "b", b"1"), Err(StoreErrorKind::Permission));
    assert_eq!(store.delete("a").unwrap_err().kind, StoreErrorKind::Permission);
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
}
