//! Owners, modes, times and attributes of all kinds.

use crate::support::Draw;
use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::collections::BTreeMap;
use std::path::Path;

/// What could not be given to the trees here, by reason.
pub type Refused = BTreeMap<String, u64>;

/// What kind of thing gets metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    Other,
}

/// Gives a thing what it has beside its content. The order is that of the kernel's side effects:
/// a new owner takes set-id bits and capabilities away, attributes set the mode, all set the time.
pub fn dress(draw: &mut Draw, path: &Path, kind: Kind, refused: &mut Refused) {
    if geteuid().is_root() && draw.once_in(2) {
        let mut id = || match draw.below(8) {
            0 => 1 << 31,
            1 => (1 << 31) + 7,
            2 => u32::MAX - 1,
            3 => 65_534,
            4 => 0,
            _ => draw.below(70_000) as u32,
        };
        let (uid, gid) = (Uid::from_raw(id()), Gid::from_raw(id()));
        rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
    if draw.once_in(3) {
        attributes(draw, path, kind, refused);
    }
    if kind != Kind::Symlink && draw.once_in(2) {
        let mode = mode(draw, kind);
        rustix::fs::chmod(path, Mode::from_raw_mode(mode)).unwrap();
    }
    let modification = time(draw);
    let access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let times = Timestamps { last_access: access, last_modification: modification };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn mode(draw: &mut Draw, kind: Kind) -> u32 {
    let mode = match draw.below(4) {
        0 => 0o7777,
        1 => 0,
        _ => draw.below(0o10000) as u32,
    };
    match kind {
        // Whoever is not root could neither save nor remove it.
        Kind::Directory if !geteuid().is_root() => mode | 0o700,
        Kind::File if !geteuid().is_root() => mode | 0o400,
        _ => mode,
    }
}

/// Times that the file system may shorten: then it shortened them before they were saved.
fn time(draw: &mut Draw) -> Timespec {
    let tv_sec = match draw.below(12) {
        0 => -1,
        1 => 0,
        2 => -(draw.below(1 << 31) as i64),
        3 => -(1 << 31),
        4 => -62_167_219_201,
        5 => 253_402_300_800,
        6 => (1 << 34) - (1 << 31) - 1,
        7 => 1 << 31,
        8 => 1 << 55,
        _ => draw.below(1 << 31) as i64,
    };
    let tv_nsec = match draw.below(5) {
        0 => 0,
        1 => 1,
        2 => 999_999_999,
        _ => draw.below(1_000_000_000) as i64,
    };
    Timespec { tv_sec, tv_nsec }
}

fn attributes(draw: &mut Draw, path: &Path, kind: Kind, refused: &mut Refused) {
    let mut set = |name: &str, value: &[u8]| {
        let done = rustix::fs::lsetxattr(path, name, value, XattrFlags::empty());
        if let Err(error) = done {
            let what = name.split('.').take(2).collect::<Vec<_>>().join(".");
            let size = if value.len() > 4000 { " of over 4000 bytes" } else { "" };
            assert!(!matches!(error, Errno::INVAL), "{name} {} {path:?}", value.len());
            *refused.entry(format!("attribute {what}{size}: {error}")).or_default() += 1;
        }
    };
    if geteuid().is_root() {
        if draw.once_in(3) {
            set("trusted.esker", &draw.noise(20));
        }
        if kind == Kind::File && draw.once_in(2) {
            set("security.capability", &capability(draw));
        }
    }
    if matches!(kind, Kind::File | Kind::Directory) {
        match draw.below(5) {
            // The most that the kernel takes for one is 64 KiB. ext4 keeps one block for all.
            0 => set("user.large", &draw.noise(60 << 10)),
            1 => (0..40).for_each(|n| set(&format!("user.n{n}"), &draw.noise(n * 3))),
            // What a node holds, and one byte more or less.
            2 => set("user.edge", &vec![7; 500 + draw.below(16) as usize]),
            3 => set("user.empty", b""),
            _ => set("user.na\nme\\\u{e9}", b"\xff\x00\n"),
        }
        if draw.once_in(2) {
            set("system.posix_acl_access", &acl(draw));
        }
        if kind == Kind::Directory && draw.once_in(2) {
            set("system.posix_acl_default", &acl(draw));
        }
    }
}

/// A POSIX ACL as the kernel has it: version 2, then tag, permissions and id of each entry.
fn acl(draw: &mut Draw) -> Vec<u8> {
    const NOBODY: u32 = u32::MAX;
    let mut out = 2u32.to_le_bytes().to_vec();
    let mut add = |tag: u16, draw: &mut Draw, id: u32| {
        out.extend(tag.to_le_bytes());
        // As with modes: its owner must be able to save it.
        let own = if tag == 1 && !geteuid().is_root() { 7 } else { 0 };
        out.extend((draw.below(8) as u16 | own).to_le_bytes());
        out.extend(id.to_le_bytes());
    };
    add(1, draw, NOBODY);
    let users = draw.below(3) as u32;
    (0..users).for_each(|n| add(2, draw, 1000 + n * 0x4000_0000));
    add(4, draw, NOBODY);
    let groups = draw.below(2) as u32;
    (0..groups).for_each(|n| add(8, draw, 2000 + n));
    if users + groups > 0 {
        add(16, draw, NOBODY);
    }
    add(32, draw, NOBODY);
    out
}

/// File capabilities: version 2, or version 3 with the root user of a container.
fn capability(draw: &mut Draw) -> Vec<u8> {
    let of_container = draw.once_in(2);
    let version: u32 = if of_container { 0x0300_0001 } else { 0x0200_0001 };
    let mut words = vec![version, 1 << 13, 0, 0, 0];
    if of_container {
        words.push(100_000);
    }
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}
