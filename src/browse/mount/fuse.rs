//! The requests of the kernel, answered with what [`Shown`] says.

use super::attributes::Attributes;
use super::place::Place;
use super::shown::Shown;
use crate::browse::lock;
use crate::browse::part::Part;
use crate::repository::Error;
use esker_format::node::{NodeKind, Time};
use fuser::{
    AccessFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, InitFlags, KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyXattr,
    Request,
};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// How long the kernel may believe what it was told of snapshots as such.
const SOON: Duration = Duration::from_secs(1);

/// The same of what is in them, which never changes.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes from which on a file does not go through the page cache.
const LARGE: u64 = 1 << 30;

/// Stretches that are looked at for the next data or hole. Honest ones reach over a leaf, or end what is looked for.
const LOOKS: usize = 64 << 10;

/// What the kernel asks for at a time, at most.
const REQUEST: usize = 1 << 20;

/// Buffers that are kept to be used again.
const BUFFERS: usize = 8;

/// Adds to an answer what is in a directory: where it is, its name and kind, what to ask for behind it, and its
/// attributes where they are known. True when there is no more room.
type Add<'a> = dyn FnMut(Place, &[u8], NodeKind, u64, Option<&Attributes>) -> bool + 'a;

/// Who answers.
pub struct Fuse {
    shown: Arc<Shown>,
    open: Mutex<HashMap<u64, (Place, Arc<Part>)>>,
    next: AtomicU64,
    buffers: Mutex<Vec<Vec<u8>>>,
    /// What a hole is answered with.
    zeros: Vec<u8>,
    /// Directories of which not all can be listed.
    broken: Mutex<HashSet<u64>>,
    /// Whether modes and ACLs hold, because others than the owner may look.
    guards: bool,
}

impl Fuse {
    /// Answers with this; with `guards`, the kernel lets everybody get as far as modes and ACLs say.
    pub fn new(shown: Arc<Shown>, guards: bool) -> Self {
        let (open, buffers, broken) = Default::default();
        let (next, mut zeros) = (AtomicU64::new(1), Vec::new());
        // Written, because the kernel takes long over pages that never were.
        zeros.resize(REQUEST, 0);
        Self { shown, open, next, buffers, zeros, broken, guards }
    }

    fn failed(&self, at: Place, error: &Error) -> Errno {
        self.shown.tell_of(at, error);
        Errno::EIO
    }

    fn place(&self, inode: INodeNo) -> Result<Place, Errno> {
        self.shown.place(inode.0).ok_or(Errno::ESTALE)
    }

    fn file(&self, handle: FileHandle) -> Option<(Place, Arc<Part>)> {
        lock(&self.open).get(&handle.0).cloned()
    }

    fn attributes(&self, inode: INodeNo) -> Result<(Place, Attributes), Errno> {
        let place = self.place(inode)?;
        match self.shown.attributes(place) {
            Ok(Some(attributes)) => Ok((place, self.own(attributes))),
            Ok(None) => Err(Errno::ESTALE),
            Err(error) => Err(self.failed(place, &error)),
        }
    }

    /// The kernel knows the root by one number only.
    fn own(&self, attributes: Attributes) -> Attributes {
        let root = Place::Root.number();
        match self.shown.place(root) {
            Some(place) if place.number() == attributes.inode => {
                Attributes { inode: root, ..attributes }
            }
            _ => attributes,
        }
    }

    fn look_up(&self, parent: INodeNo, name: &OsStr) -> Result<(Duration, FileAttr), Errno> {
        let at = self.place(parent)?;
        match self.shown.look_up(at, name.as_bytes()) {
            Ok(Some((place, attributes))) => Ok((time_to_live(place), attr(&attributes))),
            Ok(None) => Err(Errno::ENOENT),
            Err(error) => Err(self.failed(at, &error)),
        }
    }

    fn list(&self, inode: INodeNo, offset: u64, add: &mut Add<'_>) -> Result<(), Errno> {
        let at = self.place(inode)?;
        if offset == 0 {
            lock(&self.broken).remove(&inode.0);
        }
        let mut added = 0;
        for (number, name) in DOTS.iter().enumerate().skip(offset as usize) {
            // Nobody looks at more of them than that they are there.
            let bare = Attributes::directory(inode.0, (0, 0), Time { seconds: 0, nanos: 0 });
            if add(at, name, NodeKind::Directory, number as u64 + 1, Some(&bare)) {
                return Ok(());
            }
            added += 1;
        }
        let (dots, from) = (DOTS.len() as u64, offset.saturating_sub(DOTS.len() as u64));
        let done = self.shown.list_at(at, from, &mut |(place, name, kind, next), attributes| {
            if add(place, name, kind, next + dots, attributes.as_ref()) {
                return ControlFlow::Break(());
            }
            added += 1;
            ControlFlow::Continue(())
        });
        if let Err(error) = done {
            self.shown.tell_of(at, &error);
            lock(&self.broken).insert(inode.0);
        }
        // What can be listed comes first; that it was not all is said at the end.
        match added {
            0 if lock(&self.broken).contains(&inode.0) => Err(Errno::EIO),
            _ => Ok(()),
        }
    }

    fn read(&self, handle: FileHandle, offset: u64, size: u32, reply: ReplyData) {
        let Some((place, part)) = self.file(handle) else { return reply.error(Errno::EBADF) };
        let left = part.len().saturating_sub(offset).min(size.into()) as usize;
        // Reading says what is wrong, if anything is.
        if left <= self.zeros.len() && part.is_zero(offset, left as u64).unwrap_or(false) {
            return reply.data(&self.zeros[..left]);
        }
        let mut buffer = lock(&self.buffers).pop().unwrap_or_default();
        if buffer.len() < size as usize {
            buffer.resize(size as usize, 0);
        }
        match part.read_at(offset, &mut buffer[..size as usize]) {
            Ok(len) => reply.data(&buffer[..len]),
            Err(error) => reply.error(self.failed(place, &error)),
        }
        let mut buffers = lock(&self.buffers);
        if buffers.len() < BUFFERS {
            buffers.push(buffer);
        }
    }

    /// Where the next data or the next hole is.
    fn seek(&self, handle: FileHandle, offset: i64, whence: i32) -> Result<i64, Errno> {
        let (place, part) = self.file(handle).ok_or(Errno::EBADF)?;
        let wants_zeros = match whence {
            SEEK_DATA => false,
            SEEK_HOLE => true,
            _ => return Err(Errno::EINVAL),
        };
        let mut at = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
        if at >= part.len() {
            return Err(Errno::ENXIO);
        }
        for _ in 0..LOOKS {
            match part.stretch(at).map_err(|error| self.failed(place, &error))? {
                Some(stretch) if stretch.is_zero == wants_zeros => break,
                Some(stretch) => at += stretch.len,
                // Behind the end is a hole, and no data.
                None if wants_zeros => break,
                None => return Err(Errno::ENXIO),
            }
        }
        // Zeros may always be told as data. A list that an enemy wrote may have more pieces than anybody can
        // look at; what is in front of the place is no hole then, and so it goes to the end.
        let is_known = part.stretch(at).is_ok_and(|found| match found {
            Some(stretch) => !wants_zeros || stretch.is_zero,
            None => true,
        });
        let at = if is_known { at } else { part.len() };
        i64::try_from(at).map_err(|_| Errno::EOVERFLOW)
    }
}

/// What every directory has.
const DOTS: [&[u8]; 2] = [b".", b".."];

/// As `lseek` has them.
const SEEK_DATA: i32 = 3;
const SEEK_HOLE: i32 = 4;

impl Filesystem for Fuse {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let wanted = [
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP,
        ];
        for flag in wanted {
            // An older kernel does without.
            let _ = config.add_capabilities(flag);
        }
        // Without it modes alone would count, which give the group all that an ACL gives anybody.
        if self.guards && config.add_capabilities(InitFlags::FUSE_POSIX_ACL).is_err() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.look_up(parent, name) {
            Ok((ttl, attr)) => reply.entry(&ttl, &attr, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(inode) {
            Ok((place, attributes)) => reply.attr(&time_to_live(place), &attr(&attributes)),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _: &Request, inode: INodeNo, reply: ReplyData) {
        let target = self.place(inode).and_then(|place| {
            let target = self.shown.target(place).map_err(|error| self.failed(place, &error))?;
            target.ok_or(Errno::EINVAL)
        });
        match target {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let opened = self.place(inode).and_then(|place| {
            let part = self.shown.open(place).map_err(|error| self.failed(place, &error))?;
            part.map(|part| (place, Arc::new(part))).ok_or(Errno::ESTALE)
        });
        match opened {
            Ok(opened) => {
                let handle = self.next.fetch_add(1, Ordering::Relaxed);
                // What was read once is what it is for ever. But what is larger than any cache would only
                // drive everything else out, and a page for each of its zeros is dear.
                let flags = match opened.1.len() >= LARGE {
                    true => FopenFlags::FOPEN_DIRECT_IO,
                    false => FopenFlags::FOPEN_KEEP_CACHE,
                };
                lock(&self.open).insert(handle, opened);
                reply.opened(FileHandle(handle), flags);
            }
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.read(handle, offset, size, reply);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        lock(&self.open).remove(&handle.0);
        reply.ok();
    }

    fn lseek(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        match self.seek(handle, offset, whence) {
            Ok(at) => reply.offset(at),
            Err(error) => reply.error(error),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let mut add = |place: Place, name: &[u8], kind, next, attributes: Option<&Attributes>| {
            // Names of one file have one number, which its attributes say.
            let number = attributes.map_or(place.number(), |attributes| attributes.inode);
            reply.add(INodeNo(number), next, file_type(kind), OsStr::from_bytes(name))
        };
        match self.list(inode, offset, &mut add) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn readdirplus(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let mut add = |place: Place, name: &[u8], _, next, attributes: Option<&Attributes>| {
            let found = match attributes {
                Some(attributes) => Ok(Some(attributes.clone())),
                None => self.shown.attributes(place),
            };
            let attributes = match found {
                Ok(Some(attributes)) => attributes,
                // The name is there; who looks at it hears the rest.
                _ => Attributes::directory(place.number(), (0, 0), Time { seconds: 0, nanos: 0 }),
            };
            let (ttl, attr) = (time_to_live(place), attr(&attributes));
            reply.add(
                INodeNo(attr.ino.0),
                next,
                OsStr::from_bytes(name),
                &ttl,
                &attr,
                Generation(0),
            )
        };
        match self.list(inode, offset, &mut add) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(0, 0, 0, 0, 0, 4096, 255, 4096);
    }

    fn getxattr(&self, _: &Request, inode: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let found = self.place(inode).and_then(|place| {
            let list = self.shown.xattrs(place).map_err(|error| self.failed(place, &error))?;
            let found = list.into_iter().find(|(other, _)| other == name.as_bytes());
            found.map(|(_, value)| value).ok_or(Errno::ENODATA)
        });
        answer(found, size, reply);
    }

    fn listxattr(&self, _: &Request, inode: INodeNo, size: u32, reply: ReplyXattr) {
        let names = self.place(inode).and_then(|place| {
            let list = self.shown.xattrs(place).map_err(|error| self.failed(place, &error))?;
            Ok(list.into_iter().flat_map(|(name, _)| [&name[..], &[0]].concat()).collect())
        });
        answer(names, size, reply);
    }

    fn access(&self, _: &Request, _: INodeNo, _: AccessFlags, reply: ReplyEmpty) {
        // Only asked where modes do not count; that nothing can be written the kernel knows.
        reply.ok();
    }
}

fn answer(found: Result<Vec<u8>, Errno>, size: u32, reply: ReplyXattr) {
    match found {
        Err(error) => reply.error(error),
        Ok(bytes) if size == 0 => reply.size(bytes.len() as u32),
        Ok(bytes) if bytes.len() > size as usize => reply.error(Errno::ERANGE),
        Ok(bytes) => reply.data(&bytes),
    }
}

const fn time_to_live(place: Place) -> Duration {
    if Shown::may_change(place) { SOON } else { LONG }
}

fn attr(of: &Attributes) -> FileAttr {
    let mtime = system_time(of.mtime);
    let (major, minor) = of.device;
    FileAttr {
        ino: INodeNo(of.inode),
        size: of.size,
        blocks: of.blocks,
        atime: mtime,
        mtime,
        ctime: mtime,
        crtime: mtime,
        kind: file_type(of.kind),
        perm: of.mode as u16,
        nlink: of.links,
        uid: of.uid,
        gid: of.gid,
        // As the kernel packs them for 32 bits.
        rdev: (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12),
        // So much at a time is asked for: what does not go through the page cache is not read ahead by it,
        // and each question costs as much as its answer.
        blksize: if of.size >= LARGE { REQUEST as u32 } else { 128 << 10 },
        flags: 0,
    }
}

fn system_time(time: Time) -> SystemTime {
    let (whole, nanos) = (time.seconds.unsigned_abs(), Duration::from_nanos(time.nanos.into()));
    let seconds = Duration::from_secs(whole);
    let at = match time.seconds < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(seconds),
        false => SystemTime::UNIX_EPOCH.checked_add(seconds),
    };
    at.and_then(|at| at.checked_add(nanos)).unwrap_or(SystemTime::UNIX_EPOCH)
}

const fn file_type(kind: NodeKind) -> FileType {
    match kind {
        NodeKind::Directory => FileType::Directory,
        NodeKind::Symlink => FileType::Symlink,
        NodeKind::Fifo => FileType::NamedPipe,
        NodeKind::Socket => FileType::Socket,
        NodeKind::BlockDevice => FileType::BlockDevice,
        NodeKind::CharDevice => FileType::CharDevice,
        NodeKind::File | NodeKind::Stream | NodeKind::Image => FileType::RegularFile,
    }
}
