//! Locks on image files: of virtual machines, and ours.

use super::{noise, save, sparse};
use crate::support::loops::Loop;
use crate::support::{Home, Ran, skipped};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const MIB: u64 = 1 << 20;

fn clone(home: &Home, from: &Path, to: &Path) -> Ran {
    Ran::of(home.command().arg("clone").args([from, to]).arg("--yes"))
}

/// Waits until a lock on a file is listed of which the line has these words in it.
fn wait_for_lock(file: &Path, words: &str) {
    let inode = format!(":{} {words}", std::fs::metadata(file).unwrap().ino());
    for _ in 0..1000 {
        if std::fs::read_to_string("/proc/locks").unwrap().contains(&inode) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("nobody has locked {}", file.display());
}

/// Something of QEMU that has locked an image, to write to it.
struct Locked(Child);

impl Locked {
    fn of(image: &Path) -> Option<Self> {
        let mut command = Command::new("qemu-io");
        let command = command.args(["-f", "raw"]).arg(image).stdin(Stdio::piped());
        let Ok(child) = command.stdout(Stdio::null()).spawn() else {
            skipped("needs qemu-io");
            return None;
        };
        let locked = Self(child);
        wait_for_lock(image, "10");
        Some(locked)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_loop_device_over_what_a_virtual_machine_has_locked_is_in_use() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 4 * MIB, &[(0, b"old")]);
    let from = sparse(&home, "from.img", 4 * MIB, &[(0, b"new")]);
    let Some(device) = Loop::over(&image) else { return };
    let Some(_locked) = Locked::of(&image) else { return };
    clone(&home, &from, device.path()).exit(1).says(&["a virtual machine"]);
    save(&home, &[device.path()], &[]).exit(1).says(&["a virtual machine", "--allow-live"]);
    assert!(std::fs::read(&image).unwrap().starts_with(b"old"));
}

/// An esker that clones, and stands still as soon as it has begun to write.
struct Standing(Child);

impl Standing {
    fn of(home: &Home, from: &Path, to: &Path) -> Self {
        let mut command = home.command();
        let child = command.arg("clone").args([from, to]).args(["--yes", "--json"]);
        let child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let standing = Self(child);
        while std::fs::metadata(to).map_or(0, |found| found.blocks()) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        standing.signal("STOP");
        standing
    }

    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_image_file_that_is_written_is_in_use_for_everybody_else() {
    let home = Home::new();
    let image = sparse(&home, "from.img", 96 * MIB, &[(0, &noise(96 << 20, 3))]);
    let small = sparse(&home, "small.img", MIB, &[(0, b"other")]);
    let there = home.path("there.img");
    let mut standing = Standing::of(&home, &image, &there);
    let words = ["is in use: another process writes to it"];
    clone(&home, &small, &there).exit(1).says(&words);
    save(&home, &[&small], &[]).ok();
    let mut restore = home.command();
    restore.args(["restore", "latest"]).arg(&there).args(["--device", "--yes"]);
    Ran::of(&mut restore).exit(1).says(&words);
    save(&home, &[&there], &[]).exit(1).says(&words);
    if let Ok(qemu) =
        Command::new("qemu-io").args(["-f", "raw", "-c", "write 0 512"]).arg(&there).output()
    {
        let said = String::from_utf8_lossy(&qemu.stderr).into_owned();
        assert!(said.contains("lock"), "{said}");
    }
    // Others may read what it reads, and not write it.
    clone(&home, &image, &home.path("second.img")).ok();
    clone(&home, &small, &image).exit(1).says(&["is in use"]);
    standing.signal("CONT");
    assert!(standing.0.wait().unwrap().success());
    assert!(std::fs::read(&image).unwrap() == std::fs::read(&there).unwrap());
    clone(&home, &small, &there).ok();
}
