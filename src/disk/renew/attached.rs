//! A part of a disk or file as a device of its own, for programs that know no offsets. It goes with this
//! value, also when the program is killed.

use super::tools;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// A loop device.
#[derive(Debug)]
pub struct Attached {
    path: PathBuf,
    open: OwnedFd,
}

impl Attached {
    /// Over `len` bytes of what is at `path`, from `start` on.
    ///
    /// # Errors
    /// In words, why there is none.
    pub fn to_write(path: &Path, start: u64, len: u64) -> Result<Self, String> {
        let (start, len) = (start.to_string(), len.to_string());
        Self::over(path, &["--offset", &start, "--sizelimit", &len])
    }

    /// Over all that is at `path`, for reading.
    ///
    /// # Errors
    /// In words, why there is none.
    pub fn to_read(path: &Path) -> Result<Self, String> {
        Self::over(path, &["--read-only"])
    }

    fn over(path: &Path, options: &[&str]) -> Result<Self, String> {
        let mut words = vec![OsStr::new("--find"), OsStr::new("--show")];
        words.extend(options.iter().map(OsStr::new));
        words.push(path.as_os_str());
        let path = PathBuf::from(tools::run("losetup", &words, &[0])?.trim());
        let open = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        // While it is open, detaching it means that it goes when nobody has it open any more.
        let detached = tools::run("losetup", &["--detach".as_ref(), path.as_os_str()], &[0]);
        let open = open.map_err(|error| format!("{}: {error}", path.display()))?;
        detached?;
        Ok(Self { path, open })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until what was written to it is in what it is over.
    ///
    /// # Errors
    /// In words, when it is not.
    pub fn sync(&self) -> Result<(), String> {
        rustix::fs::fsync(&self.open).map_err(|error| format!("it cannot be written: {error}"))
    }
}
