//! One fixture: a target of its own, nodes made in a line, and the bytes of a path below it.

mod files;
mod hostile;
mod metadata;
mod shapes;
mod target;
mod twin;

use super::{Kind, Options, Tree, TreeError};
use crate::restore::metadata::Notes;
use crate::skipped::skipped;
use esker_format::content::{Content, Item};
use esker_format::node::{Node, NodeKind, Time, Xattr, Xattrs};
use esker_format::path::MapKey;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

struct Fixture {
    place: tempfile::TempDir,
    tree: Tree,
}

impl Fixture {
    fn new() -> Self {
        Self::with(Options::default())
    }
    fn with(options: Options) -> Self {
        raise_file_limit();
        let place = tempfile::tempdir().unwrap();
        let tree = Tree::create(&place.path().join("target"), options).unwrap();
        Self { place, tree }
    }
    fn path(&self, path: &str) -> PathBuf {
        self.place.path().join("target").join(path.trim_start_matches('/'))
    }
    fn stat(&self, path: &str) -> std::fs::Metadata {
        std::fs::symlink_metadata(self.path(path)).unwrap()
    }
    fn mode(&self, path: &str) -> u32 {
        self.stat(path).mode() & 0o7777
    }
    fn directory(&self, path: &str, mode: u32) {
        self.tree.make_directory(&key(path), &node(NodeKind::Directory, mode), &[]).unwrap();
    }
    /// Makes a file whose node says the length of `bytes`, and returns what could not be given.
    fn file(&self, path: &str, mut node: Node, bytes: &[u8], xattrs: &[Xattr]) -> Vec<TreeError> {
        node.size = Some(bytes.len() as u64);
        if !xattrs.is_empty() {
            node.xattrs = Some(Xattrs::Inline(xattrs.to_vec()));
        }
        let file = self.tree.create_file(&key(path), &node).unwrap();
        if !bytes.is_empty() {
            file.write_at(0, bytes).unwrap();
        }
        file.finish(&node, xattrs)
    }
    fn finish(&self) -> Vec<TreeError> {
        let mut problems = Vec::new();
        self.tree.finish_directories(|problem| problems.push(problem));
        self.tree.finish_target(|problem| problems.push(problem));
        problems
    }
}

fn key(path: &str) -> MapKey {
    MapKey::from_path(path.as_bytes()).unwrap()
}

/// A node that belongs to whoever runs the test.
fn node(kind: NodeKind, mode: u32) -> Node {
    Node {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        size: (kind == NodeKind::File).then_some(0),
        target: (kind == NodeKind::Symlink).then(|| b"where/ever".to_vec()),
        device: matches!(kind, NodeKind::BlockDevice | NodeKind::CharDevice).then_some((1, 3)),
        ..Node::bare(kind, mode, Time { seconds: 1_000_000_000, nanos: 123_456_789 })
    }
}

fn owned(mut node: Node, uid: u32, gid: u32) -> Node {
    (node.uid, node.gid) = (uid, gid);
    node
}

/// Says so when a test cannot show anything without root.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skipped("needs root");
    }
    root
}

/// Tests of one process share its descriptors, and each tree keeps many directories open.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// Runs `work` in a thread that has lost root; the credentials of a thread are its own.
fn as_nobody(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if rustix::process::geteuid().is_root() {
                let (uid, gid) =
                    (rustix::fs::Uid::from_raw(65534), rustix::fs::Gid::from_raw(65534));
                rustix::thread::set_thread_groups(&[]).unwrap();
                rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
                rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
            }
            work();
        });
        thread.join().unwrap();
    });
}

/// A POSIX ACL as the kernel takes it: (tag, permissions, id).
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// The owner has rw, user 1000 rwx, the group nothing, others nothing: the mode says 0670.
fn shared_acl() -> Vec<u8> {
    const ANY: u32 = u32::MAX;
    acl(&[(1, 6, ANY), (2, 7, 1000), (4, 0, ANY), (16, 7, ANY), (32, 0, ANY)])
}

fn xattr(path: &std::path::Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 65_536];
    let len = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
    value.truncate(len);
    Some(value)
}
