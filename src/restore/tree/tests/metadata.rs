//! Owner, mode, attributes and time.

use super::*;

/// Capabilities as the kernel keeps them: version 2, effective, cap_net_raw permitted.
const NET_RAW: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn attribute(name: &str, value: &[u8]) -> Xattr {
    (name.as_bytes().to_vec(), value.to_vec())
}

#[test]
fn every_mode_comes_back() {
    let it = Fixture::new();
    for mode in [0o7777, 0o4755, 0o2750, 0o1777, 0o644, 0o600, 0o444, 0o007, 0] {
        let (file, dir) = (format!("/f{mode:o}"), format!("/d{mode:o}"));
        assert!(it.file(&file, node(NodeKind::File, mode), b"bytes", &[]).is_empty());
        it.directory(&dir, mode);
        it.tree
            .make_special(&key(&format!("/p{mode:o}")), &node(NodeKind::Fifo, mode), &[])
            .unwrap();
    }
    assert!(it.finish().is_empty());
    for mode in [0o7777, 0o4755, 0o2750, 0o1777, 0o644, 0o600, 0o444, 0o007, 0] {
        for kind in ["f", "d", "p"] {
            assert_eq!(it.mode(&format!("/{kind}{mode:o}")), mode, "{kind} {mode:o}");
        }
    }
}

#[test]
fn times_before_1970_and_nanoseconds_come_back() {
    let it = Fixture::new();
    for (seconds, nanos) in [(-1, 999_999_999), (-1_000_000_000, 1), (0, 0), (4_294_967_296, 5)] {
        let path = format!("/{seconds}");
        let file = Node { mtime: Time { seconds, nanos }, ..node(NodeKind::File, 0o644) };
        assert!(it.file(&path, file, b"x", &[]).is_empty());
        let stat = it.stat(&path);
        assert_eq!((stat.mtime(), stat.mtime_nsec()), (seconds, nanos.into()));
    }
}

#[test]
fn a_change_of_owner_takes_neither_set_id_bits_nor_capabilities() {
    if !is_root() {
        return;
    }
    let it = Fixture::new();
    let caps = attribute("security.capability", &NET_RAW);
    let file = owned(node(NodeKind::File, 0o6755), 1000, 1001);
    assert!(it.file("/f", file, b"program", std::slice::from_ref(&caps)).is_empty());
    let stat = it.stat("/f");
    assert_eq!((stat.uid(), stat.gid(), it.mode("/f")), (1000, 1001, 0o6755));
    assert_eq!(xattr(&it.path("/f"), "security.capability").unwrap(), NET_RAW);
    let dir = owned(node(NodeKind::Directory, 0o2770), 1000, 1001);
    it.tree.make_directory(&key("/d"), &dir, &[]).unwrap();
    assert!(it.file("/d/f", node(NodeKind::File, 0o644), b"", &[]).is_empty());
    let link = owned(node(NodeKind::Symlink, 0o777), 1000, 1001);
    let trusted = attribute("trusted.note", b"on the symlink itself");
    assert!(
        it.tree.make_special(&key("/s"), &link, std::slice::from_ref(&trusted)).unwrap().is_empty()
    );
    assert!(it.finish().is_empty());
    assert_eq!((it.stat("/d").gid(), it.mode("/d")), (1001, 0o2770));
    assert_eq!((it.stat("/d/f").gid(), it.stat("/s").uid()), (0, 1000));
    assert_eq!(xattr(&it.path("/s"), "trusted.note").unwrap(), trusted.1);
    assert_eq!(it.tree.notes(), Notes::default());
}

#[test]
fn attributes_and_acls_come_back_with_the_mode_they_had() {
    let it = Fixture::new();
    let list = [
        attribute("system.posix_acl_access", &shared_acl()),
        attribute("user.empty", b""),
        attribute("user.note", &[7; 1000]),
    ];
    // Nobody may write it, not even its owner: attributes go on all the same.
    let problems = it.file("/f", node(NodeKind::File, 0o470), b"bytes", &list[1..]);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!((it.mode("/f"), xattr(&it.path("/f"), "user.note").unwrap().len()), (0o470, 1000));
    let problems = it.file("/acl", node(NodeKind::File, 0o4670), b"bytes", &list[..1]);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(it.mode("/acl"), 0o4670);
    assert_eq!(xattr(&it.path("/acl"), "system.posix_acl_access").unwrap(), shared_acl());
    // Where the two differ, as they never do on a real file, the mode has the last word.
    let _ = it.file("/less", node(NodeKind::File, 0o600), b"bytes", &list[..1]);
    assert_eq!(it.mode("/less"), 0o600);
    let default = [attribute("system.posix_acl_default", &shared_acl())];
    it.tree.make_directory(&key("/d"), &node(NodeKind::Directory, 0o755), &default).unwrap();
    let _ = it.file("/d/plain", node(NodeKind::File, 0o644), b"", &[]);
    assert!(it.finish().is_empty());
    assert_eq!(xattr(&it.path("/d"), "system.posix_acl_default").unwrap(), shared_acl());
    assert_eq!(xattr(&it.path("/d/plain"), "system.posix_acl_access"), None);
    assert_eq!(it.mode("/d/plain"), 0o644);
}

#[test]
fn an_attribute_that_cannot_be_set_is_named_and_the_rest_is_given() {
    let it = Fixture::new();
    let list = [attribute("nonsense.x", b"1"), attribute("user.kept", b"2")];
    let problems = it.file("/f", node(NodeKind::File, 0o640), b"bytes", &list);
    assert_eq!((problems.len(), problems[0].kind()), (1, Kind::Unsupported));
    assert_eq!(xattr(&it.path("/f"), "user.kept").unwrap(), b"2");
    assert_eq!((it.mode("/f"), it.stat("/f").mtime()), (0o640, 1_000_000_000));
}

#[test]
fn an_attribute_too_large_for_the_inode_does_not_look_like_a_full_disk() {
    let it = Fixture::new();
    let list: Vec<Xattr> = (0..4).map(|n| attribute(&format!("user.{n}"), &[n; 65_000])).collect();
    let problems = it.file("/f", node(NodeKind::File, 0o640), b"bytes", &list);
    assert!(problems.iter().all(|problem| !problem.stops()), "{problems:?}");
}

#[test]
fn nobody_else_may_read_a_file_before_its_owner_and_mode_are_final() {
    if !is_root() {
        return;
    }
    let it = Fixture::new();
    it.directory("/d", 0o755);
    let file = owned(node(NodeKind::File, 0o666), 1000, 1000);
    let open = it.tree.create_file(&key("/d/f"), &file).unwrap();
    assert_eq!((it.mode("/d"), it.mode("/d/f")), (0o700, 0o600));
    assert!(open.finish(&file, &[]).is_empty());
    assert_eq!(it.mode("/d/f"), 0o666);
    // The group bits of a mode with an ACL say more than the group may do.
    let mut shared = node(NodeKind::File, 0o670);
    let list = vec![attribute("system.posix_acl_access", &shared_acl())];
    shared.xattrs = Some(Xattrs::Inline(list.clone()));
    let open = it.tree.create_file(&key("/d/shared"), &shared).unwrap();
    assert_eq!(it.mode("/d/shared"), 0o600);
    assert!(open.finish(&shared, &list).is_empty());
    assert_eq!(it.mode("/d/shared"), 0o670);
}

#[test]
fn without_root_all_is_restored_but_owners_devices_and_privileged_attributes() {
    as_nobody(|| {
        let it = Fixture::new();
        let list = [attribute("trusted.x", b"1"), attribute("user.x", b"2")];
        let other = owned(node(NodeKind::File, 0o6555), 0, 0);
        assert!(it.file("/other", other, b"bytes", &list).is_empty());
        assert!(it.file("/own", node(NodeKind::File, 0o4755), b"bytes", &[]).is_empty());
        it.tree
            .make_directory(&key("/d"), &owned(node(NodeKind::Directory, 0o555), 0, 0), &[])
            .unwrap();
        assert!(it.file("/d/f", node(NodeKind::File, 0o400), b"", &[]).is_empty());
        it.directory("/d/shut", 0);
        it.directory("/d/shut/below", 0o500);
        for (path, kind) in [("/s", NodeKind::Symlink), ("/p", NodeKind::Fifo)] {
            assert!(it.tree.make_special(&key(path), &node(kind, 0o777), &[]).unwrap().is_empty());
        }
        let device = it.tree.make_special(&key("/dev"), &node(NodeKind::BlockDevice, 0o600), &[]);
        let error = device.unwrap_err();
        assert_eq!((error.kind(), error.stops()), (Kind::NotPermitted, false));
        assert!(it.finish().is_empty());
        assert_eq!((it.mode("/other"), it.mode("/own")), (0o555, 0o4755));
        assert_eq!((it.mode("/d"), it.mode("/p")), (0o555, 0o777));
        assert_eq!(xattr(&it.path("/other"), "user.x").unwrap(), b"2");
        assert_eq!(it.tree.notes(), Notes { owners: 2, set_ids: 1, xattrs: 1 });
        for path in ["/d", "/d/shut"] {
            rustix::fs::chmod(it.path(path), rustix::fs::Mode::RWXU).unwrap();
        }
        assert_eq!(it.mode("/d/shut/below"), 0o500);
    });
}

#[test]
fn root_who_keeps_everything_makes_no_set_user_id_program_of_it() {
    let it = Fixture::with(Options { ownership: false });
    let uid = rustix::process::geteuid().as_raw() + 1;
    let file = owned(node(NodeKind::File, 0o4755), uid, node(NodeKind::File, 0).gid);
    assert!(it.file("/f", file, b"bytes", &[]).is_empty());
    assert_eq!(it.mode("/f"), 0o755);
    assert_eq!(it.tree.notes(), Notes { owners: 1, set_ids: 1, xattrs: 0 });
}
