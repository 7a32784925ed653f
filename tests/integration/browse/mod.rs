//! Ways to look into a repository without restoring it.

mod beside;
mod ending;
mod images;
mod mounted;
mod nbd;
mod unreadable;

use crate::support::{Home, needs, skipped};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A program that shows a repository as a file system.
pub struct Mount {
    child: Option<Child>,
    at: PathBuf,
}

impl Mount {
    /// Mounts in a home, with these options; none, and the test counted as skipped, where nobody can.
    pub fn of<A: AsRef<OsStr>>(home: &Home, options: impl IntoIterator<Item = A>) -> Option<Self> {
        Self::by(home.command(), home.path("mnt"), options)
    }

    /// The same with a command of one's own, and at a place of one's own.
    pub fn by<A: AsRef<OsStr>>(
        mut command: Command,
        at: PathBuf,
        options: impl IntoIterator<Item = A>,
    ) -> Option<Self> {
        if !has_fuse() {
            return None;
        }
        let _ = std::fs::create_dir(&at);
        command.arg("mount").arg(&at).args(options).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        if !said.starts_with("mounted at ") {
            let output = child.wait_with_output().unwrap();
            panic!("{said}{}", String::from_utf8_lossy(&output.stderr));
        }
        Some(Self { child: Some(child), at })
    }

    /// A place below the mountpoint.
    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.at.join(below)
    }

    /// The root of the newest snapshot that has a label.
    pub fn latest(&self, label: &str) -> PathBuf {
        self.path("by-series").join(label.replace('/', "%2F")).join("latest")
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    /// Waits for its end; how that was, and what it said on standard error.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        (output.status, String::from_utf8(output.stderr).unwrap())
    }

    /// Ends it as somebody at a terminal does.
    pub fn end(self) -> (ExitStatus, String) {
        self.signal(Signal::INT);
        self.wait()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill_process(Pid::from_child(&child), Signal::INT);
            let _ = child.wait();
        }
    }
}

/// Whether file systems can be shown here. If not, the test is counted as skipped.
pub fn has_fuse() -> bool {
    if !needs("fusermount3") {
        return false;
    }
    let can = std::fs::File::options().read(true).write(true).open("/dev/fuse").is_ok();
    if !can {
        skipped("needs /dev/fuse, and the right to open it");
    }
    can
}

/// Whether something is mounted at a place.
pub fn is_mounted(at: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(1) == at.to_str())
}

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never: {what}");
}
