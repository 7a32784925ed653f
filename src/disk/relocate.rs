//! The second copy of a GPT belongs at the end of its disk, wherever that is now.

use super::error::{Error, Result};
use super::geometry::Bytes;
use super::gpt::{self, Copy};
use super::table::Fault;
use super::target::Target;
use std::io;

/// Moves the second copy of the GPT of an image of `len` bytes, which is on the disk now, to its end.
/// False when there is no table that could be moved.
///
/// # Errors
/// When it cannot be written.
pub fn relocate(target: &Target, len: u64, sector: u32) -> Result<bool> {
    let image = Image { target, len: len.min(target.size()) };
    let found = match gpt::either(&image, sector) {
        Ok((copy, _)) => copy,
        Err(Fault::Absent | Fault::Senseless(_)) => return Ok(false),
    };
    let bytes = u64::from(sector);
    let last = target.size() / bytes - 1;
    let tail = found.tail(sector);
    let entries_at = if found.at == 1 { found.entries_at } else { 2 };
    let first = Copy { at: 1, other: last, last: last - tail, entries_at, ..found };
    let second = Copy { at: last, other: 1, entries_at: last - tail + 1, ..first.clone() };
    // The new second copy is complete before the first one says where it is.
    write_copies(target, &[&second, &first], sector)?;
    let old = len / bytes - tail;
    if old >= first.first && old + tail <= second.entries_at {
        target.zeros(old * bytes, tail * bytes)?;
    }
    guard(target, sector, last)?;
    target.sync()?;
    Ok(true)
}

/// Writes copies of a GPT, each of them when the one before is on the disk.
pub fn write_copies(target: &Target, copies: &[&Copy], sector: u32) -> Result<()> {
    let bytes = u64::from(sector);
    for copy in copies {
        target.data(copy.entries_at * bytes, &whole_sectors(&copy.entries, sector))?;
        target.data(copy.at * bytes, &whole_sectors(&copy.header(), sector))?;
        target.sync()?;
    }
    Ok(())
}

/// The old table says that all of the disk is taken.
fn guard(target: &Target, sector: u32, last: u64) -> Result<()> {
    let mut mbr = vec![0; sector as usize];
    let read = target.read_at(0, &mut mbr);
    read.map_err(|source| Error::Read { path: target.path().to_owned(), offset: 0, source })?;
    let is_guard =
        mbr[510..512] == [0x55, 0xaa] && mbr[450] == 0xee && mbr[454..458] == [1, 0, 0, 0];
    if is_guard {
        let sectors = u32::try_from(last).unwrap_or(u32::MAX);
        mbr[458..462].copy_from_slice(&sectors.to_le_bytes());
        target.data(0, &mbr)?;
    }
    Ok(())
}

fn whole_sectors(bytes: &[u8], sector: u32) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(sector as usize), 0);
    padded
}

/// The beginning of a disk, as if it were all.
struct Image<'t> {
    target: &'t Target,
    len: u64,
}

impl Bytes for Image<'_> {
    fn size(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.target.read_at(offset, out)
    }
}
