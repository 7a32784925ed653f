//! Whoever judges must see: each difference that a restore could make is told.

use crate::support::{Home, differences, needs, skipped};
use rustix::fs::XattrFlags;
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

fn touch(path: &Path, nanos: u32) {
    let time = UNIX_EPOCH + Duration::new(1_000_000_000, nanos);
    std::fs::File::open(path).unwrap().set_modified(time).unwrap();
}

fn grow(root: &Path) {
    std::fs::create_dir_all(root.join("folder")).unwrap();
    std::fs::write(root.join("file"), "content").unwrap();
    std::fs::write(root.join("other"), "content").unwrap();
    std::fs::hard_link(root.join("other"), root.join("folder/name")).unwrap();
    symlink("target", root.join("link")).unwrap();
}

/// All times the same, so that nothing is told but what was changed.
fn settle(root: &Path) {
    let paths = ["file", "other", "folder", ""];
    paths.iter().for_each(|path| touch(&root.join(path), 5));
    let mut touch = Command::new("touch");
    assert!(
        touch.args(["-h", "-d", "2020-01-01"]).arg(root.join("link")).status().unwrap().success()
    );
}

#[test]
fn every_kind_of_difference_is_told() {
    if !needs("rsync") || !needs("find") {
        return;
    }
    let home = Home::new();
    let (left, right) = (home.path("left"), home.path("right"));
    let attribute = |path: &Path, name: &str, value: &[u8]| {
        let set = rustix::fs::lsetxattr(path, name, value, XattrFlags::empty());
        if let Err(error) = set {
            skipped(&format!("attribute {name}: {error}"));
        }
        set.is_ok()
    };
    type Change<'c> = (&'c str, &'c dyn Fn(&Path) -> bool);
    let acl = [2u32, 7 << 16 | 1, !0, 5 << 16 | 2, 77, 4, !0, 7 << 16 | 16, !0, 32, !0];
    let acl: Vec<u8> = acl.iter().flat_map(|word| word.to_le_bytes()).collect();
    let is_root = rustix::process::geteuid().is_root();
    let changes: [Change; 12] = [
        ("nothing", &|_| false),
        ("a byte", &|r| {
            std::fs::File::options()
                .write(true)
                .open(r.join("file"))
                .unwrap()
                .write_at(b"C", 0)
                .is_ok()
        }),
        ("a mode", &|r| {
            std::fs::set_permissions(r.join("file"), PermissionsExt::from_mode(0o4755)).is_ok()
        }),
        ("an owner", &|r| is_root && chown(r.join("file"), Some(1 << 31), None).is_ok()),
        ("an attribute", &|r| attribute(&r.join("folder"), "user.a", b"x")),
        ("an attribute of a link", &|r| is_root && attribute(&r.join("link"), "trusted.a", b"x")),
        ("an ACL", &|r| attribute(&r.join("file"), "system.posix_acl_access", &acl)),
        ("a default ACL", &|r| attribute(&r.join("folder"), "system.posix_acl_default", &acl)),
        ("a name", &|r| std::fs::write(r.join("folder/more"), "").is_ok()),
        ("a link's target", &|r| {
            std::fs::remove_file(r.join("link")).unwrap();
            symlink("tarGet", r.join("link")).is_ok()
        }),
        ("a hard link", &|r| {
            std::fs::remove_file(r.join("folder/name")).unwrap();
            std::fs::write(r.join("folder/name"), "content").unwrap();
            touch(&r.join("folder/name"), 5);
            true
        }),
        ("another file of the same name", &|r| {
            std::fs::remove_file(r.join("file")).unwrap();
            rustix::fs::mknodat(
                rustix::fs::CWD,
                r.join("file"),
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::from_raw_mode(0o644),
                0,
            )
            .is_ok()
        }),
    ];
    for (what, change) in changes {
        [&left, &right].into_iter().for_each(|root| grow(root));
        let changed = change(&right);
        if !right.join("file").is_file() {
            std::fs::remove_file(left.join("file")).unwrap();
            std::fs::write(left.join("file"), "").unwrap();
            touch(&left.join("file"), 5);
        }
        [&left, &right].into_iter().for_each(|root| {
            if root.join("file").is_file() {
                settle(root)
            }
        });
        let found = differences(&left, &right);
        assert_eq!(!found.is_empty(), changed, "{what}: {found:?}");
        [&left, &right].into_iter().for_each(|root| std::fs::remove_dir_all(root).unwrap());
    }
    for root in [&left, &right] {
        grow(root);
        settle(root);
    }
    touch(&right.join("file"), 6);
    let found = differences(&left, &right);
    assert!(found.iter().any(|line| line.starts_with("find: \"file\"")), "{found:?}");
}
