//! What may be restored into.

use super::*;
use crate::restore::tree::Cause;
use std::error::Error;

#[test]
fn a_target_and_its_parents_are_made() {
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("a/b/c");
    Tree::create(&target, Options::default()).unwrap();
    assert_eq!(std::fs::metadata(&target).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn a_target_with_something_in_it_is_refused() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join(".hidden"), "").unwrap();
    let error = Tree::create(place.path(), Options::default()).unwrap_err();
    assert!(matches!(error.cause, Cause::NotEmpty));
    assert!(error.source().unwrap().to_string().contains("is not empty"));
    assert!(error.to_string().starts_with("cannot restore into \"/"), "{error}");
}

#[test]
fn a_target_that_is_no_directory_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    std::fs::write(&file, "").unwrap();
    let nowhere = place.path().join("nowhere");
    std::os::unix::fs::symlink("missing", &nowhere).unwrap();
    for target in [file.clone(), file.join("below"), nowhere] {
        Tree::create(&target, Options::default()).unwrap_err();
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
}

#[test]
fn a_symlink_that_the_user_named_is_followed_once() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", place.path().join("link")).unwrap();
    let tree = Tree::create(&place.path().join("link"), Options::default()).unwrap();
    tree.make_special(&key("/s"), &node(NodeKind::Symlink, 0o777), &[]).unwrap();
    assert!(place.path().join("real/s").is_symlink());
}

#[test]
fn a_new_file_system_counts_as_empty_and_its_lost_found_is_taken_over() {
    let place = tempfile::tempdir().unwrap();
    let lost = place.path().join("lost+found");
    std::fs::create_dir(&lost).unwrap();
    let tree = Tree::create(place.path(), Options::default()).unwrap();
    tree.make_directory(&key("/lost+found"), &node(NodeKind::Directory, 0o710), &[]).unwrap();
    tree.finish_directories(|problem| panic!("{problem}"));
    tree.finish_target(|problem| panic!("{problem}"));
    assert_eq!(std::fs::metadata(&lost).unwrap().mode() & 0o7777, 0o710);
}

#[test]
fn the_root_of_the_snapshot_is_the_target_itself() {
    let it = Fixture::new();
    it.directory("/", 0o751);
    let _ = it.file("/f", node(NodeKind::File, 0o644), b"", &[]);
    assert_eq!(it.mode("/"), 0o700, "until the end");
    assert!(it.finish().is_empty());
    assert_eq!((it.mode("/"), it.stat("/").mtime()), (0o751, 1_000_000_000));
}

#[test]
fn nothing_is_inherited_from_a_target_with_a_default_acl() {
    let place = tempfile::tempdir().unwrap();
    const ANY: u32 = u32::MAX;
    let value = acl(&[(1, 7, ANY), (2, 7, 1000), (4, 0, ANY), (16, 7, ANY), (32, 0, ANY)]);
    let set = |name: &str| {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(place.path(), name, &value, flags)
    };
    if set("system.posix_acl_default").is_err() || set("system.posix_acl_access").is_err() {
        return; // No ACLs here, so nothing to inherit.
    }
    let tree = Tree::create(place.path(), Options::default()).unwrap();
    tree.make_directory(&key("/"), &node(NodeKind::Directory, 0o755), &[]).unwrap();
    tree.make_directory(&key("/d"), &node(NodeKind::Directory, 0o755), &[]).unwrap();
    tree.make_special(&key("/p"), &node(NodeKind::Fifo, 0o644), &[]).unwrap();
    for path in ["/f", "/d/f"] {
        let node = node(NodeKind::File, 0o644);
        assert!(tree.create_file(&key(path), &node).unwrap().finish(&node, &[]).is_empty());
    }
    tree.finish_directories(|problem| panic!("{problem}"));
    tree.finish_target(|problem| panic!("{problem}"));
    for (path, mode) in [("", 0o755), ("d", 0o755), ("f", 0o644), ("d/f", 0o644), ("p", 0o644)] {
        let path = place.path().join(path);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, mode, "{path:?}");
        assert_eq!(xattr(&path, "system.posix_acl_access"), None, "{path:?}");
        assert_eq!(xattr(&path, "system.posix_acl_default"), None, "{path:?}");
    }
}

#[test]
fn nothing_is_inherited_from_a_setgid_target_of_another_group() {
    if !is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(place.path(), None, Some(1234)).unwrap();
    rustix::fs::chmod(place.path(), rustix::fs::Mode::from_raw_mode(0o2755)).unwrap();
    let tree = Tree::create(place.path(), Options::default()).unwrap();
    tree.make_directory(&key("/d"), &node(NodeKind::Directory, 0o755), &[]).unwrap();
    tree.make_special(&key("/s"), &node(NodeKind::Symlink, 0o777), &[]).unwrap();
    let file = node(NodeKind::File, 0o644);
    assert!(tree.create_file(&key("/d/f"), &file).unwrap().finish(&file, &[]).is_empty());
    tree.finish_directories(|problem| panic!("{problem}"));
    tree.finish_target(|problem| panic!("{problem}"));
    for (path, mode) in [("d", 0o755), ("d/f", 0o644), ("s", 0o777)] {
        let stat = std::fs::symlink_metadata(place.path().join(path)).unwrap();
        assert_eq!((stat.uid(), stat.gid(), stat.mode() & 0o7777), (0, 0, mode), "{path}");
    }
}
