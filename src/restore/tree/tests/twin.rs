//! A tree is read from disk, restored beside itself, and compared by a program that is not ours.

use super::*;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::Command;

/// What a backup would have made of `path`.
fn read_node(path: &Path) -> (Node, Vec<Xattr>) {
    let stat = std::fs::symlink_metadata(path).unwrap();
    let kind = match stat.file_type() {
        t if t.is_dir() => NodeKind::Directory,
        t if t.is_symlink() => NodeKind::Symlink,
        t if t.is_fifo() => NodeKind::Fifo,
        t if t.is_socket() => NodeKind::Socket,
        t if t.is_char_device() => NodeKind::CharDevice,
        t if t.is_block_device() => NodeKind::BlockDevice,
        _ => NodeKind::File,
    };
    let mut it = owned(node(kind, stat.mode() & 0o7777), stat.uid(), stat.gid());
    it.mtime = Time { seconds: stat.mtime(), nanos: stat.mtime_nsec() as u32 };
    it.size = (kind == NodeKind::File).then_some(stat.len());
    if it.device.is_some() {
        it.device = Some((rustix::fs::major(stat.rdev()), rustix::fs::minor(stat.rdev())));
    }
    if kind == NodeKind::Symlink {
        it.target = Some(std::fs::read_link(path).unwrap().into_os_string().into_vec());
    }
    let mut names = vec![0; 65_536];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let names = names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let xattrs: Vec<Xattr> = names
        .map(|name| {
            let value = xattr(path, std::str::from_utf8(name).unwrap()).unwrap();
            (name.to_vec(), value)
        })
        .collect();
    it.xattrs = (!xattrs.is_empty()).then(|| Xattrs::Inline(xattrs.clone()));
    (it, xattrs)
}

/// Restores what lies at `from` into `tree`, in map order.
fn copy(from: &Path, tree: &Tree) {
    let mut first_names: Vec<(u64, MapKey)> = Vec::new();
    let mut waiting = vec![(MapKey::root(), from.to_owned())];
    while let Some((key, path)) = waiting.pop() {
        let (node, xattrs) = read_node(&path);
        let inode = std::fs::symlink_metadata(&path).unwrap().ino();
        if let Some((_, first)) = first_names.iter().find(|(known, _)| *known == inode) {
            tree.link(first, &key).unwrap();
            continue;
        }
        let problems = match node.kind {
            NodeKind::Directory => {
                tree.make_directory(&key, &node, &xattrs).unwrap();
                for entry in std::fs::read_dir(&path).unwrap() {
                    let name = entry.unwrap().file_name();
                    let child = MapKey { parent: key.as_parent(), name: name.as_bytes().to_vec() };
                    waiting.push((child, path.join(name)));
                }
                Vec::new()
            }
            NodeKind::File => {
                let file = tree.create_file(&key, &node).unwrap();
                let bytes = std::fs::read(&path).unwrap();
                for (number, block) in bytes.chunks(4096).enumerate() {
                    if block.iter().any(|byte| *byte != 0) {
                        file.write_at(number as u64 * 4096, block).unwrap();
                    }
                }
                file.finish(&node, &xattrs)
            }
            _ => tree.make_special(&key, &node, &xattrs).unwrap(),
        };
        assert!(problems.is_empty(), "{problems:?}");
        first_names.push((inode, key));
    }
    tree.finish_directories(|problem| panic!("{problem:?}"));
    tree.finish_target(|problem| panic!("{problem:?}"));
}

/// Every case that is known to have gone wrong somewhere.
const SOURCE: &str = r#"
umask 022; mkdir -p a/b/c empty shared; chmod 2775 shared; printf x > shared/f
printf hello > a/file; printf '' > a/empty; truncate -s 10M a/sparse; printf end >> a/sparse
ln a/file a/b/second; ln -s ../file a/b/symlink; ln a/b/symlink a/b/symlink2; mkfifo a/fifo
printf secret > a/readonly; chmod 0400 a/readonly; printf s > a/suid; chmod 6755 a/suid
mkdir sticky; chmod 1777 sticky; mkdir shut; printf x > shut/f; chmod 0 shut
touch -d '1955-11-05 06:15:00.123456789 UTC' a/old a/b/c; touch -h -d '2001-01-01' a/b/symlink
printf x > "$(printf 'a/\377name')"; chown 1000:1001 a/suid a/b a/readonly 2>/dev/null
chmod 6755 a/suid; chown -h 1000:1000 a/b/symlink 2>/dev/null; mknod a/null c 1 3 2>/dev/null
setcap cap_net_raw+ep a/file 2>/dev/null
setfacl -m u:1000:rwx,g::- a/file a/b 2>/dev/null; setfacl -d -m u:1000:rx shared 2>/dev/null
touch -d '1999-09-09' shared a .; true
"#;

#[test]
fn a_restored_tree_shows_no_difference_to_rsync() {
    if !is_root() {
        return;
    }
    if Command::new("rsync").arg("--version").output().is_err() {
        return skipped("needs the program rsync");
    }
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    std::fs::create_dir(&from).unwrap();
    let made = Command::new("sh").args(["-ec", SOURCE]).current_dir(&from).status().unwrap();
    assert!(made.success());
    copy(&from, &Tree::create(&to, Options::default()).unwrap());
    let compare = Command::new("rsync")
        .args(["-aHAXSnci", "--delete", "--modify-window=-1"])
        .args([from.join(""), to.join("")])
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&compare.stdout), String::from_utf8_lossy(&compare.stderr));
    assert!(compare.status.success() && out.is_empty(), "{out}{err}");
    let blocks = |path: &Path| std::fs::metadata(path.join("a/sparse")).unwrap().blocks();
    assert!(blocks(&to) <= blocks(&from), "{}", blocks(&to));
}
