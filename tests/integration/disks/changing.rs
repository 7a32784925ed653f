//! Disks and image files that change, or go away, while they are read.

use super::{noise, save, sparse};
use crate::support::loops::{Loop, administration, assert_equal};
use crate::support::{Home, Ran, needs};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Bytes of the image, and how many of them are read before something happens.
const LEN: u64 = 96 << 20;
const READ: u64 = 4 << 20;
/// Where a file ends that became shorter: behind what was read by then.
const SHORT: u64 = 72 << 20;

/// A run that stands still in the middle.
struct Halted(Option<Child>);

impl Halted {
    /// Runs a command until it has read some of the image.
    fn run(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut halted = Self(Some(command.spawn().unwrap()));
        while halted.read() < READ {
            assert!(halted.0.as_mut().unwrap().try_wait().unwrap().is_none(), "it is through");
            std::thread::sleep(Duration::from_micros(300));
        }
        halted.signal(Signal::STOP);
        assert!(halted.read() < SHORT, "it has read too much already");
        halted
    }

    /// Bytes that it has read.
    fn read(&self) -> u64 {
        let path = format!("/proc/{}/io", self.0.as_ref().unwrap().id());
        let io = std::fs::read_to_string(path).unwrap_or_default();
        let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
        line.map_or(0, |line| line.parse().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.0.as_ref().unwrap()), signal).unwrap();
    }

    /// Lets it go on to its end.
    fn go_on(mut self) -> Ran {
        self.signal(Signal::CONT);
        Ran::from_output(self.0.take().unwrap().wait_with_output().unwrap())
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn saving(home: &Home, image: &Path) -> Halted {
    Halted::run(home.command().args(["snapshot", "--image"]).arg(image))
}

fn set_len(file: &Path, len: u64) {
    OpenOptions::new().write(true).open(file).unwrap().set_len(len).unwrap();
}

/// The image in the latest snapshot.
fn restored(home: &Home, name: &str, code: i32) -> PathBuf {
    let out = home.path(name);
    File::create(&out).unwrap();
    let mut command = home.command();
    Ran::of(command.args(["restore", "latest"]).arg(&out).args(["--device", "--yes"])).exit(code);
    out
}

/// How whole the latest image is said to be.
fn fidelity(home: &Home) -> serde_json::Value {
    home.run(["ls", "--json", "latest"]).ok().json().last().unwrap()["fidelity"].clone()
}

#[test]
fn an_image_file_that_grows_while_it_is_read_is_told_and_read_again_the_next_time() {
    let home = Home::new();
    home.run(["init"]).ok();
    let image = sparse(&home, "disk.img", LEN, &[(0, &noise(LEN as usize, 20))]);
    let halted = saving(&home, &image);
    set_len(&image, LEN + (1 << 20));
    halted.go_on().exit(3).says(&["disk.img grew while it was read"]);
    assert_eq!(fidelity(&home), "changed");
    let out = restored(&home, "first.img", 0);
    assert_eq!(out.metadata().unwrap().len(), LEN);
    assert_equal(&image, &out, LEN);
    save(&home, &[&image], &[]).ok();
    let out = restored(&home, "second.img", 0);
    assert_eq!(out.metadata().unwrap().len(), LEN + (1 << 20));
    assert_equal(&image, &out, LEN + (1 << 20));
}

#[test]
fn of_an_image_file_that_becomes_shorter_while_it_is_read_the_missing_part_is_recorded() {
    let home = Home::new();
    home.run(["init"]).ok();
    let image = sparse(&home, "disk.img", LEN, &[(0, &noise(LEN as usize, 21))]);
    let halted = saving(&home, &image);
    set_len(&image, SHORT);
    let told = format!("{} bytes could not be read: {} from {SHORT} on", LEN - SHORT, LEN - SHORT);
    halted.go_on().exit(3).says(&[&told, "disk.img became shorter while it was read"]);
    assert_eq!(fidelity(&home), "damaged");
    // However many pieces it was missed in, it is one range.
    let there = sparse(&home, "there.img", LEN, &[]);
    let words = ["restore", "latest", "--device", "--yes", "--json"];
    let ran = Ran::of(home.command().args(words).arg(&there)).exit(3);
    assert_eq!(ran.json()[0]["unreadable"].as_array().unwrap().len(), 1);
    let out = restored(&home, "first.img", 3);
    assert_eq!(out.metadata().unwrap().len(), LEN);
    set_len(&image, LEN);
    assert_equal(&image, &out, LEN);
    set_len(&image, SHORT);
    save(&home, &[&image], &[]).ok();
    let out = restored(&home, "second.img", 0);
    assert_eq!(out.metadata().unwrap().len(), SHORT);
    assert_equal(&image, &out, SHORT);
}

#[test]
fn holes_do_not_hide_that_an_image_file_became_shorter() {
    let home = Home::new();
    home.run(["init"]).ok();
    // Data, then a hole, and data again where the file ends before, when it is read.
    let data = noise(64 << 20, 22);
    let image = sparse(&home, "disk.img", LEN, &[(0, &data), (80 << 20, &noise(8 << 20, 23))]);
    let halted = saving(&home, &image);
    set_len(&image, SHORT);
    halted.go_on().exit(3).says(&["became shorter while it was read"]);
    assert_eq!(fidelity(&home), "changed");
    let copy = home.path("copy.img");
    set_len(&image, LEN);
    let halted = Halted::run(home.command().arg("clone").arg(&image).arg(&copy));
    set_len(&image, SHORT);
    halted.go_on().exit(3).says(&["became shorter while it was read"]);
}

#[test]
fn a_disk_whose_file_is_cut_while_it_is_read_loses_that_and_says_so() {
    let home = Home::new();
    home.run(["init"]).ok();
    let image = sparse(&home, "disk.img", LEN, &[(0, &noise(LEN as usize, 24))]);
    let Some(device) = Loop::over(&image) else { return };
    let halted = saving(&home, device.path());
    set_len(&image, SHORT);
    halted.go_on().exit(3).says(&["bytes could not be read"]);
    assert_eq!(fidelity(&home), "damaged");
    let out = restored(&home, "out.img", 3);
    assert_eq!(out.metadata().unwrap().len(), LEN);
    assert_equal(&image, &out, SHORT);
    // What was in memory already is as it was, and all else is zero.
    let good = noise(LEN as usize, 24);
    let got = std::fs::read(&out).unwrap();
    let blocks = good.chunks(4096).zip(got.chunks(4096)).skip((SHORT / 4096) as usize);
    let mut zeros = 0;
    for (good, got) in blocks {
        assert!(good == got || got.iter().all(|byte| *byte == 0));
        zeros += u64::from(good != got);
    }
    assert!(zeros > 0);
}

/// A folder shown again by a server of its own, until this goes.
struct Shown {
    server: Child,
    at: PathBuf,
}

impl Shown {
    fn of(home: &Home, folder: &Path) -> Option<Self> {
        needs("bindfs").then_some(())?;
        let at = home.path("shown");
        std::fs::create_dir(&at).unwrap();
        let mut command = Command::new("bindfs");
        let command = command.args(["-f", "--no-allow-other"]).arg(folder).arg(&at);
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut shown = Self { server, at };
        let start = Instant::now();
        while std::fs::read_dir(&shown.at).unwrap().next().is_none() {
            if shown.server.try_wait().unwrap().is_some() || start.elapsed().as_secs() > 60 {
                crate::support::skipped("needs FUSE, and the right to use it");
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(shown)
    }

    fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = administration("umount").arg("--lazy").arg(&self.at).output();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn an_image_whose_file_server_dies_makes_no_snapshot_and_no_disk_of_zeros() {
    let home = Home::new();
    home.run(["init"]).ok();
    std::fs::create_dir(home.path("served")).unwrap();
    let real = sparse(&home, "served/disk.img", LEN, &[(0, &noise(LEN as usize, 25))]);
    let gone = ["cannot be read any more"];
    {
        let Some(mut shown) = Shown::of(&home, &home.path("served")) else { return };
        let halted = saving(&home, &shown.at.join("disk.img"));
        shown.kill();
        halted.go_on().exit(1).says(&gone).says(&["no snapshot was made"]);
        assert_eq!(home.run(["snapshots", "--json"]).ok().json().len(), 0);
    }
    std::fs::remove_dir(home.path("shown")).unwrap();
    {
        let Some(mut shown) = Shown::of(&home, &home.path("served")) else { return };
        let copy = home.path("copy.img");
        let from = shown.at.join("disk.img");
        let halted = Halted::run(home.command().arg("clone").arg(from).arg(&copy));
        shown.kill();
        halted.go_on().exit(1).says(&gone);
    }
    // Once it is back, both begin again and come to their end.
    std::fs::remove_dir(home.path("shown")).unwrap();
    let Some(shown) = Shown::of(&home, &home.path("served")) else { return };
    save(&home, &[&shown.at.join("disk.img")], &[]).ok();
    assert_equal(&real, &restored(&home, "out.img", 0), LEN);
}
