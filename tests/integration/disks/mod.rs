//! Disks and images of disks: what is told of them, read from them, and written to them.

mod cloned;
mod guarded;
mod looks;
mod unreadable;

use crate::support::Home;
use std::path::PathBuf;

/// A sparse file of so many bytes with a few in it.
fn sparse(home: &Home, name: &str, len: u64, bytes: &[(u64, &[u8])]) -> PathBuf {
    use std::os::unix::fs::FileExt;
    let path = home.path(name);
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(len).unwrap();
    for (at, bytes) in bytes {
        file.write_all_at(bytes, *at).unwrap();
    }
    path
}
