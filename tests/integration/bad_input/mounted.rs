//! Small file systems for tests, where we may mount them.

use crate::support::skipped;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file system in memory, until this goes.
pub struct Mounted(PathBuf);

impl Mounted {
    /// Mounts one of this size; without the right to do so the test is counted as skipped.
    pub fn new(place: PathBuf, mebibytes: u64) -> Option<Self> {
        std::fs::create_dir_all(&place).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}M"), "none"])
            .arg(&place)
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(place));
        }
        skipped("needs the right to mount a file system");
        None
    }

    /// Gives it another size.
    pub fn resize(&self, mebibytes: u64) {
        let options = format!("remount,size={mebibytes}M");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a process that a failed test left behind may still be in it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
