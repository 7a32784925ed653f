//! Names, kinds and depth.

use super::*;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;

#[test]
fn every_kind_comes_back() {
    let it = Fixture::new();
    let special = |path, kind| it.tree.make_special(&key(path), &node(kind, 0o640), &[]);
    assert!(special("/link", NodeKind::Symlink).unwrap().is_empty());
    assert!(special("/fifo", NodeKind::Fifo).unwrap().is_empty());
    assert!(special("/socket", NodeKind::Socket).unwrap().is_empty());
    assert!(it.file("/file", node(NodeKind::File, 0o640), b"bytes", &[]).is_empty());
    assert_eq!(std::fs::read_link(it.path("/link")).unwrap().as_os_str(), "where/ever");
    assert!(it.stat("/fifo").file_type().is_fifo());
    assert!(it.stat("/socket").file_type().is_socket());
    for path in ["/link", "/fifo", "/socket", "/file"] {
        let stat = it.stat(path);
        assert_eq!((stat.mtime(), stat.mtime_nsec()), (1_000_000_000, 123_456_789), "{path}");
        assert!(path == "/link" || it.mode(path) == 0o640, "{path}");
    }
    if is_root() {
        special("/null", NodeKind::CharDevice).unwrap();
        special("/disk", NodeKind::BlockDevice).unwrap();
        assert!(it.stat("/null").file_type().is_char_device());
        assert_eq!(it.stat("/null").rdev(), rustix::fs::makedev(1, 3));
        assert!(it.stat("/disk").file_type().is_block_device());
        assert_eq!(it.mode("/disk"), 0o640);
    }
}

#[test]
fn names_are_bytes_up_to_255_of_them() {
    let it = Fixture::new();
    let names = [vec![0xff, 0xfe, b'\n'], vec![b'x'; 255], b" ".to_vec(), b"-rf".to_vec()];
    for name in &names {
        let key = MapKey { parent: Vec::new(), name: name.clone() };
        let file = it.tree.create_file(&key, &node(NodeKind::File, 0o600)).unwrap();
        assert!(file.finish(&node(NodeKind::File, 0o600), &[]).is_empty());
    }
    let mut found: Vec<Vec<u8>> = std::fs::read_dir(it.path("/"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().as_bytes().to_vec())
        .collect();
    found.sort();
    let mut names = names.to_vec();
    names.sort();
    assert_eq!(found, names);
}

/// Long names go beyond PATH_MAX; many levels go beyond the number of directories kept open.
#[test]
fn a_tree_may_be_deeper_than_any_path_that_the_system_takes() {
    for (name, levels) in [(vec![b'd'; 255], 40), (b"d".to_vec(), 600)] {
        let it = Fixture::new();
        let mut parent = Vec::new();
        for _ in 0..levels {
            let key = MapKey { parent, name: name.clone() };
            it.tree.make_directory(&key, &node(NodeKind::Directory, 0o500), &[]).unwrap();
            parent = key.as_parent();
        }
        let key = MapKey { parent, name: b"bottom".to_vec() };
        let file = it.tree.create_file(&key, &node(NodeKind::File, 0o400)).unwrap();
        assert!(file.finish(&node(NodeKind::File, 0o400), &[]).is_empty());
        assert!(it.finish().is_empty());
        let mut dir = std::fs::File::open(it.path("/")).unwrap();
        for _ in 0..levels {
            let next = super::super::directories::DIRECTORY;
            let mode = rustix::fs::Mode::empty();
            dir = rustix::fs::openat(&dir, &name[..], next, mode).unwrap().into();
            let stat = dir.metadata().unwrap();
            assert_eq!((stat.mode() & 0o7777, stat.mtime()), (0o500, 1_000_000_000));
            rustix::fs::fchmod(&dir, rustix::fs::Mode::RWXU).unwrap();
        }
        let none = rustix::fs::AtFlags::empty();
        assert_eq!(rustix::fs::statat(&dir, "bottom", none).unwrap().st_mtime, 1_000_000_000);
    }
}

#[test]
fn hard_links_are_one_file_also_when_it_is_a_symlink() {
    let it = Fixture::new();
    it.directory("/d", 0o755);
    let _ = it.file("/a", node(NodeKind::File, 0o644), b"once", &[]);
    it.tree.make_special(&key("/s"), &node(NodeKind::Symlink, 0o777), &[]).unwrap();
    it.tree.link(&key("/a"), &key("/d/b")).unwrap();
    it.tree.link(&key("/s"), &key("/d/t")).unwrap();
    assert!(it.finish().is_empty());
    assert_eq!(it.stat("/a").ino(), it.stat("/d/b").ino());
    assert_eq!(it.stat("/s").ino(), it.stat("/d/t").ino());
    assert_eq!((it.stat("/a").nlink(), it.stat("/s").nlink()), (2, 2));
    assert_eq!(it.stat("/d").mtime(), 1_000_000_000);
    let missing = it.tree.link(&key("/never"), &key("/d/c")).unwrap_err();
    assert_eq!((missing.kind(), missing.stops()), (Kind::Obstructed, false));
}

#[test]
fn two_hundred_threads_may_fill_one_directory() {
    let it = Fixture::new();
    it.directory("/d", 0o755);
    std::thread::scope(|scope| {
        for number in 0..200 {
            let it = &it;
            scope.spawn(move || {
                for part in 0..20 {
                    let path = format!("/d/{number}-{part}");
                    let problems =
                        it.file(&path, node(NodeKind::File, 0o644), path.as_bytes(), &[]);
                    assert!(problems.is_empty());
                }
            });
        }
    });
    assert!(it.finish().is_empty());
    assert_eq!(std::fs::read_dir(it.path("/d")).unwrap().count(), 4000);
    assert_eq!(std::fs::read(it.path("/d/7-7")).unwrap(), b"/d/7-7");
}
