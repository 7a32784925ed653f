//! Looking at what is in the target already, and correcting it where it is.

use super::directories::DIRECTORY;
use super::error::{Attempt, Cause, Result, TreeError};
use super::seen::{self, Seen};
use super::{ACL_DEFAULT, Dir, Place, RunId, Tree, Wanted};
use esker_format::node::{Node, NodeKind, Xattr};
use esker_format::path::MapKey;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

impl Tree {
    /// What has this name, which is not followed; none when nothing has it. The root is the target.
    ///
    /// # Errors
    /// When its directory is not there, or it cannot be looked at.
    pub fn look(&self, key: &MapKey) -> Result<Option<Seen>> {
        let look = || -> Attempt<Option<Seen>> {
            if *key == MapKey::root() {
                return Ok(Some(Seen::of(self.directories.target().as_fd())?));
            }
            Seen::at(&*self.parent(key)?, &key.name)
        };
        look().map_err(|cause| TreeError::new(key, "look at", cause))
    }

    /// Whether what is there has other metadata than it should.
    ///
    /// # Errors
    /// When its attributes cannot be read.
    pub fn differs(
        &self,
        key: &MapKey,
        seen: &Seen,
        node: &Node,
        xattrs: &[Xattr],
    ) -> Result<bool> {
        let now = seen.owned(self.xattrs(key)?);
        Ok(self.rules.differ(&now, &node.into(), xattrs))
    }

    /// Counts what stays with an owner that it did not have.
    pub fn note_owner(&self, seen: &Seen, node: &Node) {
        self.rules.note(&seen.owned(Vec::new()), &node.into());
    }

    /// The target of a symlink that is there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_link(&self, key: &MapKey) -> Result<Vec<u8>> {
        let read = || -> Attempt<Vec<u8>> {
            let target = rustix::fs::readlinkat(&*self.parent(key)?, &*key.name, Vec::new())?;
            Ok(target.into_bytes())
        };
        read().map_err(|cause| TreeError::new(key, "look at", cause))
    }

    /// Opens a file that is there for reading, without leaving a trace of that.
    ///
    /// # Errors
    /// When it cannot be opened, or something else has its name by now.
    pub fn open_file(&self, key: &MapKey, seen: &Seen) -> Result<File> {
        let open = || -> Attempt<File> {
            let dir = self.parent(key)?;
            let file = open_quietly(&dir, &key.name)?;
            match seen.is_untouched(&Seen::of(file.as_fd())?) {
                true => Ok(file),
                false => Err(Cause::Changed),
            }
        };
        open().map_err(|cause| TreeError::new(key, "read", cause))
    }

    /// Frees ranges of a file that are zero already; false when none could be. Its time changes.
    pub fn punch(&self, key: &MapKey, seen: &Seen, ranges: &[(u64, u64)]) -> bool {
        let punch = || -> Attempt<bool> {
            let dir = self.parent(key)?;
            let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let file = File::from(rustix::fs::openat(&*dir, &*key.name, flags, Mode::empty())?);
            if !seen.is_untouched(&Seen::of(file.as_fd())?) {
                return Err(Cause::Changed);
            }
            let mut any = false;
            for (from, to) in ranges {
                any |= super::file::punch(&file, *from, to - from)?;
            }
            Ok(any)
        };
        // Where it cannot be done, the file is as it should be all the same.
        punch().unwrap_or(false)
    }

    /// Gives what is there all its metadata, and takes away what it has beside them.
    pub fn correct(
        &self,
        key: &MapKey,
        seen: &Seen,
        node: &Node,
        xattrs: &[Xattr],
    ) -> Vec<TreeError> {
        let mut problems = Vec::new();
        let mut report = |operation, cause| problems.push(TreeError::new(key, operation, cause));
        let correct = |report: &mut dyn FnMut(&'static str, Cause)| -> Attempt<()> {
            let dir = self.parent(key)?;
            let now = seen.owned(seen::xattrs(&dir, &key.name)?);
            let wanted = Wanted::from(node);
            // By an open file where that can be: then it is surely the one that was looked at.
            let file = match seen.kind {
                Some(NodeKind::File) => open_quietly(&dir, &key.name).ok(),
                _ => None,
            };
            let there = match &file {
                Some(file) => Some(Seen::of(file.as_fd())?),
                None => Seen::at(&dir, &key.name)?,
            };
            if there.is_none_or(|there| there.identity != seen.identity) {
                return Err(Cause::Changed);
            }
            let place = match &file {
                Some(file) => Place::Open(file.as_fd()),
                None => Place::Named(dir.as_fd(), &key.name),
            };
            self.rules.correct(&place, &now, &wanted, xattrs, report);
            Ok(())
        };
        if let Err(cause) = correct(&mut report) {
            report("change the metadata of", cause);
        }
        problems
    }

    /// Takes a directory that is there for one of the snapshot. What it is to become is
    /// remembered, as [`Tree::make_directory`] does.
    ///
    /// # Errors
    /// When we cannot work in it.
    pub fn adopt_directory(
        &self,
        key: &MapKey,
        seen: &Seen,
        node: &Node,
        xattrs: &[Xattr],
    ) -> Result<()> {
        self.enter_directory(key, seen)?;
        self.unfinished.adopt(key, node.into(), xattrs);
        Ok(())
    }

    /// Makes sure that we can work in a directory that is there and keeps what it has.
    ///
    /// # Errors
    /// When we cannot open it.
    pub fn visit_directory(&self, key: &MapKey, seen: &Seen) -> Result<()> {
        let xattrs = self.xattrs(key)?;
        if self.enter_directory(key, seen)? {
            let (uid, gid) = seen.owner;
            let bare = Node::bare(NodeKind::Directory, seen.mode, seen.mtime);
            self.unfinished.adopt(key, (&Node { uid, gid, ..bare }).into(), &xattrs);
        }
        Ok(())
    }

    /// Makes sure that we can work in a directory that is there, and learns what it does to what
    /// is made in it. True when its mode had to be changed for that.
    ///
    /// # Errors
    /// When we cannot open it.
    pub fn enter_directory(&self, key: &MapKey, seen: &Seen) -> Result<bool> {
        let enter = || -> Attempt<bool> {
            let us = rustix::process::geteuid();
            let is_shut =
                seen.mode & 0o700 != 0o700 && !us.is_root() && seen.owner.0 == us.as_raw();
            if is_shut && *key != MapKey::root() {
                let dir = self.parent(key)?;
                Place::Named(dir.as_fd(), &key.name).set_mode(seen.mode | 0o700)?;
            } else if is_shut {
                let mode = Mode::from_raw_mode(seen.mode | 0o700);
                rustix::fs::fchmod(&**self.directories.target(), mode)?;
            }
            let dir = self.directories.open(&key.as_parent())?;
            if rustix::fs::fgetxattr_query(&*dir, ACL_DEFAULT).is_ok() {
                self.gives_acl(key.as_parent());
            }
            Ok(is_shut)
        };
        enter().map_err(|cause| TreeError::new(key, "open", cause))
    }

    /// Removes what has a name: anything but a directory, or one that is empty.
    ///
    /// # Errors
    /// When it stays: [`Cause::InTheWay`] for a directory with something in it.
    pub fn remove(&self, key: &MapKey, seen: &Seen) -> Result<()> {
        let remove = || -> Attempt<()> {
            let is_directory = seen.kind == Some(NodeKind::Directory);
            let flags = if is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
            match rustix::fs::unlinkat(&*self.parent(key)?, &*key.name, flags) {
                Err(Errno::NOTEMPTY | Errno::EXIST) => Err(Cause::InTheWay),
                Err(Errno::NOENT) => Ok(()),
                removed => Ok(removed?),
            }
        };
        remove().map_err(|cause| TreeError::new(key, "replace", cause))
    }

    /// What is in a directory, in no order.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn names(&self, key: &MapKey) -> Result<Vec<Vec<u8>>> {
        let list =
            || -> Attempt<Vec<Vec<u8>>> { names_in(&*self.directories.open(&key.as_parent())?) };
        list().map_err(|cause| TreeError::new(key, "list", cause))
    }

    /// Removes what a run that was cut off left under temporary names in a directory.
    pub fn remove_temporaries(&self, run: RunId, parent: &[u8]) {
        let Ok(dir) = self.directories.open(parent) else { return };
        for name in names_in(&dir).unwrap_or_default() {
            if run.made(&name) {
                // Never a directory: none are made under such names.
                let _ = rustix::fs::unlinkat(&*dir, &*name, AtFlags::empty());
            }
        }
    }

    /// Whether the target is the root of this system.
    pub fn is_system_root(&self) -> bool {
        let found = rustix::fs::fstat(self.target()).ok();
        let root = rustix::fs::stat("/").ok();
        let identity = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
        self.is_there && found.is_some() && found.map(identity) == root.map(identity)
    }

    /// The target itself.
    pub fn target(&self) -> &Dir {
        self.directories.target()
    }

    fn xattrs(&self, key: &MapKey) -> Result<Vec<Xattr>> {
        let read = || -> Attempt<Vec<Xattr>> {
            if *key == MapKey::root() {
                return seen::xattrs(self.directories.target(), b"");
            }
            seen::xattrs(&*self.parent(key)?, &key.name)
        };
        read().map_err(|cause| TreeError::new(key, "read the attributes of", cause))
    }
}

/// What is in an open directory, in no order.
pub(super) fn names_in(dir: &OwnedFd) -> Attempt<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

/// Opens a directory in another one.
pub(super) fn open_directory(dir: &OwnedFd, name: &[u8]) -> Attempt<OwnedFd> {
    Ok(rustix::fs::openat(dir, name, DIRECTORY, Mode::empty())?)
}

/// Opens for reading without moving the access time, where the owner or root does so.
fn open_quietly(dir: &OwnedFd, name: &[u8]) -> Attempt<File> {
    // Non-blocking: a pipe that took the file's place must not hold the restore up.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let open = |flags| rustix::fs::openat(dir, name, flags, Mode::empty());
    let opened = match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags)?,
        other => other?,
    };
    Ok(File::from(opened))
}
