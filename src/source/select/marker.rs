//! Files that mark the directory they are in: what else is in it is left out.

use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

/// A file that marks its directory by being there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Its name.
    name: CString,
    /// What it must begin with; nothing for whatever it holds, and whatever it is.
    header: Vec<u8>,
}

impl Marker {
    /// The mark of a cache, as <https://bford.info/cachedir/> describes it.
    pub fn cache() -> Self {
        let header = b"Signature: 8a477f597d28d172789f06886806bc55".to_vec();
        Self { name: c"CACHEDIR.TAG".to_owned(), header }
    }

    /// A file of this name, which begins with `header`.
    ///
    /// # Errors
    /// When no file in a directory can have that name.
    pub fn new(name: &[u8], header: &[u8]) -> Result<Self, &'static str> {
        if name.is_empty() || name == b"." || name == b".." {
            return Err("names no file");
        }
        if name.contains(&b'/') {
            return Err(
                "is a path: name the file alone, as it is called in the directories it marks",
            );
        }
        let name = CString::new(name).map_err(|_| "has a NUL byte in it")?;
        Ok(Self { name, header: header.to_vec() })
    }

    /// Its name.
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// Whether it marks this directory. What cannot be looked at marks nothing: rather too much is
    /// saved than too little.
    pub fn marks(&self, directory: BorrowedFd<'_>) -> bool {
        if self.header.is_empty() {
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            return statat(directory, &self.name, flags).is_ok();
        }
        // A pipe of that name must not be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = openat(directory, &self.name, flags | OFlags::NOCTTY, Mode::empty()) else {
            return false;
        };
        let (mut start, mut held) = (vec![0; self.header.len()], 0);
        while held < start.len() {
            match rustix::io::read(&file, &mut start[held..]) {
                Ok(0) | Err(_) => return false,
                Ok(read) => held += read,
            }
        }
        start == self.header
    }
}
