//! The file-system side of a restore: everything that is made below one target directory.
//!
//! A snapshot is not trusted to be well-meaning. Each path is walked from the target by file
//! descriptors, one checked name at a time, and no symlink is followed, not even one that this
//! restore made. So nothing can be made, changed or linked outside of the target.
//!
//! Directories are made first, private to this process, and become what they were at the end:
//! until then nobody else can reach what is below them.

mod beside;
mod directories;
pub mod error;
mod existing;
mod extra;
mod file;
mod seen;
mod special;
mod target;
#[cfg(test)]
mod tests;
mod unfinished;

pub use beside::RunId;
pub use directories::Dir;
pub use error::{Cause, Kind, Result, TreeError};
pub use extra::{Extra, Judgement, Sweep};
pub use file::NewFile;
pub use seen::Seen;

use super::metadata::{ACL_ACCESS, ACL_DEFAULT, Born, Notes, Place, Rules, Wanted};
use beside::Names;
use directories::{DIRECTORY, Directories};
use error::Attempt;
use esker_format::node::{Node, NodeKind, Xattr};
use esker_format::path::{MapKey, check_name};
use file::Placing;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use target::LOST_FOUND;
use unfinished::{Unfinished, UnfinishedDirectories};

/// How a tree is to be made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Give everything the owner that it had. Otherwise it stays with the user who restores, and
    /// [`Notes`] count what that changes.
    pub ownership: bool,
}

impl Default for Options {
    /// Owners are restored by root, who alone can.
    fn default() -> Self {
        Self { ownership: rustix::process::geteuid().is_root() }
    }
}

/// What is being restored below a target. Threads share it.
#[derive(Debug)]
pub struct Tree {
    directories: Directories,
    rules: Arc<Rules>,
    unfinished: UnfinishedDirectories,
    /// The target, which gets its metadata last.
    last: Mutex<Option<Unfinished>>,
    /// Directories that were there and have a default ACL, which their children would inherit.
    giving: Mutex<HashSet<Vec<u8>>>,
    /// Whether there is any of them.
    any_gives: AtomicBool,
    /// Something was in the target before.
    is_over: bool,
    /// The target is what it is called, and not what stands for one that is not there yet.
    is_there: bool,
    /// Names for what is made beside something else.
    names: Names,
    /// The target is a new file system with nothing but this in it.
    has_lost_found: bool,
}

impl Tree {
    /// Makes `target`, or takes it when it is an empty directory. A symlink to a directory is
    /// followed here, because the user named it, and nowhere else. The directory `lost+found` of
    /// a new file system does not count.
    ///
    /// # Errors
    /// When it cannot be made or opened, is no directory, or is not empty ([`Cause::NotEmpty`]).
    pub fn create(target: &Path, options: Options) -> Result<Self> {
        let error = |cause| unusable(target, cause);
        let fd = target::open(target).map_err(error)?;
        let has_lost_found = target::check_empty(&fd).map_err(error)?;
        let tree = Self::of(fd, options, false).map_err(error)?;
        Ok(Self { has_lost_found, ..tree })
    }

    /// As [`Self::create`], and takes a directory with things in it too.
    ///
    /// # Errors
    /// When it cannot be made or opened, or is no directory.
    pub fn open(target: &Path, options: Options) -> Result<Self> {
        let error = |cause| unusable(target, cause);
        let fd = target::open(target).map_err(error)?;
        Self::take(fd, options).map_err(error)
    }

    /// As [`Self::open`], and makes nothing: a target that is not there is taken for an empty one,
    /// and must not be worked in.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn look_into(target: &Path, options: Options) -> Result<Self> {
        let error = |cause| unusable(target, cause);
        match target::open_existing(target).map_err(error)? {
            Some(fd) => Self::take(fd, options).map_err(error),
            None => {
                let nothing = target::open_existing(Path::new("/")).map_err(error)?;
                let nothing = nothing.ok_or_else(|| error(Errno::NOENT.into()))?;
                let tree = Self::of(nothing, options, false).map_err(error)?;
                Ok(Self { is_there: false, ..tree })
            }
        }
    }

    fn take(fd: OwnedFd, options: Options) -> Attempt<Self> {
        let is_over = match target::check_empty(&fd) {
            // Whatever is there has to be looked at, the `lost+found` of a new file system too.
            Ok(has_lost_found) => has_lost_found,
            Err(Cause::NotEmpty) => true,
            Err(cause) => return Err(cause),
        };
        Self::of(fd, options, is_over)
    }

    /// The same, with this number in the names of temporary things and in the journal.
    #[must_use]
    pub fn with_run(self, run: RunId) -> Self {
        Self { names: Names::of(run), ..self }
    }

    /// Whether something was in the target before.
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    fn of(fd: OwnedFd, options: Options, is_over: bool) -> Attempt<Self> {
        let stat = rustix::fs::fstat(&fd)?;
        let gives_acl = rustix::fs::fgetxattr_query(&fd, ACL_DEFAULT).is_ok();
        let tree = Self {
            rules: Arc::new(Rules::new(options.ownership, &stat, is_over)),
            giving: Mutex::default(),
            any_gives: AtomicBool::new(false),
            is_over,
            is_there: true,
            names: Names::new(),
            directories: Directories::new(fd),
            unfinished: UnfinishedDirectories::default(),
            last: Mutex::default(),
            has_lost_found: false,
        };
        if gives_acl {
            tree.gives_acl(Vec::new());
        }
        Ok(tree)
    }

    /// The open directory of an entry that was made with [`Self::make_directory`].
    ///
    /// # Errors
    /// When it is not there, or is not a directory, or one of its parents is not.
    pub fn directory(&self, key: &MapKey) -> Result<Dir> {
        let open = self.directories.open(&key.as_parent());
        open.map_err(|cause| TreeError::new(key, "open", cause))
    }

    /// Makes a directory that only this process can enter. What it is to become is remembered
    /// for [`Self::finish_directories`]. The root stands for the target, which is there.
    ///
    /// # Errors
    /// When it cannot be made; its children will fail then.
    pub fn make_directory(&self, key: &MapKey, node: &Node, xattrs: &[Xattr]) -> Result<()> {
        let make = || -> Attempt<Born> {
            if *key == MapKey::root() {
                return Ok(self.rules.born_target());
            }
            let dir = self.parent(key)?;
            match rustix::fs::mkdirat(&*dir, &*key.name, Mode::RWXU) {
                Err(Errno::EXIST) if self.is_lost_found(key) => return Ok(Born::default()),
                made => made?,
            }
            if self.inherits_acl(key) {
                let made = rustix::fs::openat(&*dir, &*key.name, DIRECTORY, Mode::empty())?;
                Place::Open(made.as_fd()).remove_xattr(ACL_DEFAULT)?;
                Place::Open(made.as_fd()).remove_xattr(ACL_ACCESS)?;
            }
            if self.is_over {
                let owner = Seen::at(&dir, &key.name)?.map(|seen| seen.owner);
                return Ok(Born { owner, mode: None });
            }
            Ok(self.rules.born_directory())
        };
        let born = make().map_err(|cause| TreeError::new(key, "make directory", cause))?;
        self.unfinished.remember(key, node.into(), born, xattrs);
        Ok(())
    }

    /// Makes an empty file, to be filled and finished. Nothing may be there.
    ///
    /// # Errors
    /// When it cannot be made, or when its space cannot be reserved.
    pub fn create_file(&self, key: &MapKey, node: &Node) -> Result<NewFile> {
        let create = || -> Attempt<NewFile> {
            let dir = self.parent(key)?;
            let (mode, mut born) = self.rules.birth(&node.into(), node.xattrs.is_some());
            // Exclusive creation does not follow a symlink either.
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mode = Mode::from_raw_mode(mode);
            let file = File::from(rustix::fs::openat(&*dir, &*key.name, flags, mode)?);
            if self.inherits_acl(key) {
                Place::Open(file.as_fd()).remove_xattr(ACL_ACCESS)?;
                born.mode = None;
            }
            if self.is_over {
                born.owner = Some(Seen::of(file.as_fd())?.owner);
            }
            let (key, rules) = (key.clone(), Arc::clone(&self.rules));
            let (reached, placing) = (AtomicU64::new(0), Placing::There);
            Ok(NewFile { file, key, born, rules, reached, placing })
        };
        let file = create().map_err(|cause| TreeError::new(key, "make file", cause))?;
        if file::is_solid(node) {
            file.preallocate(node.len())?;
        }
        Ok(file)
    }

    /// Makes a symlink, fifo, socket or device node with its metadata, and returns which of these
    /// could not be given.
    ///
    /// # Errors
    /// When it cannot be made at all. Device nodes take root.
    pub fn make_special(
        &self,
        key: &MapKey,
        node: &Node,
        xattrs: &[Xattr],
    ) -> Result<Vec<TreeError>> {
        let wanted = Wanted::from(node);
        let make = || -> Attempt<(Dir, Born)> {
            let dir = self.parent(key)?;
            let (mode, mut born) = self.rules.birth(&wanted, !xattrs.is_empty());
            special::make(&dir, &key.name, node, mode)?;
            if self.inherits_acl(key) && node.kind != NodeKind::Symlink {
                Place::Named(dir.as_fd(), &key.name).remove_xattr(ACL_ACCESS)?;
                born.mode = None;
            }
            if self.is_over {
                born.owner = Seen::at(&dir, &key.name)?.map(|seen| seen.owner);
            }
            Ok((dir, born))
        };
        let operation = special::operation(node.kind);
        let (dir, born) = make().map_err(|cause| TreeError::new(key, operation, cause))?;
        let mut problems = Vec::new();
        let mut report = |operation, cause| problems.push(TreeError::new(key, operation, cause));
        let place = Place::Named(dir.as_fd(), &key.name);
        self.rules.apply(&place, &wanted, born, xattrs, &mut report);
        Ok(problems)
    }

    /// Gives what was made as `existing` a further name.
    ///
    /// # Errors
    /// When `existing` is not there, or has as many names as the file system allows.
    pub fn link(&self, existing: &MapKey, key: &MapKey) -> Result<()> {
        let link = || -> Attempt<()> {
            let (from, to) = (self.parent(existing)?, self.parent(key)?);
            // Without a flag, linkat links a symlink itself.
            let flags = AtFlags::empty();
            Ok(rustix::fs::linkat(&*from, &*existing.name, &*to, &*key.name, flags)?)
        };
        link().map_err(|cause| TreeError::new(key, "make hard link", cause))
    }

    /// Gives every directory its owner, attributes, mode and time, deepest first, because the
    /// mode of one may shut it. To be called when all else is there; reports what could not be
    /// given.
    pub fn finish_directories(&self, mut report: impl FnMut(TreeError)) {
        for directory in self.unfinished.take_deepest_first() {
            if directory.is_target() {
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(directory);
                continue;
            }
            let mut note = |operation, cause| {
                report(TreeError::new(&directory.key(), operation, cause));
            };
            match self.open_unfinished(&directory) {
                Ok(dir) => self.finish_directory(&dir, &directory, &mut note),
                Err(cause) => note("finish directory", cause),
            }
        }
    }

    /// The same for the target itself, which is the last of all: nothing is made or removed in it
    /// any more.
    pub fn finish_target(&self, mut report: impl FnMut(TreeError)) {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        let target = self.directories.target();
        if let Some(directory) = last {
            let mut note = |operation, cause| {
                report(TreeError::new(&MapKey::root(), operation, cause));
            };
            self.finish_directory(target, &directory, &mut note);
        }
        // Some file systems do not sync directories; then there is nothing to wait for.
        let _ = rustix::fs::fsync(&**target);
    }

    /// Waits until everything is on disk, because only then the system has told all that went
    /// wrong: of bytes that are written back later, nobody else would hear.
    ///
    /// # Errors
    /// When some of it could not be written, which files is not known.
    pub fn sync(&self) -> Result<()> {
        match rustix::fs::syncfs(&**self.directories.target()) {
            Ok(()) | Err(Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => Err(TreeError::new(&MapKey::root(), "write all to disk in", errno)),
        }
    }

    /// What was left out for want of privilege until now.
    pub fn notes(&self) -> Notes {
        self.rules.notes()
    }

    fn open_unfinished(&self, it: &Unfinished) -> Attempt<Dir> {
        if it.is_target() {
            return Ok(Arc::clone(self.directories.target()));
        }
        let parent = self.directories.open(&it.parent)?;
        Ok(Arc::new(rustix::fs::openat(&*parent, &*it.name, DIRECTORY, Mode::empty())?))
    }

    fn finish_directory(
        &self,
        dir: &Dir,
        it: &Unfinished,
        report: &mut dyn FnMut(&'static str, Cause),
    ) {
        let place = Place::Open(dir.as_fd());
        if it.was_there {
            let now = || Ok(Seen::of(dir.as_fd())?.owned(seen::xattrs_of(dir.as_fd())?));
            match now() {
                Ok(now) if !self.rules.differ(&now, &it.wanted, &it.xattrs) => {
                    self.rules.note(&now, &it.wanted);
                }
                Ok(now) => self.rules.correct(&place, &now, &it.wanted, &it.xattrs, report),
                Err(cause) => report("change the metadata of", cause),
            }
            return;
        }
        if it.is_target() {
            // It was there before, perhaps with ACLs of its own.
            for acl in [ACL_DEFAULT, ACL_ACCESS] {
                if let Err(error) = place.remove_xattr(acl) {
                    report("remove an ACL of", error.into());
                }
            }
        }
        self.rules.apply(&place, &it.wanted, it.born, &it.xattrs, report);
    }

    /// The directory to make an entry in. Its name is checked here, once for every call above.
    fn parent(&self, key: &MapKey) -> Attempt<Dir> {
        check_name(&key.name)?;
        self.directories.open(&key.parent)
    }

    fn inherits_acl(&self, key: &MapKey) -> bool {
        self.any_gives.load(Relaxed) && self.giving().contains(&key.parent)
    }

    /// What is made in this directory, which was there, inherits an ACL.
    fn gives_acl(&self, parent: Vec<u8>) {
        self.giving().insert(parent);
        self.any_gives.store(true, Relaxed);
    }

    fn giving(&self) -> MutexGuard<'_, HashSet<Vec<u8>>> {
        self.giving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_lost_found(&self, key: &MapKey) -> bool {
        self.has_lost_found && key.parent.is_empty() && key.name == LOST_FOUND
    }
}

fn unusable(target: &Path, cause: Cause) -> TreeError {
    let path = target.as_os_str().as_bytes().to_vec();
    TreeError { path, operation: "restore into", cause }
}
