//! Snapshots that mean harm.

use super::*;

fn symlink(target: &str) -> Node {
    Node { target: Some(target.as_bytes().to_vec()), ..node(NodeKind::Symlink, 0o777) }
}

#[test]
fn no_symlink_that_the_snapshot_brought_is_followed() {
    let it = Fixture::new();
    let outside = it.place.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "mine").unwrap();
    for (path, target) in
        [("/abs", outside.to_str().unwrap()), ("/rel", "../outside"), ("/self", ".")]
    {
        it.tree.make_special(&key(path), &symlink(target), &[]).unwrap();
        let file = node(NodeKind::File, 0o644);
        let below = |name: &str| key(&format!("{path}/{name}"));
        let errors = [
            it.tree.create_file(&below("b"), &file).map(drop).unwrap_err(),
            it.tree.create_file(&below("c/d"), &file).map(drop).unwrap_err(),
            it.tree
                .make_directory(&below("b"), &node(NodeKind::Directory, 0o755), &[])
                .unwrap_err(),
            it.tree.make_special(&below("b"), &node(NodeKind::Fifo, 0o600), &[]).unwrap_err(),
            it.tree.link(&below("file"), &key("/stolen")).unwrap_err(),
            it.tree.link(&key(path), &below("b")).unwrap_err(),
            it.tree.directory(&key(path)).unwrap_err(),
            it.tree.look(&below("file")).unwrap_err(),
            it.tree.create_beside(&below("file"), &file).map(drop).unwrap_err(),
            it.tree.replace_special(&below("file"), &symlink("x"), &[]).unwrap_err(),
            it.tree.replace_link(&below("file"), &key("/stolen")).unwrap_err(),
            it.tree.replace_link(&key(path), &below("file")).unwrap_err(),
            it.tree.names(&key(path)).unwrap_err(),
            it.tree
                .remove(&below("file"), &it.tree.look(&key(path)).unwrap().unwrap())
                .unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind(), error.stops()), (Kind::Obstructed, false), "{error}");
        }
        // The last component is not followed either.
        let error = it.tree.create_file(&key(path), &file).map(drop).unwrap_err();
        assert_eq!(error.kind(), Kind::Exists);
    }
    assert!(it.file("/other", node(NodeKind::File, 0o600), b"goes on", &[]).is_empty());
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(std::fs::read(outside.join("file")).unwrap(), b"mine");
}

#[test]
fn a_directory_that_was_replaced_by_a_symlink_is_not_finished_through_it() {
    let it = Fixture::new();
    it.directory("/d", 0o777);
    let outside = it.place.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let before = std::fs::metadata(&outside).unwrap();
    std::fs::remove_dir(it.path("/d")).unwrap();
    std::os::unix::fs::symlink(&outside, it.path("/d")).unwrap();
    let problems = it.finish();
    assert_eq!((problems.len(), problems[0].kind()), (1, Kind::Obstructed));
    let after = std::fs::metadata(&outside).unwrap();
    assert_eq!((before.mode(), before.mtime()), (after.mode(), after.mtime()));
}

#[test]
fn names_that_could_escape_are_refused_wherever_they_stand() {
    let it = Fixture::new();
    let file = node(NodeKind::File, 0o644);
    let bad = [&b".."[..], b".", b"a/b", b"/etc", b"a\0b", b"", &[b'x'; 256]];
    for name in bad {
        let last = MapKey { parent: Vec::new(), name: name.to_vec() };
        let above = MapKey { parent: name.to_vec(), name: b"f".to_vec() };
        for key in [&last, &above] {
            if key.check().is_ok() {
                continue;
            }
            let refused = |error: TreeError| {
                let kind = error.kind();
                let nul = key.parent == b"a\0b";
                assert!(kind == Kind::Refused || nul && kind == Kind::Obstructed, "{error}");
            };
            refused(it.tree.create_file(key, &file).map(drop).unwrap_err());
            refused(it.tree.make_special(key, &symlink("x"), &[]).unwrap_err());
            refused(it.tree.link(key, &super::key("/x")).unwrap_err());
            refused(it.tree.link(&super::key("/x"), key).unwrap_err());
            if *key != MapKey::root() {
                let directory = node(NodeKind::Directory, 0o755);
                refused(it.tree.make_directory(key, &directory, &[]).unwrap_err());
            }
        }
    }
    assert_eq!(std::fs::read_dir(it.path("/")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(it.place.path()).unwrap().count(), 1);
}

#[test]
fn numbers_that_would_mean_something_else_are_refused() {
    let it = Fixture::new();
    let device = |device| Node { device, ..node(NodeKind::CharDevice, 0o600) };
    for number in [(4096, 0), (1, 1 << 20), (u32::MAX, u32::MAX)] {
        let made = it.tree.make_special(&key("/dev"), &device(Some(number)), &[]);
        assert_eq!(made.unwrap_err().kind(), Kind::Refused);
    }
    let mut late = node(NodeKind::File, 0o600);
    late.mtime.nanos = rustix::fs::UTIME_OMIT as u32;
    let problems = it.file("/late", late, b"", &[]);
    assert_eq!(problems[0].kind(), Kind::Refused);
    if is_root() {
        let nobody = owned(node(NodeKind::File, 0o4755), u32::MAX, 0);
        let problems = it.file("/nobody", nobody, b"", &[]);
        assert_eq!((problems.len(), problems[0].kind()), (1, Kind::Refused));
        assert_eq!(it.mode("/nobody"), 0o755, "no set-user-id for an owner it was not meant for");
    }
}

#[test]
fn an_entry_that_is_there_twice_does_not_replace_the_first() {
    let it = Fixture::new();
    let _ = it.file("/a", node(NodeKind::File, 0o600), b"first", &[]);
    let error = it.tree.create_file(&key("/a"), &node(NodeKind::File, 0o600)).map(drop);
    assert_eq!(error.unwrap_err().kind(), Kind::Exists);
    let error = it.tree.make_directory(&key("/a"), &node(NodeKind::Directory, 0o700), &[]);
    assert_eq!(error.unwrap_err().kind(), Kind::Exists);
    assert_eq!(std::fs::read(it.path("/a")).unwrap(), b"first");
}
