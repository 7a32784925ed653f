//! A file that gets its bytes first and its name last.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{
    Advice, AtFlags, CWD, Mode, OFlags, RenameFlags, fadvise, fstat, linkat, openat, renameat_with,
    statat, unlinkat,
};
use rustix::io::Errno;

/// How a new file comes to its name; each later way asks less of the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Way {
    /// No name while it is written, then a link: nothing is left behind, whatever happens.
    Unnamed = 0,
    /// A temporary name, then a link, then the temporary name goes.
    Link = 1,
    /// A temporary name that is renamed without replacing: for file systems without links.
    Rename = 2,
}

impl Way {
    pub(super) fn from(number: u8) -> Self {
        match number {
            0 => Self::Unnamed,
            1 => Self::Link,
            _ => Self::Rename,
        }
    }

    pub(super) fn next(self) -> Option<Self> {
        match self {
            Self::Unnamed => Some(Self::Link),
            Self::Link => Some(Self::Rename),
            Self::Rename => None,
        }
    }

    /// Whether the error may mean that the file system (or a missing /proc) does not offer this way. File
    /// systems do not agree on a number; where it means something else, the next way meets it again.
    pub(super) fn is_unsupported(self, error: &io::Error) -> bool {
        let Some(errno) = Errno::from_io_error(error) else {
            return false;
        };
        match self {
            Self::Unnamed => matches!(
                errno,
                Errno::OPNOTSUPP
                    | Errno::ISDIR
                    | Errno::INVAL
                    | Errno::NOSYS
                    | Errno::NOENT
                    | Errno::PERM
                    | Errno::XDEV
            ),
            Self::Link | Self::Rename => matches!(
                errno,
                Errno::OPNOTSUPP | Errno::PERM | Errno::NOSYS | Errno::INVAL | Errno::MLINK
            ),
        }
    }
}

/// What came of giving a file its name.
pub(super) enum Placed {
    Stored(File),
    Exists,
}

/// A file without its final name; dropped before it has one, it is gone.
pub(super) struct NewFile<'a> {
    file: Option<File>,
    folder: &'a OwnedFd,
    temporary: Option<String>,
    way: Way,
}

impl<'a> NewFile<'a> {
    pub(super) fn create(folder: &'a OwnedFd, way: Way) -> io::Result<Self> {
        let mode = Mode::from_raw_mode(0o600);
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let (file, temporary) = if way == Way::Unnamed {
            (openat(folder, ".", flags | OFlags::TMPFILE, mode)?, None)
        } else {
            let name = temporary_name()?;
            let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
            (openat(folder, &*name, flags, mode)?, Some(name))
        };
        Ok(Self { file: Some(file.into()), folder, temporary, way })
    }

    fn file(&self) -> &File {
        self.file.as_ref().expect("a file is taken only by place")
    }

    /// Writes the parts, one after the other, however little a single write takes.
    pub(super) fn write(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let mut slices: Vec<IoSlice> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut left = &mut slices[..];
        IoSlice::advance_slices(&mut left, 0); // drops leading empty parts
        while !left.is_empty() {
            match self.file().write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes the bytes durable. After an error the file is lost: the system may have dropped what it
    /// could not write, and a second try would not tell.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file().sync_all()
    }

    /// Lets the bytes start on their way to the device without waiting for them. Linux does that when told
    /// that they will not be read soon, which is also true. Advice only: errors do not matter.
    pub(super) fn start_write_back(&self) {
        let _ = fadvise(self.file(), 0, None, Advice::DontNeed);
    }

    /// Gives the file its name, unless the name is taken.
    pub(super) fn place(mut self, name: &str) -> io::Result<Placed> {
        match self.take_name(name) {
            Ok(()) => {}
            // A network file system may have lost its server's answer and asked twice.
            Err(Errno::EXIST) if self.is_at(name)? => {}
            Err(Errno::EXIST) => return Ok(Placed::Exists),
            Err(error) => return Err(error.into()),
        }
        if self.way == Way::Rename {
            self.temporary = None;
        }
        Ok(Placed::Stored(self.file.take().expect("a file is taken only once")))
    }

    fn take_name(&self, name: &str) -> rustix::io::Result<()> {
        let folder = self.folder;
        match (&self.temporary, self.way) {
            (None, _) => {
                let descriptor = format!("/proc/self/fd/{}", self.file().as_raw_fd());
                linkat(CWD, &*descriptor, folder, name, AtFlags::SYMLINK_FOLLOW)
            }
            (Some(temporary), Way::Rename) => {
                let flags = RenameFlags::NOREPLACE;
                renameat_with(folder, &**temporary, folder, name, flags)
            }
            (Some(temporary), _) => linkat(folder, &**temporary, folder, name, AtFlags::empty()),
        }
    }

    /// Whether the name is this very file's.
    fn is_at(&self, name: &str) -> io::Result<bool> {
        let ours = fstat(self.file())?;
        match statat(self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) => Ok((there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)),
            Err(Errno::NOENT) => Ok(false), // deleted since
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Where this fails a hidden file stays, which nobody lists.
            let _ = unlinkat(self.folder, &**temporary, AtFlags::empty());
        }
    }
}

/// No object can have this name; 128 random bits are nobody else's.
fn temporary_name() -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(format!(".tmp-{:032x}", u128::from_ne_bytes(random)))
}
