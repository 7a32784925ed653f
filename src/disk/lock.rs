//! Locks on image files, as the programs of QEMU take them: what is written here is neither written nor read by
//! a virtual machine or another esker meanwhile, and the other way round.
//!
//! They belong to the open file, and are gone with it however we end.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::BorrowedFd;

/// Bytes of a file that stand for what is done with it: from 100 on for what somebody needs, from 200 on for what
/// others must not do.
pub const BYTES: RangeInclusive<u64> = 100..=203;

/// The byte that whoever reads has locked, together with others.
const READS: RangeInclusive<u64> = 100..=100;

/// Takes a file for writing, for us alone; false when somebody else has locked it.
///
/// # Errors
/// What the kernel says.
pub fn to_write(file: BorrowedFd<'_>) -> io::Result<bool> {
    take(file, libc::F_WRLCK, &BYTES)
}

/// Takes a file for reading: others may read it too, and virtual machines may do with it what they like.
pub fn to_read(file: BorrowedFd<'_>) {
    // Whoever reads what is in use was asked whether he wants to.
    let _ = take(file, libc::F_RDLCK, &READS);
}

fn take(file: BorrowedFd<'_>, kind: libc::c_int, bytes: &RangeInclusive<u64>) -> io::Result<bool> {
    let (start, end) = (*bytes.start() as libc::off_t, *bytes.end() as libc::off_t);
    let lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: end - start + 1,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        // File systems without locks have nobody who could have taken one.
        Err(Errno::ENOLCK | Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOSYS) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn one_writes_alone_or_several_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk.img");
        let open = || {
            File::options().create(true).truncate(false).read(true).write(true).open(&path).unwrap()
        };
        let (first, second) = (open(), open());
        to_read(first.as_fd());
        assert!(take(second.as_fd(), libc::F_RDLCK, &READS).unwrap());
        assert!(!to_write(second.as_fd()).unwrap());
        drop(first);
        assert!(to_write(second.as_fd()).unwrap());
        assert!(!to_write(open().as_fd()).unwrap());
        drop(second);
        assert!(to_write(open().as_fd()).unwrap());
    }
}
