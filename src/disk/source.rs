//! A disk or an image file that is read: opened once, for the whole run.

use super::error::{Error, Result};
use super::ext4;
use super::geometry::{Bytes, Geometry};
use super::kernel::{Kernel, Number};
use super::lock;
use super::qcow2::{Guest, Layer};
use super::usage::{Use, uses};
use crate::source::{Extent, Opened, Reading, Stat, data_extents};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// A block device.
    Device(Number),
    /// A file that holds an image.
    File,
}

/// What may be read although it is in use, or does not look like it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allow {
    /// Disks that may change meanwhile.
    pub live: bool,
    /// Files that look like images in a form of their own, byte by byte.
    pub raw: bool,
}

/// A disk or image file that is open for reading. Nobody else has a device for himself meanwhile, and
/// no file system on it can be mounted, unless it was in use and that was allowed.
#[derive(Debug)]
pub struct Source {
    pub(super) path: PathBuf,
    pub(super) file: Opened,
    pub(super) nature: Nature,
    pub(super) size: u64,
    pub(super) sectors: Option<(u32, u32)>,
    /// Opened again, past the page cache, once that is needed.
    pub(super) direct: OnceLock<Option<OwnedFd>>,
    /// What a virtual machine sees of an image that is no raw one.
    pub(super) guest: Option<Guest>,
    uses: Vec<Use>,
    stat: Stat,
    /// What file systems on it call free, and nobody wants.
    free: Vec<Range<u64>>,
}

impl Source {
    /// Opens what is at `path`.
    ///
    /// # Errors
    /// When it is neither, in use, or cannot be opened.
    pub fn open(kernel: &Kernel, path: &Path, allow: Allow) -> Result<Self> {
        let failed = |source| Error::Open { path: path.to_owned(), source };
        let kind = fs::metadata(path).map_err(failed)?.file_type();
        if !kind.is_block_device() && !kind.is_file() {
            return Err(Error::Kind { path: path.to_owned(), what: kind_word(kind) });
        }
        let mut uses = uses(kernel, path).map_err(failed)?;
        if uses.iter().any(Use::may_change) && !allow.live {
            return Err(Error::Used { path: path.to_owned(), uses, to_write: false });
        }
        let file =
            match open(path, if kind.is_block_device() { OFlags::EXCL } else { OFlags::empty() }) {
                Err(Errno::BUSY) => {
                    if uses.is_empty() {
                        uses.push(Use::Unknown);
                    }
                    if uses.iter().any(Use::may_change) && !allow.live {
                        return Err(Error::Used { path: path.to_owned(), uses, to_write: false });
                    }
                    open(path, OFlags::empty())
                }
                other => other,
            };
        let file = Opened::from(file.map_err(|error| failed(error.into()))?);
        if kind.is_file() {
            lock::to_read(file.fd().as_fd());
        }
        let mut source = Self::of(path, file, uses)?;
        match container(&source) {
            Some("qcow2") if !allow.raw => source.look_inside(kernel, allow)?,
            Some(what) if !allow.raw => return Err(Error::Container { path: source.path, what }),
            _ => {}
        }
        Ok(source)
    }

    /// From now on this is what the virtual machine sees.
    fn look_inside(&mut self, kernel: &Kernel, allow: Allow) -> Result<()> {
        let path = std::path::absolute(&self.path)
            .map_err(|source| Error::Open { path: self.path.clone(), source })?;
        let guest = Guest::open(kernel, &path, allow, &mut self.uses)?;
        self.size = guest.size();
        if self.size == 0 {
            return Err(Error::Empty { path });
        }
        self.guest = Some(guest);
        Ok(())
    }

    /// Opens a disk for a short look, whoever uses it.
    pub(super) fn glance(path: &Path) -> Result<Self> {
        let file = open(path, OFlags::empty());
        let file =
            file.map_err(|error| Error::Open { path: path.to_owned(), source: error.into() })?;
        let source = Self::of(path, Opened::from(file), Vec::new())?;
        match container(&source) {
            Some(what) => Err(Error::Container { path: source.path, what }),
            None => Ok(source),
        }
    }

    fn of(path: &Path, file: Opened, uses: Vec<Use>) -> Result<Self> {
        let failed = |source| Error::Open { path: path.to_owned(), source };
        let stat = file.stat().map_err(failed)?;
        let is_device = stat.kind() == Some(esker_format::node::NodeKind::BlockDevice);
        let (nature, size, sectors) = match is_device {
            true => {
                let size = rustix::fs::seek(file.fd(), rustix::fs::SeekFrom::End(0));
                let sectors = sectors_of(&file).map_err(failed)?;
                let (major, minor) = stat.device_number;
                let size = size.map_err(|error| failed(error.into()))?;
                (Nature::Device(Number(major, minor)), size, Some(sectors))
            }
            false => (Nature::File, stat.size, None),
        };
        if size == 0 {
            return Err(Error::Empty { path: path.to_owned() });
        }
        let (path, direct) = (path.to_owned(), OnceLock::new());
        let (free, guest) = (Vec::new(), None);
        Ok(Self { path, file, nature, size, sectors, direct, guest, uses, stat, free })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    pub const fn nature(&self) -> Nature {
        self.nature
    }

    /// Bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of its sectors; none for a file.
    pub fn sector(&self) -> Option<u32> {
        self.sectors.map(|sectors| sectors.0)
    }

    /// What the kernel says of it, from when it was opened.
    pub const fn stat(&self) -> &Stat {
        &self.stat
    }

    /// The files that it is made of where it is no raw image, the topmost first.
    pub fn layers(&self) -> &[Layer] {
        self.guest.as_ref().map_or(&[], Guest::layers)
    }

    /// What may have changed it while it was read, and was allowed.
    pub fn live(&self) -> impl Iterator<Item = &Use> {
        self.uses.iter().filter(|used| used.may_change())
    }

    /// What is on it.
    pub fn geometry(&self) -> Geometry {
        Geometry::read(self, self.sectors)
    }

    /// From now on leaves out what file systems on it call free, as far as that is known for sure. Says
    /// of each that is read as a whole which one it is, and why.
    pub fn leave_free_out(&mut self) -> Vec<String> {
        let geometry = self.geometry();
        let is_live = self.live().next().is_some();
        let (mut read_whole, mut free) = (Vec::new(), Vec::new());
        for (partition, start, len, system) in geometry.file_systems() {
            let name =
                partition.map_or_else(|| "it".into(), |number| format!("partition {number}"));
            let found = match system.kind.as_str() {
                "ext2" | "ext3" | "ext4" if is_live => Err("it may change meanwhile".to_owned()),
                "ext2" | "ext3" | "ext4" => ext4::free(self, start, len),
                other => Err(format!("what is free in {other} is not known here")),
            };
            match found {
                Ok(ranges) => {
                    free.extend(ranges.iter().map(|range| start + range.start..start + range.end));
                }
                Err(why) => read_whole.push(format!("{name} is read as a whole: {why}")),
            }
        }
        free.sort_by_key(|range: &Range<u64>| range.start);
        self.free = free;
        read_whole
    }

    /// Bytes that are left out because file systems call them free.
    pub fn left_out(&self) -> u64 {
        self.free.iter().map(|range| range.end - range.start).sum()
    }

    /// The next part, from `from` on; none at its end. Disks cannot tell what was never written.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn extent(&self, from: u64) -> Result<Option<Extent>> {
        let next = self.free.partition_point(|range| range.end <= from);
        match self.free.get(next) {
            Some(range) if range.start <= from => {
                Ok(Some(Extent::Hole(from, range.end.min(self.size) - from)))
            }
            Some(range) => Ok(self.written(from)?.map(|extent| cut(extent, range.start))),
            None => self.written(from),
        }
    }

    /// The same without regard to what is free.
    fn written(&self, from: u64) -> Result<Option<Extent>> {
        if from < self.size && matches!(self.nature, Nature::Device(_)) {
            return Ok(Some(Extent::Data(from, self.size - from)));
        }
        let extent = match &self.guest {
            Some(_) if from >= self.size => Ok(None),
            Some(guest) => guest.extent(from).map(Some),
            None => data_extents(&self.file, from, self.size),
        };
        extent.map_err(|source| Error::Read { path: self.path.clone(), offset: from, source })
    }

    /// Reads at `offset` until `out` is full or the image ends; returns the bytes read.
    pub(super) fn fill(
        &self,
        offset: u64,
        out: &mut [u8],
        reading: &mut Reading,
    ) -> std::result::Result<usize, (usize, io::Error)> {
        let Some(guest) = &self.guest else { return self.file.read(offset, out, reading) };
        let len = self.size.saturating_sub(offset).min(out.len() as u64) as usize;
        guest.read(offset, &mut out[..len]).map(|()| len).map_err(|error| (0, error))
    }

    /// Whether an image file is not what it was when it was opened, in words.
    pub fn changed(&self) -> Option<&'static str> {
        let Ok(now) = self.file.stat() else { return Some("it cannot be looked at any more") };
        match self.nature {
            Nature::File if now.size > self.stat.size => Some("it grew while it was read"),
            Nature::File if now.size < self.stat.size => {
                Some("it became shorter while it was read")
            }
            Nature::File if (now.mtime, now.ctime) != (self.stat.mtime, self.stat.ctime) => {
                Some("it changed while it was read")
            }
            _ if self.guest.as_ref().is_some_and(Guest::has_changed) => {
                Some("it lies on a file that changed while it was read")
            }
            _ => None,
        }
    }
}

impl Bytes for Source {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.fill(offset, out, &mut Reading::default()) {
            Ok(len) if len == out.len() => Ok(()),
            Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err((_, error)) => Err(error),
        }
    }
}

/// The part of an extent before `end`.
fn cut(extent: Extent, end: u64) -> Extent {
    match extent {
        Extent::Data(from, len) => Extent::Data(from, len.min(end - from)),
        Extent::Hole(from, len) => Extent::Hole(from, len.min(end - from)),
    }
}

/// What a file is that holds an image in a form of its own. Devices are always as they are.
fn container(source: &Source) -> Option<&'static str> {
    (source.nature == Nature::File).then(|| container_in(source))?
}

/// The same of what is known to be a file; one that was cut off is what it was.
pub fn container_in(file: &dyn Bytes) -> Option<&'static str> {
    let mut head = [0; 68];
    let len = file.size().min(head.len() as u64) as usize;
    file.read_at(0, &mut head[..len]).ok()?;
    let known: [(usize, &[u8], _); 4] = [
        (0, b"QFI\xfb", "qcow2"),
        (0, b"KDMV", "vmdk"),
        (0, b"vhdxfile", "vhdx"),
        (64, b"\x7f\x10\xda\xbe", "vdi"),
    ];
    known.iter().find(|(at, magic, _)| head[*at..].starts_with(magic)).map(|(.., what)| *what)
}

fn open(path: &Path, more: OFlags) -> std::result::Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | more;
    match rustix::fs::openat(CWD, path, flags | OFlags::NOATIME, Mode::empty()) {
        // Only the owner and root may ask for that.
        Err(Errno::PERM) => rustix::fs::openat(CWD, path, flags, Mode::empty()),
        other => other,
    }
}

/// Bytes of a logical and of a physical sector.
pub fn sectors_of(file: &Opened) -> io::Result<(u32, u32)> {
    let logical = rustix::fs::ioctl_blksszget(file.fd())?;
    let physical = rustix::fs::ioctl_blkpbszget(file.fd())?;
    Ok((logical, physical))
}

/// What is there instead of a disk.
pub fn kind_word(kind: fs::FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_char_device() {
        "a character device"
    } else if kind.is_fifo() {
        "a pipe"
    } else {
        "a special file"
    }
}
