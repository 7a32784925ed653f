//! What is written to a device goes into a file beside the backup, which stays as it is.
//!
//! ```text
//! 0        head: magic, whose blocks these are, checksum                    128 KiB, written once
//! 128 KiB  map: two bits a block: 0 below, 1 data, 2 zero                   rounded up to 64 KiB
//! then     data: block i at i × 64 KiB from here                            sparse
//! ```
//! A block has one place, so nothing is looked up and nothing moves; what was never written takes no room.
//! The map is in memory as a whole, 4 MiB for each TiB of the device.
//!
//! **Order.** A block is data in the map only when all of its bytes are in its place: one that is written in part
//! is filled up from below first. The map in the file changes in a flush alone: first all data is made durable,
//! then the map is written, then that is made durable. So whatever is cut off at whatever moment, the map in the
//! file never names bytes that are not there: what was flushed is there, and a block that was written since is
//! as it was before or as it is now. A place that the map in the file calls data holds that block and nothing else
//! for good, so writing and punching it in place only makes it newer.
//!
//! **A sync that failed is not tried again**: the kernel forgets which pages it could not write. From then on each
//! flush says no, and the file is as after the last one that did not.

mod error;
mod head;
mod map;
#[cfg(test)]
mod tests;

pub use error::OverlayError;
pub use head::Identity;
pub use map::Block;

use super::failed::Failed;
use crate::browse::lock;
use head::HEAD;
use map::Map;
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;

/// Bytes of a block: as much as is copied for the first byte that is written to it.
pub const BLOCK: u64 = 64 << 10;

/// Bytes of a device at most: its map takes 256 MiB then.
const SIZE_MAX: u64 = 1 << 46;

/// Locks over blocks that are being filled.
const STRIPES: usize = 64;

/// What is below an overlay, and who hears of errors of its file.
pub trait Below {
    /// Reads at an offset until `out` is full.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_below(&self, offset: u64, out: &mut [u8]) -> Result<(), Failed>;

    /// Takes down that the file says no.
    fn told(&self, error: io::Error) -> Failed;
}

/// An overlay that this process alone uses.
pub struct Overlay {
    file: File,
    /// Bytes of the device.
    size: u64,
    map: Mutex<Map>,
    /// Each block has one of them: who writes a part of it holds it.
    stripes: [Mutex<()>; STRIPES],
    /// Held by a flush; set once a sync has failed.
    is_broken: Mutex<bool>,
}

impl Overlay {
    /// Opens an overlay, or makes it when there is no such file.
    ///
    /// # Errors
    /// When it is something else or of something else, is damaged, in use, or the system says no.
    pub fn open(path: &Path, identity: &Identity) -> Result<Self, OverlayError> {
        let system = |source| OverlayError::System { path: path.to_owned(), source };
        if identity.size > SIZE_MAX {
            return Err(OverlayError::TooLarge { size: identity.size });
        }
        if !path.try_exists().map_err(system)? {
            match create(path, identity) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other.map_err(system)?,
            }
        }
        let file = File::options().read(true).write(true).open(path).map_err(system)?;
        // It goes with the process, however that ends.
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
            rustix::io::Errno::WOULDBLOCK => OverlayError::Busy { path: path.to_owned() },
            other => system(other.into()),
        })?;
        head::check(&file, path, identity)?;
        let len = file.metadata().map_err(system)?.len();
        let damaged = |why| OverlayError::Damaged { path: path.to_owned(), why };
        if len != data_start(identity.size) + identity.size {
            return Err(damaged("it is shorter or longer than it was made"));
        }
        let mut bytes = vec![0; Map::bytes_for(blocks(identity.size))];
        file.read_exact_at(&mut bytes, HEAD).map_err(system)?;
        let map =
            Map::new(bytes, blocks(identity.size)).ok_or(damaged("its map makes no sense"))?;
        Ok(Self {
            file,
            size: identity.size,
            map: Mutex::new(map),
            stripes: std::array::from_fn(|_| Mutex::new(())),
            is_broken: Mutex::new(false),
        })
    }

    /// What is at `offset`, and how far it goes, up to `end`.
    pub fn stretch(&self, offset: u64, end: u64) -> (Block, u64) {
        let map = lock(&self.map);
        let first = offset / BLOCK;
        let kind = map.get(first);
        let last = (first..end.div_ceil(BLOCK)).take_while(|block| map.get(*block) == kind).last();
        (kind, ((last.unwrap_or(first) + 1) * BLOCK).min(end) - offset)
    }

    /// Reads blocks that are data.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, self.place(offset))
    }

    /// Writes.
    ///
    /// # Errors
    /// When there is no room, or what is to stay of a block cannot be read from `below`.
    pub fn write(&self, offset: u64, bytes: &[u8], below: &impl Below) -> Result<(), Failed> {
        let mut rest = bytes;
        for (block, from, len) in self.parts(offset, bytes.len() as u64) {
            let (part, behind) = rest.split_at(len as usize);
            self.write_part(block, from, part, below)?;
            rest = behind;
        }
        Ok(())
    }

    /// Makes bytes zero: whole blocks take no room any more.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn zero(&self, offset: u64, len: u64, below: &impl Below) -> Result<(), Failed> {
        static ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];
        for (block, from, len) in self.parts(offset, len) {
            let is_whole = self.zero_whole(block, from, len);
            if !is_whole && lock(&self.map).get(block) != Block::Zero {
                self.write_part(block, from, &ZEROS[..len as usize], below)?;
            }
        }
        Ok(())
    }

    /// Gives up whole blocks, which are zero then; what is left at both ends stays as it is.
    pub fn trim(&self, offset: u64, len: u64) {
        for (block, from, len) in self.parts(offset, len) {
            self.zero_whole(block, from, len);
        }
    }

    /// Makes all that was written before durable.
    ///
    /// # Errors
    /// When that cannot be: what was flushed earlier is there all the same.
    pub fn flush(&self) -> io::Result<()> {
        let mut is_broken = lock(&self.is_broken);
        if *is_broken {
            return Err(io::Error::other("it could not be synced earlier"));
        }
        // What the map says from here on is in the file already, though perhaps not on the disk.
        let dirty = lock(&self.map).take_dirty();
        let sync = |is_broken: &mut bool| self.file.sync_data().inspect_err(|_| *is_broken = true);
        sync(&mut is_broken)?;
        let mut pages = dirty.iter();
        while let Some((at, page)) = pages.next() {
            // A page may be torn on its way to the disk: old or new, each block of it is right.
            if let Err(error) = self.file.write_all_at(page, HEAD + at) {
                let mut map = lock(&self.map);
                map.dirty_again(*at);
                pages.for_each(|(at, _)| map.dirty_again(*at));
                return Err(error);
            }
        }
        if !dirty.is_empty() {
            sync(&mut is_broken)?;
        }
        Ok(())
    }

    fn place(&self, offset: u64) -> u64 {
        data_start(self.size) + offset
    }

    /// Bytes of a block; the last one may be short.
    fn len_of(&self, block: u64) -> u64 {
        (self.size - block * BLOCK).min(BLOCK)
    }

    /// The blocks of a range: which, from where in it, and how much.
    fn parts(&self, offset: u64, len: u64) -> impl Iterator<Item = (u64, u64, u64)> + use<> {
        let end = offset + len;
        (offset / BLOCK..end.div_ceil(BLOCK)).map(move |block| {
            let (from, to) = (offset.max(block * BLOCK), end.min((block + 1) * BLOCK));
            (block, from - block * BLOCK, to - from)
        })
    }

    fn write_part(
        &self,
        block: u64,
        from: u64,
        part: &[u8],
        below: &impl Below,
    ) -> Result<(), Failed> {
        let _held = lock(&self.stripes[block as usize % STRIPES]);
        let (start, kind) = (block * BLOCK, lock(&self.map).get(block));
        let len = self.len_of(block) as usize;
        if kind == Block::Data || part.len() == len {
            let place = self.place(start + from);
            self.file.write_all_at(part, place).map_err(|error| below.told(error))?;
        } else {
            let mut whole = vec![0; len];
            if kind == Block::Below {
                below.read_below(start, &mut whole)?;
            }
            whole[from as usize..from as usize + part.len()].copy_from_slice(part);
            let place = self.place(start);
            self.file.write_all_at(&whole, place).map_err(|error| below.told(error))?;
        }
        // Not before all of it is in its place.
        lock(&self.map).set(block, Block::Data);
        Ok(())
    }

    /// Makes a block zero when all of it is meant; whether it was.
    fn zero_whole(&self, block: u64, from: u64, len: u64) -> bool {
        if from != 0 || len != self.len_of(block) {
            return false;
        }
        let _held = lock(&self.stripes[block as usize % STRIPES]);
        if lock(&self.map).get(block) == Block::Data {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // It only gives room back: the map says that it is zero. Where the map in the file still says data,
            // zeros are what is newer.
            let _ = fallocate(&self.file, flags, self.place(block * BLOCK), len);
        }
        lock(&self.map).set(block, Block::Zero);
        true
    }
}

/// Makes the file, which appears under its name when it is ready.
fn create(path: &Path, identity: &Identity) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let why = format!("there is no directory {}", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    }
    let made = tempfile::Builder::new().prefix(".esker-overlay-").tempfile_in(folder)?;
    let file = made.as_file();
    file.set_len(data_start(identity.size) + identity.size)?;
    // So that a full disk cannot keep a flush from writing the map. Not every file system can do that.
    let map = data_start(identity.size) - HEAD;
    match fallocate(file, FallocateFlags::empty(), HEAD, map) {
        Err(rustix::io::Errno::OPNOTSUPP) => {}
        other => other?,
    }
    file.write_all_at(&head::encode(identity), 0)?;
    file.sync_all()?;
    made.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Blocks of a device.
const fn blocks(size: u64) -> u64 {
    size.div_ceil(BLOCK)
}

/// Where the data begins.
const fn data_start(size: u64) -> u64 {
    HEAD + (Map::bytes_for(blocks(size)) as u64).next_multiple_of(BLOCK)
}
