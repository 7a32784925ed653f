//! Reading into memory that is used again.

use std::fs::File;
use std::io;

use rustix::io::{Errno, pread};

/// Reads `len` bytes from `offset` on into `out`, which the caller has cleared. Its memory is not filled
/// with zeros first. After an error `out` is empty.
pub(super) fn read_exactly(
    file: &File,
    offset: u64,
    len: u64,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    debug_assert!(out.is_empty());
    let result = fill(file, offset, len, out);
    if result.is_err() {
        out.clear();
    }
    result
}

fn fill(file: &File, offset: u64, len: u64, out: &mut Vec<u8>) -> io::Result<()> {
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
    out.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
    while out.len() < len {
        let have = out.len();
        let room = &mut out.spare_capacity_mut()[..len - have];
        let got = match pread(file, room, offset + have as u64) {
            Ok((read, _)) => read.len(),
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: pread has just written the first `got` bytes of the spare capacity.
        unsafe { out.set_len(have + got) };
    }
    Ok(())
}
