//! What is mounted and what is swapped on, as the kernel lists it.

use super::kernel::{Kernel, Number};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// One mount.
#[derive(Debug, PartialEq, Eq)]
pub struct Mount {
    /// Its number.
    pub id: u64,
    /// The device; of no disk for file systems that use several.
    pub device: Number,
    /// Where it is.
    pub at: PathBuf,
    /// What was mounted: a path, or a word.
    pub source: PathBuf,
    /// Whether the file system may be written to, here or elsewhere.
    pub writable: bool,
}

/// All mounts of this process.
pub fn mounts(kernel: &Kernel) -> Vec<Mount> {
    let list = kernel.text("proc/self/mountinfo").unwrap_or_default();
    list.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (head, tail) = line.split_once(" - ")?;
    let head: Vec<&str> = head.split(' ').collect();
    let tail: Vec<&str> = tail.split(' ').collect();
    let (major, minor) = head.get(2)?.split_once(':')?;
    // The options of the file system itself: a read-only mount of it says nothing about the others.
    let writable = tail.get(2)?.split(',').any(|option| option == "rw");
    Some(Mount {
        id: head.first()?.parse().ok()?,
        device: Number(major.parse().ok()?, minor.parse().ok()?),
        at: unescaped(head.get(4)?),
        source: unescaped(tail.get(1)?),
        writable,
    })
}

/// Files and devices that memory is swapped to.
pub fn swaps(kernel: &Kernel) -> Vec<PathBuf> {
    let list = kernel.text("proc/swaps").unwrap_or_default();
    list.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(unescaped).collect()
}

/// Blanks and the like are written as `\040`.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_writable_when_its_file_system_is() {
        let line = r"31 22 8:1 / /a\040b ro,relatime shared:5 - ext4 /dev/sda1 rw,errors=continue";
        let found = mount(line).unwrap();
        assert_eq!((found.id, found.device), (31, Number(8, 1)));
        assert_eq!(found.at, PathBuf::from("/a b"));
        assert!(found.writable);
        assert!(!mount("31 22 8:1 / /a rw - iso9660 /dev/sr0 ro").unwrap().writable);
        assert_eq!(mount("no mount"), None);
    }
}
