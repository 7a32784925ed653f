//! What is in a tree, entry by entry, with all that a restore gives back.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// One entry, without the names that it shares.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub state: String,
    pub names: u64,
}

/// All entries by their path below `root`.
pub fn listing(root: &Path) -> BTreeMap<Vec<u8>, Entry> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let stat = std::fs::symlink_metadata(&path).unwrap();
        if stat.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let below = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
        let names = if stat.is_dir() { 1 } else { stat.nlink() };
        found.insert(below, Entry { state: state(&path, &stat), names });
    }
    found
}

fn state(path: &PathBuf, stat: &std::fs::Metadata) -> String {
    let kind = stat.file_type();
    let content = if kind.is_file() {
        format!("{} {:x?}", stat.len(), digest(&std::fs::read(path).unwrap()))
    } else if kind.is_symlink() {
        format!("{:?}", std::fs::read_link(path).unwrap())
    } else if kind.is_block_device() || kind.is_char_device() {
        stat.rdev().to_string()
    } else {
        String::new()
    };
    let mode = stat.mode();
    let owner = (stat.uid(), stat.gid());
    let time = (stat.mtime(), stat.mtime_nsec());
    format!("{mode:o} {owner:?} {time:?} {content} {:?}", xattrs(path))
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn xattrs(path: &Path) -> Vec<(Vec<u8>, [u8; 32])> {
    let mut names = vec![0; 64 << 10];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut found: Vec<_> = names
        .map(|name| {
            let mut value = vec![0; 64 << 10];
            let len = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            (name.to_vec(), digest(&value[..len]))
        })
        .collect();
    found.sort();
    found
}

/// A path as `--json` prints it, back to its bytes.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next().unwrap() {
                b'x' => {
                    let mut digit = || char::from(bytes.next().unwrap()).to_digit(16).unwrap();
                    out.push((digit() << 4 | digit()) as u8);
                }
                other => out.push(other),
            },
            byte => out.push(byte),
        }
    }
    out
}
