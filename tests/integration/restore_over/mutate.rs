//! Changes of a tree, drawn from a seed: whatever may have happened since it was saved.

use crate::support::Draw;
use rustix::fs::{AtFlags, CWD, Mode, XattrFlags};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// Changes about one of so many entries below `root`; 1 changes every one.
pub fn mutate(draw: &mut Draw, root: &Path, one_in: u64) {
    let mut waiting = vec![root.to_owned()];
    let mut all = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.symlink_metadata().unwrap().is_dir() {
            let mut below: Vec<PathBuf> =
                std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
            below.sort();
            waiting.extend(below);
        }
        all.push(path);
    }
    // Deepest first, so that a directory is changed after what is in it.
    for (number, path) in all.iter().enumerate().rev() {
        if path != root && draw.once_in(one_in) && path.symlink_metadata().is_ok() {
            let other = all[draw.below(all.len() as u64) as usize].clone();
            change(draw, path, &other, number);
        }
    }
    add(draw, root, 0);
}

fn change(draw: &mut Draw, path: &Path, other: &Path, number: usize) {
    let stat = path.symlink_metadata().unwrap();
    match draw.below(12) {
        0 => remove(path),
        1 | 2 if stat.is_file() => change_bytes(draw, path, &stat),
        3 if stat.is_file() => {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            let _ = file.set_len(draw.below(stat.len() + 5000));
        }
        4 if !stat.is_symlink() => {
            let mode = Mode::from_raw_mode(draw.below(0o10000) as u32);
            rustix::fs::chmod(path, mode).unwrap();
        }
        5 => {
            let (uid, gid) = (draw.below(3000) as u32, draw.below(3000) as u32);
            std::os::unix::fs::lchown(path, Some(uid), Some(gid)).unwrap();
        }
        6 if stat.is_file() || stat.is_dir() => {
            let flags = XattrFlags::empty();
            let _ = rustix::fs::lsetxattr(path, "user.more", b"than before", flags);
            let _ = rustix::fs::lremovexattr(path, "user.edge");
            let _ = rustix::fs::lremovexattr(path, "system.posix_acl_access");
        }
        7 if stat.is_file() || stat.is_dir() => {
            let time = UNIX_EPOCH + Duration::from_secs(draw.below(1 << 31));
            File::open(path).unwrap().set_modified(time).unwrap();
        }
        8 | 9 => another_kind(draw, path),
        10 if !stat.is_dir() => {
            // The same content under the same name, and no longer the same file.
            let copy = path.with_file_name(format!("apart {number}"));
            if stat.is_file() && std::fs::copy(path, &copy).is_ok() {
                std::fs::rename(copy, path).unwrap();
            }
        }
        11 if !stat.is_dir() && other.symlink_metadata().is_ok_and(|other| !other.is_dir()) => {
            let told = |of: &Path| of.symlink_metadata().map(|s| (s.len(), s.modified().ok())).ok();
            // What looks the same by length and time is taken for the same.
            if other != path && told(other) != told(path) {
                remove(path);
                rustix::fs::linkat(CWD, other, CWD, path, AtFlags::empty()).unwrap();
            }
        }
        _ if stat.is_dir() => add(draw, path, number),
        _ => {}
    }
}

fn change_bytes(draw: &mut Draw, path: &Path, stat: &std::fs::Metadata) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    if stat.len() > 0 {
        let len = 1 + draw.below(9000).min(stat.len() - 1) as usize;
        let noise = draw.noise(len);
        file.write_all_at(&noise, draw.below(stat.len() - noise.len() as u64 + 1)).unwrap();
        // Another second than it was, so that its time tells.
        let second = if stat.mtime() == 77 { 78 } else { 77 };
        file.set_modified(UNIX_EPOCH + Duration::from_secs(second)).unwrap();
    }
}

fn another_kind(draw: &mut Draw, path: &Path) {
    remove(path);
    match draw.below(4) {
        0 => {
            std::fs::create_dir(path).unwrap();
            add(draw, path, 1);
        }
        1 => symlink("/etc", path).unwrap(),
        2 => std::fs::write(path, "something else").unwrap(),
        _ => {
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(CWD, path, kind, Mode::RWXU, 0).unwrap();
        }
    }
}

fn add(draw: &mut Draw, parent: &Path, number: usize) {
    let name = parent.join(format!("extra {number}"));
    if name.symlink_metadata().is_ok() || name.as_os_str().len() > 3500 {
        return;
    }
    match draw.below(3) {
        0 => std::fs::write(name, "extra").unwrap(),
        1 => symlink("..", name).unwrap(),
        _ => {
            std::fs::create_dir(&name).unwrap();
            std::fs::write(name.join("inside"), "extra").unwrap();
            symlink("/", name.join("root")).unwrap();
        }
    }
}

fn remove(path: &Path) {
    match path.symlink_metadata().unwrap().is_dir() {
        true => std::fs::remove_dir_all(path).unwrap(),
        false => std::fs::remove_file(path).unwrap(),
    }
}

/// Changes the content of a file and puts back its length and its time.
pub fn change_unseen(path: &Path, at: u64) {
    let stat = path.metadata().unwrap();
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let mut byte = [0];
    File::open(path).unwrap().read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0xff], at).unwrap();
    file.set_modified(stat.modified().unwrap()).unwrap();
    assert_eq!(path.metadata().unwrap().mtime_nsec(), stat.mtime_nsec());
}
