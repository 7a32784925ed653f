//! Loop devices over files that tests make, and images of disks with file systems.

use super::{needs, skipped};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A loop device, until this goes.
pub struct Loop(PathBuf);

impl Loop {
    /// One over a file; without the right or the means to do so the test is counted as skipped.
    pub fn over(file: &Path) -> Option<Self> {
        Self::with(file, &[])
    }

    /// The same with further options of `losetup`.
    pub fn with(file: &Path, options: &[&str]) -> Option<Self> {
        let mut command = administration("losetup");
        let output = command.args(["--find", "--show"]).args(options).arg(file).output();
        match output {
            Ok(Output { status, stdout, .. }) if status.success() => {
                Some(Self(String::from_utf8(stdout).unwrap().trim().into()))
            }
            _ => {
                skipped("needs loop devices, and the right to use them");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = administration("losetup").arg("--detach").arg(&self.0).status();
    }
}

/// A file system that is mounted, until this goes.
pub struct Mount(PathBuf);

impl Mount {
    /// Mounts a device; where that cannot be, the test is counted as skipped.
    pub fn of(device: &Path, at: PathBuf, options: &str) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let mut command = administration("mount");
        let status = command.args(["-o", options]).arg(device).arg(&at).output();
        if status.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        skipped("needs the right to mount, and a kernel that knows the file system");
        None
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = administration("umount").arg(&self.0).status();
    }
}

/// A program of the administration, which are not on everybody's PATH.
pub fn administration(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).stdin(Stdio::null());
    command
}

/// Runs a program that must do its work, and gives back what it printed.
#[track_caller]
pub fn does(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A partition of an image: first byte, bytes.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub start: u64,
    pub len: u64,
}

const MIB: u64 = 1 << 20;

/// File systems of a test disk, and how large each is, in MiB.
pub const SYSTEMS: [(&str, u64); 4] = [("ext4", 48), ("xfs", 320), ("btrfs", 128), ("swap", 16)];

/// Bytes of a test disk.
pub const DISK: u64 = 600 * MIB;

/// Makes an image of a disk with a GPT, and on it the file systems of [`SYSTEMS`], with files in the first.
/// None, and the test counted as skipped, without the programs for that.
pub fn disk(image: &Path) -> Option<Vec<Part>> {
    let programs = ["sfdisk", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mkswap"];
    if !programs.iter().all(|program| has(program)) {
        return None;
    }
    let file = std::fs::File::create(image).unwrap();
    file.set_len(DISK).unwrap();
    let sizes: String = SYSTEMS.iter().map(|(_, size)| format!("size={size}MiB\n")).collect();
    partition(image, &format!("label: gpt\n{sizes}"));
    let mut start = MIB;
    let mut parts = Vec::new();
    for (kind, size) in SYSTEMS {
        let part = Part { start, len: size * MIB };
        let single = image.with_extension(kind);
        make(kind, &single, part.len);
        put(&single, image, part.start);
        std::fs::remove_file(&single).unwrap();
        parts.push(part);
        start += part.len;
    }
    Some(parts)
}

fn has(program: &str) -> bool {
    let found = administration(program).arg("-V").output().is_ok();
    if !found {
        let _ = needs(program);
    }
    found
}

/// Partitions a disk or an image by a script of `sfdisk`.
pub fn partition(image: &Path, script: &str) {
    let mut command = administration("sfdisk");
    let command = command.args(["--quiet", "--no-reread"]).arg(image);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Makes a file with a file system of this kind in it.
pub fn make(kind: &str, file: &Path, len: u64) {
    std::fs::File::create(file).unwrap().set_len(len).unwrap();
    let documents = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
    let mut command = match kind {
        "ext4" => {
            let mut command = administration("mkfs.ext4");
            command.args(["-q", "-L", "root of it", "-d", documents]);
            command
        }
        "xfs" => {
            let mut command = administration("mkfs.xfs");
            command.args(["-q", "-L", "srv"]);
            command
        }
        "btrfs" => {
            let mut command = administration("mkfs.btrfs");
            command.args(["-q", "-L", "pool", "--rootdir", documents]);
            command
        }
        _ => {
            let mut command = administration("mkswap");
            command.args(["-L", "swap"]);
            command
        }
    };
    does(command.arg(file));
}

/// Copies a file into another one, but for what is zero.
pub fn put(from: &Path, to: &Path, at: u64) {
    let mut from = std::fs::File::open(from).unwrap();
    let mut to = std::fs::OpenOptions::new().write(true).open(to).unwrap();
    let mut piece = vec![0; 64 << 10];
    let mut offset = at;
    loop {
        let len = from.read(&mut piece).unwrap();
        if len == 0 {
            return;
        }
        if piece[..len].iter().any(|byte| *byte != 0) {
            to.seek(SeekFrom::Start(offset)).unwrap();
            to.write_all(&piece[..len]).unwrap();
        }
        offset += len as u64;
    }
}

/// Bytes of a file or device.
pub fn bytes(path: &Path, part: Part) -> Vec<u8> {
    let mut file = std::fs::File::open(path).unwrap();
    file.seek(SeekFrom::Start(part.start)).unwrap();
    let mut bytes = vec![0; part.len as usize];
    file.read_exact(&mut bytes).unwrap();
    bytes
}

/// Fails unless the first `len` bytes of both are equal.
#[track_caller]
pub fn assert_equal(a: &Path, b: &Path, len: u64) {
    let mut at = 0;
    while at < len {
        let part = Part { start: at, len: (len - at).min(4 * MIB) };
        assert!(bytes(a, part) == bytes(b, part), "differ within {part:?}");
        at += part.len;
    }
}
