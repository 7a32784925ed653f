//! Changes a tree in all ways there are, and says what the changes should be called.

use super::listing::{Listed, found};
use crate::support::Draw;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;

/// Changes about a fifth of what is below `root`.
pub fn change(draw: &mut Draw, root: &Path) {
    for path in found(root, &["-mindepth", "1"]) {
        let path = Path::new(OsStr::from_bytes(&path));
        // Something above it may be gone by now.
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if !draw.once_in(5) {
            continue;
        }
        let is_file = metadata.is_file();
        match draw.below(7) {
            0 if metadata.is_dir() => fs::remove_dir_all(path).unwrap(),
            0 => fs::remove_file(path).unwrap(),
            1 if is_file => fs::write(path, draw.noise(300)).unwrap(),
            2 if is_file && metadata.len() > 0 => flip(path, metadata.len()),
            3 if !metadata.is_symlink() => {
                let mode = metadata.permissions().mode() ^ 0o020;
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            }
            4 => touch(path),
            5 if !metadata.is_dir() => {
                fs::remove_file(path).unwrap();
                if metadata.is_symlink() {
                    fs::create_dir(path).unwrap();
                } else {
                    symlink("elsewhere", path).unwrap();
                }
            }
            _ if metadata.is_dir() => {
                // A name that is there already is changed instead.
                let _ = fs::write(path.join("new\nfile\u{fe}"), draw.noise(20));
            }
            _ => {}
        }
    }
}

/// Changes one byte of a file, and puts its time back.
fn flip(path: &Path, len: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let time = file.metadata().unwrap().modified();
    let mut byte = [0];
    file.read_exact_at(&mut byte, len / 2).unwrap();
    file.write_all_at(&[!byte[0]], len / 2).unwrap();
    // Some times are beyond what the library can say.
    let _ = time.and_then(|time| file.set_modified(time));
}

fn touch(path: &Path) {
    let access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let modification = Timespec { tv_sec: 1_000_000_007, tv_nsec: 5 };
    let times = Timestamps { last_access: access, last_modification: modification };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// What differs between two listings: the path, and the word for it.
pub fn expected(
    old: &BTreeMap<Vec<u8>, Listed>,
    new: &BTreeMap<Vec<u8>, Listed>,
) -> BTreeMap<Vec<u8>, &'static str> {
    let mut changes = BTreeMap::new();
    for (path, was) in old {
        let change = match new.get(path) {
            None => "removed",
            Some(is) if is.kind != was.kind => "kind",
            Some(is) if is.content != was.content => "content",
            Some(is) if is.metadata != was.metadata => "metadata",
            Some(_) => continue,
        };
        changes.insert(path.clone(), change);
    }
    let added = new.keys().filter(|path| !old.contains_key(*path));
    changes.extend(added.map(|path| (path.clone(), "added")));
    changes
}
