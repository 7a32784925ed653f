//! The walk: directories listed and looked at in parallel, handed out in map order.
//!
//! Whoever asks for the next directory lists it himself unless a helper has; helpers run ahead
//! along the same order, up to a budget of names, so that a cold disk is asked many things at once
//! and the memory stays bounded however large the tree is.

use crate::source::roots::{Roots, Way};
use crate::source::select::{Scope, Select};
use crate::source::stat::{Identity, Stat};
use crate::source::volume::Volume;
use esker_format::node::{NodeKind, Time};
use rustix::fs::{Access, AtFlags, Mode, OFlags, RawDir, accessat};
use rustix::process::geteuid;
use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Names that helpers may have listed before they are asked for.
const NAMES_AHEAD: usize = 32 * 1024;
/// Directories that they may have listed: each is an open file.
const DIRECTORIES_AHEAD: usize = 128;

/// One name of a directory.
#[derive(Debug)]
pub struct Listed {
    /// The name; empty for the root of the file system.
    pub name: CString,
    /// What the file system says of it.
    pub stat: Result<Stat, io::Error>,
    /// The volume that it is on.
    pub volume: Volume,
    /// Whether it is a directory that this process may not list.
    pub is_closed: bool,
}

/// A directory and what is in it, names ascending.
#[derive(Debug)]
pub struct Listing {
    /// The parent that its entries have in the path map.
    pub parent: Arc<[u8]>,
    /// The directory, open.
    pub directory: Arc<OwnedFd>,
    /// The time before the first of its entries was looked at.
    pub time: Time,
    /// Its entries.
    pub entries: Vec<Listed>,
}

/// What the walk meets.
#[derive(Debug)]
pub enum Outcome {
    /// A directory.
    Listing(Listing),
    /// A directory that cannot be listed, by the parent its entries would have.
    Unlisted(Arc<[u8]>, io::Error),
    /// Something that was left out on purpose.
    LeftOut(Vec<u8>, &'static str),
}

/// Something that must not be saved.
#[derive(Debug, Clone, Copy)]
pub struct Skip {
    /// What it is, for messages.
    pub what: &'static str,
    /// Device and inode.
    pub identity: Identity,
}

/// A running walk.
pub struct Walk {
    shared: Arc<Shared>,
    /// Directories still to come, next one last.
    stack: Vec<Arc<Pending>>,
    left_out: Vec<Outcome>,
    root: Option<Outcome>,
    helpers: Vec<JoinHandle<()>>,
}

struct Shared {
    ahead: Mutex<Ahead>,
    changed: Condvar,
    skip: Vec<Skip>,
    select: Arc<Select>,
}

#[derive(Default)]
struct Ahead {
    /// Directories that nobody has begun with, next one last.
    todo: Vec<Arc<Pending>>,
    /// Names listed and not yet asked for.
    names: usize,
    /// Directories listed and not yet asked for.
    directories: usize,
    stop: bool,
}

/// A directory to be listed.
struct Pending {
    /// The open directory that it is in; none for the root.
    above: Option<Arc<OwnedFd>>,
    name: CString,
    parent: Arc<[u8]>,
    volume: Volume,
    /// What was asked for by name in it.
    way: Arc<Way>,
    reach: Reach,
    slot: Mutex<Slot>,
}

/// How much of a directory is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// What was asked for by name.
    Way,
    /// Everything, but for what is left out on purpose.
    Whole,
}

enum Slot {
    Waiting,
    Taken,
    Done(Box<Result<Directory, io::Error>>),
}

struct Directory {
    listing: Listing,
    below: Vec<Arc<Pending>>,
    left_out: Vec<Outcome>,
}

impl Walk {
    /// Begins a walk with so many helping threads.
    pub fn new(roots: &Roots, skip: Vec<Skip>, select: Arc<Select>, helpers: usize) -> Self {
        select.begin(roots.left_out.iter().map(|(_, reason)| *reason));
        let (ahead, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { ahead, changed, skip, select });
        let way = roots.way();
        let top = Arc::new(Pending {
            above: None,
            name: c"/".to_owned(),
            parent: Arc::from(&b""[..]),
            volume: Volume::root(),
            reach: if way.is_root { Reach::Whole } else { Reach::Way },
            way,
            slot: Mutex::new(Slot::Waiting),
        });
        let helpers = (0..helpers)
            .map(|_| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || help(&shared))
            })
            .collect();
        let (root, stack) = match open_directory(&top) {
            Ok(directory) => (Outcome::Listing(root_listing(directory, &top.way)), vec![top]),
            Err(error) => (Outcome::Unlisted(Arc::from(&b""[..]), error), Vec::new()),
        };
        Self { shared, stack, left_out: Vec::new(), root: Some(root), helpers }
    }

    /// The next thing in map order; none at the end. The root of the file system comes first.
    #[expect(clippy::should_implement_trait, reason = "an iterator would hide that this can wait")]
    pub fn next(&mut self) -> Option<Outcome> {
        if let Some(root) = self.root.take() {
            return Some(root);
        }
        if let Some(left_out) = self.left_out.pop() {
            return Some(left_out);
        }
        let pending = self.stack.pop()?;
        match self.take(&pending) {
            Ok(directory) => {
                self.stack.extend(directory.below.into_iter().rev());
                self.left_out = directory.left_out;
                Some(Outcome::Listing(directory.listing))
            }
            Err(error) => Some(Outcome::Unlisted(Arc::clone(&pending.parent), error)),
        }
    }

    /// The listing of a directory: a helper's, or made here.
    fn take(&self, pending: &Arc<Pending>) -> Result<Directory, io::Error> {
        let mut slot = lock(&pending.slot);
        if matches!(*slot, Slot::Waiting) {
            *slot = Slot::Taken;
            drop(slot);
            let directory = list(pending, &self.shared)?;
            lock(&self.shared.ahead).offer(&directory.below);
            self.shared.changed.notify_all();
            return Ok(directory);
        }
        drop(slot);
        let mut ahead = lock(&self.shared.ahead);
        loop {
            slot = lock(&pending.slot);
            if let Slot::Done(result) = std::mem::replace(&mut *slot, Slot::Taken) {
                let names = result.as_ref().as_ref().map_or(0, |d| d.listing.entries.len());
                ahead.names -= names;
                ahead.directories -= 1;
                self.shared.changed.notify_all();
                return *result;
            }
            drop(slot);
            ahead = self.shared.changed.wait(ahead).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        lock(&self.shared.ahead).stop = true;
        self.shared.changed.notify_all();
        for helper in self.helpers.drain(..) {
            // A helper that panicked has nothing more to say.
            let _ = helper.join();
        }
    }
}

impl Ahead {
    /// Lets helpers know of directories. Those that the walk has overtaken go: each holds the
    /// directory above it open.
    fn offer(&mut self, below: &[Arc<Pending>]) {
        while self.todo.last().is_some_and(|p| !matches!(*lock(&p.slot), Slot::Waiting)) {
            self.todo.pop();
        }
        self.todo.extend(below.iter().rev().map(Arc::clone));
    }
}

/// What a helper does until the walk ends.
fn help(shared: &Shared) {
    loop {
        let mut ahead = lock(&shared.ahead);
        let pending = loop {
            if ahead.stop {
                return;
            }
            if ahead.names < NAMES_AHEAD
                && ahead.directories < DIRECTORIES_AHEAD
                && let Some(pending) = ahead.todo.pop()
            {
                break pending;
            }
            ahead = shared.changed.wait(ahead).unwrap_or_else(PoisonError::into_inner);
        };
        drop(ahead);
        let mut slot = lock(&pending.slot);
        if !matches!(*slot, Slot::Waiting) {
            continue;
        }
        *slot = Slot::Taken;
        drop(slot);
        // Who waits for a directory would wait for ever for one whose helper has panicked.
        let listed = std::panic::catch_unwind(AssertUnwindSafe(|| list(&pending, shared)));
        let result = listed.unwrap_or_else(|_| Err(io::Error::other("a thread failed")));
        // Filled under the lock that the waiting walk holds between its look and its sleep.
        let mut ahead = lock(&shared.ahead);
        ahead.directories += 1;
        if let Ok(directory) = &result {
            ahead.names += directory.listing.entries.len();
            ahead.offer(&directory.below);
        }
        *lock(&pending.slot) = Slot::Done(Box::new(result));
        drop(ahead);
        shared.changed.notify_all();
    }
}

fn list(pending: &Pending, shared: &Shared) -> Result<Directory, io::Error> {
    let directory = Arc::new(open_directory(pending)?);
    let (time, select) = (now(), &shared.select);
    let is_whole = pending.reach == Reach::Whole;
    let mut scope = is_whole.then(|| select.look_into(&pending.parent, directory.as_fd()));
    let names = names(pending, &directory, scope.as_ref().map_or(&[], Scope::marks))?;
    let (mut entries, mut below, mut left_out) =
        (Vec::with_capacity(names.len()), Vec::new(), Vec::new());
    for name in names {
        let mut stat = Stat::of_name(directory.as_fd(), &name).map_err(io::Error::from);
        let (mut is_closed, mut volume) = (false, pending.volume);
        if let Ok(stat) = &mut stat {
            volume = pending.volume.of(stat, &pending.parent, &name);
            if let Some(skip) = shared.skip.iter().find(|s| s.identity == stat.identity) {
                let path = child(&pending.parent, name.to_bytes());
                left_out.push(Outcome::LeftOut(path, skip.what));
                continue;
            }
            let way = pending.way.below.get(&name);
            let is_root = way.is_some_and(|way| way.is_root);
            let leaves_out = |scope: &mut Scope| select.leaves_out(scope, name.to_bytes(), stat);
            let is_excluded = !is_root && scope.as_mut().is_some_and(leaves_out);
            if is_excluded && way.is_none() {
                continue;
            }
            if stat.kind() == Some(NodeKind::Directory)
                && let Some(reach) = reach(pending, way, is_excluded, stat, select)
            {
                match reach {
                    Reach::Whole => is_closed = is_closed_to_us(&directory, &name),
                    Reach::Way => stat.mtime = way.and_then(|way| way.time).unwrap_or(stat.mtime),
                }
                below.push(Arc::new(Pending {
                    above: Some(Arc::clone(&directory)),
                    parent: Arc::from(child(&pending.parent, name.to_bytes())),
                    volume,
                    way: way.cloned().unwrap_or_default(),
                    reach,
                    name: name.clone(),
                    slot: Mutex::new(Slot::Waiting),
                }));
            }
        }
        entries.push(Listed { name, stat, volume, is_closed });
    }
    let listing = Listing { parent: Arc::clone(&pending.parent), directory, time, entries };
    Ok(Directory { listing, below, left_out })
}

/// How much of a directory in `pending` is saved; none when it is an entry and nothing more.
fn reach(
    pending: &Pending,
    way: Option<&Arc<Way>>,
    is_excluded: bool,
    stat: &Stat,
    select: &Select,
) -> Option<Reach> {
    if way.is_some_and(|way| way.is_root) {
        return Some(Reach::Whole);
    }
    match pending.reach {
        Reach::Whole if !is_excluded && select.enters(pending.volume, stat) => Some(Reach::Whole),
        _ => way.map(|_| Reach::Way),
    }
}

/// The names of a directory that are looked at; of a marked one its marks, and what was asked for.
fn names(
    pending: &Pending,
    directory: &OwnedFd,
    marks: &[CString],
) -> Result<Vec<CString>, io::Error> {
    if pending.reach == Reach::Whole && marks.is_empty() {
        return read_names(directory);
    }
    let mut names: Vec<CString> = pending.way.below.keys().chain(marks).cloned().collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// All names of a directory but the dots, ascending.
fn read_names(directory: &OwnedFd) -> Result<Vec<CString>, io::Error> {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 32 * 1024];
    let mut names: Vec<CString> = Vec::new();
    let mut raw = RawDir::new(directory, &mut buffer);
    while let Some(entry) = raw.next() {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn open_directory(pending: &Pending) -> Result<OwnedFd, io::Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |flags| match &pending.above {
        Some(above) => rustix::fs::openat(above, &pending.name, flags, Mode::empty()),
        None => rustix::fs::open(&pending.name, flags, Mode::empty()),
    };
    // Only the owner of a directory may read it without moving its access time.
    open(flags | OFlags::NOATIME).or_else(|_| open(flags)).map_err(io::Error::from)
}

/// Whether a directory cannot be listed, seen before its own turn comes: its node is made earlier.
/// Root may read everything, and is not slowed down by asking.
fn is_closed_to_us(directory: &OwnedFd, name: &CStr) -> bool {
    !geteuid().is_root()
        && accessat(directory, name, Access::READ_OK | Access::EXEC_OK, AtFlags::EACCESS).is_err()
}

fn root_listing(directory: OwnedFd, way: &Way) -> Listing {
    let time = now();
    let mut stat = Stat::of_fd(directory.as_fd()).map_err(io::Error::from);
    if let (Ok(stat), Some(mtime), false) = (&mut stat, way.time, way.is_root) {
        stat.mtime = mtime;
    }
    let (name, volume) = (CString::default(), Volume::root());
    let entries = vec![Listed { name, stat, volume, is_closed: false }];
    Listing { parent: Arc::from(&b""[..]), directory: Arc::new(directory), time, entries }
}

/// The time as the clock of this machine has it.
fn now() -> Time {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    Time { seconds: now.tv_sec, nanos: now.tv_nsec as u32 }
}

/// The parent that the children of `name` have.
fn child(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, &[0], name].concat() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
