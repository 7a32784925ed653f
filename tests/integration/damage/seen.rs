//! A restored tree, byte for byte, in the order of the path map.

use esker_format::path::MapKey;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// All entries, by the key that each has in the map.
pub type Seen = BTreeMap<MapKey, Thing>;

/// What there is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    device: u64,
    /// Bytes of a file, target of a link.
    content: Vec<u8>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads all that is below a target, and the target itself.
pub fn look(target: &Path) -> Seen {
    let mut out = Seen::new();
    let mut waiting = vec![target.to_owned()];
    while let Some(path) = waiting.pop() {
        let below = path.strip_prefix(target).unwrap();
        let absolute = [b"/", below.as_os_str().as_bytes()].concat();
        let stat = path.symlink_metadata().unwrap();
        let kind = stat.file_type();
        let content = if kind.is_file() {
            std::fs::read(&path).unwrap()
        } else if kind.is_symlink() {
            std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else {
            Vec::new()
        };
        let thing = Thing {
            mode: stat.mode(),
            owner: (stat.uid(), stat.gid()),
            mtime: (stat.mtime(), stat.mtime_nsec()),
            device: stat.rdev(),
            content,
            xattrs: xattrs(&path),
        };
        out.insert(MapKey::from_path(&absolute).unwrap(), thing);
        if kind.is_dir() {
            let entries = std::fs::read_dir(&path).unwrap();
            waiting.extend(entries.map(|entry| entry.unwrap().path()));
        }
    }
    out
}

fn xattrs(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0; 4096];
    let Ok(len) = rustix::fs::llistxattr(path, &mut names[..]) else { return Vec::new() };
    let names = names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 64 << 10];
        let len = rustix::fs::lgetxattr(path, CString::new(name).unwrap(), &mut value[..]).unwrap();
        value.truncate(len);
        value
    };
    let mut out: Vec<_> = names.map(|name| (name.to_vec(), value(name))).collect();
    out.sort();
    out
}
