//! Disks and images of disks: what is told of them, read from them, and written to them.

mod changing;
mod cloned;
mod compared;
mod guarded;
mod killed;
mod locked;
mod looks;
mod looped;
mod qcow2;
mod renewed;
mod restored;
mod saved;
mod unreadable;
mod used;

use crate::support::loops::{Loop, Part, administration, bytes, does, partition};
use crate::support::{Home, Ran, needs};
use std::path::{Path, PathBuf};

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

/// An image of a disk with a table of which neither copy can be read. None, and the test counted as skipped,
/// without the programs for that.
fn without_table(home: &Home) -> Option<PathBuf> {
    use std::os::unix::fs::FileExt;
    if !needs("sfdisk") {
        return None;
    }
    let image = sparse(home, "disk.img", 16 << 20, &[]);
    partition(&image, "label: gpt\nsize=4MiB\n");
    let file = std::fs::File::options().write(true).open(&image).unwrap();
    for at in [512 + 20, (16 << 20) - 512 + 20] {
        file.write_all_at(&[255; 9], at).unwrap();
    }
    Some(image)
}

/// A number of the first line that a command has told.
fn number(ran: &Ran, name: &str) -> u64 {
    ran.json()[0][name].as_u64().unwrap()
}

/// Fails unless a disk has the same partitions as another one, and the tools of its file systems find
/// nothing wrong.
fn check(image: &Path, disk: &Path, parts: &[Part]) {
    for (part, check) in parts.iter().zip(["e2fsck", "xfs_repair", "btrfs"]) {
        assert!(bytes(disk, *part) == bytes(image, *part));
        let (start, len) = (part.start.to_string(), part.len.to_string());
        let options = ["--read-only", "--offset", &start, "--sizelimit", &len];
        let Some(device) = Loop::with(disk, &options) else { return };
        let mut command = administration(check);
        match check {
            "e2fsck" => command.arg("-fn"),
            "xfs_repair" => command.arg("-n"),
            _ => command.args(["check", "--readonly"]),
        };
        does(command.arg(device.path()));
    }
}

/// Saves images.
#[track_caller]
fn save(home: &Home, images: &[&Path], options: &[&str]) -> Ran {
    let mut command = home.command();
    command.arg("snapshot");
    for image in images {
        command.arg("--image").arg(image);
    }
    Ran::of(command.args(options))
}

/// Bytes that no compression makes smaller, other ones for each seed.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    crate::support::Draw::new(seed).noise(len)
}
