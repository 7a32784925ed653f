//! Replacing what is there: the new thing is made beside it under a temporary name, and takes its
//! place by a rename. So whoever looks, and whatever ends this process, finds the old or the new.

use super::error::{Attempt, Cause, Kind, Result, TreeError};
use super::file::{NewFile, Placing};
use super::seen::Seen;
use super::{ACL_ACCESS, Born, Dir, Place, Tree, Wanted, special};
use esker_format::node::{Node, NodeKind, Xattr};
use esker_format::path::MapKey;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the names of temporary things begin with; the number of the run and one of their own follow.
const TEMPORARY: &str = ".esker-";

/// A number that tells the temporary things of one run from those of all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunId(pub u64);

impl RunId {
    /// A number that no other run has.
    pub fn draw() -> Self {
        let mut bytes = [0; 8];
        // The system's generator cannot fail on Linux once it is seeded. If it does, the time and
        // the process tell this run from those before it.
        if getrandom::fill(&mut bytes).is_err() {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos() as u64;
            bytes = (now ^ u64::from(std::process::id()) << 40).to_le_bytes();
        }
        Self(u64::from_le_bytes(bytes))
    }

    /// What the names of its temporary things begin with.
    pub fn prefix(self) -> String {
        format!("{TEMPORARY}{:016x}-", self.0)
    }

    /// Whether this is the name of one of its temporary things.
    pub fn made(self, name: &[u8]) -> bool {
        let number = name.strip_prefix(self.prefix().as_bytes());
        number.is_some_and(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit))
    }
}

/// Temporary names of one run.
#[derive(Debug)]
pub(super) struct Names {
    run: RunId,
    next: AtomicU64,
}

impl Names {
    pub(super) fn new() -> Self {
        Self::of(RunId::draw())
    }

    pub(super) const fn of(run: RunId) -> Self {
        Self { run, next: AtomicU64::new(0) }
    }

    fn next(&self) -> Vec<u8> {
        format!("{}{}", self.run.prefix(), self.next.fetch_add(1, Relaxed)).into_bytes()
    }
}

impl Tree {
    /// The number that the names of temporary things have.
    pub const fn run(&self) -> RunId {
        self.names.run
    }

    /// Makes an empty file beside the place of `key`, to be filled; finishing it puts it there.
    ///
    /// # Errors
    /// As [`Tree::create_file`].
    pub fn create_beside(&self, key: &MapKey, node: &Node) -> Result<NewFile> {
        let create = || -> Attempt<NewFile> {
            let dir = self.parent(key)?;
            let (mode, _) = self.rules.birth(&node.into(), node.xattrs.is_some());
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let temporary = self.names.next();
            // Nobody but us sees what is in it until its owner and mode are final.
            let mode = Mode::from_raw_mode(mode & 0o700);
            let file = File::from(rustix::fs::openat(&*dir, &*temporary, flags, mode)?);
            let (key, rules) = (key.clone(), Arc::clone(&self.rules));
            let placing = Placing::Beside { dir, temporary };
            let reached = AtomicU64::new(0);
            let mut file = NewFile { file, key, born: Born::default(), rules, reached, placing };
            if self.inherits_acl(&file.key) {
                Place::Open(file.file.as_fd()).remove_xattr(ACL_ACCESS)?;
            }
            let now = Seen::of(file.file.as_fd())?;
            file.born = Born { owner: Some(now.owner), mode: Some(now.mode) };
            Ok(file)
        };
        create().map_err(|cause| TreeError::new(key, "make file", cause))
    }

    /// Opens a file that is there, to be changed where it is; none when it has to be replaced
    /// instead: a running program, or a file that its owner may not write.
    ///
    /// # Errors
    /// When something else has its name by now.
    pub fn open_in_place(&self, key: &MapKey, node: &Node, seen: &Seen) -> Result<Option<NewFile>> {
        let open = || -> Attempt<Option<NewFile>> {
            let dir = self.parent(key)?;
            let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let file = match rustix::fs::openat(&*dir, &*key.name, flags, Mode::empty()) {
                Err(Errno::TXTBSY | Errno::ACCESS | Errno::PERM) => return Ok(None),
                opened => File::from(opened?),
            };
            if !seen.is_untouched(&Seen::of(file.as_fd())?) {
                return Err(Cause::Changed);
            }
            // Whoever may not read what it is to become may not read it now either.
            let bits = seen.mode & node.mode & 0o777 | 0o600;
            if bits != seen.mode {
                rustix::fs::fchmod(&file, Mode::from_raw_mode(bits))?;
            }
            let (key, rules) = (key.clone(), Arc::clone(&self.rules));
            let (born, reached) = (Born::default(), AtomicU64::new(0));
            Ok(Some(NewFile { file, key, born, rules, reached, placing: Placing::InPlace }))
        };
        open().map_err(|cause| TreeError::new(key, "write", cause))
    }

    /// Makes a symlink, fifo, socket or device node, and puts it in the place of what is there.
    ///
    /// # Errors
    /// As [`Tree::make_special`].
    pub fn replace_special(
        &self,
        key: &MapKey,
        node: &Node,
        xattrs: &[Xattr],
    ) -> Result<Vec<TreeError>> {
        let wanted = Wanted::from(node);
        let mut problems = Vec::new();
        let replace = |problems: &mut Vec<TreeError>| -> Attempt<()> {
            let dir = self.parent(key)?;
            let temporary = Temporary { dir: &dir, name: self.names.next() };
            let (mode, _) = self.rules.birth(&wanted, !xattrs.is_empty());
            special::make(&dir, &temporary.name, node, mode & 0o700)?;
            let place = Place::Named(dir.as_fd(), &temporary.name);
            if self.inherits_acl(key) && node.kind != NodeKind::Symlink {
                place.remove_xattr(ACL_ACCESS)?;
            }
            let now = Seen::at(&dir, &temporary.name)?.ok_or(Errno::NOENT)?;
            let born = Born { owner: Some(now.owner), mode: Some(now.mode) };
            let mut report = |operation, cause| {
                problems.push(TreeError::new(key, operation, cause));
            };
            self.rules.apply(&place, &wanted, born, xattrs, &mut report);
            temporary.put(&key.name)
        };
        let operation = special::operation(node.kind);
        match replace(&mut problems) {
            Ok(()) => Ok(problems),
            Err(cause) => Err(TreeError::new(key, operation, cause)),
        }
    }

    /// Gives what is there as `existing` the further name `key`, whatever has that name now, a
    /// directory excepted. False when it had it already.
    ///
    /// # Errors
    /// As [`Tree::link`].
    pub fn replace_link(&self, existing: &MapKey, key: &MapKey) -> Result<bool> {
        let link = || -> Attempt<bool> {
            let (from, to) = (self.parent(existing)?, self.parent(key)?);
            let first = Seen::at(&from, &existing.name)?.ok_or(Errno::NOENT)?;
            let there = Seen::at(&to, &key.name)?;
            // To rename one name of a file over another of its names does nothing at all.
            if there.is_some_and(|there| there.identity == first.identity) {
                return Ok(false);
            }
            let temporary = Temporary { dir: &to, name: self.names.next() };
            let flags = AtFlags::empty();
            rustix::fs::linkat(&*from, &*existing.name, &*to, &*temporary.name, flags)?;
            temporary.put(&key.name)?;
            Ok(true)
        };
        link().map_err(|cause| TreeError::new(key, "make hard link", cause))
    }
}

/// Something under a temporary name, which goes again unless it is put into place.
struct Temporary<'t> {
    dir: &'t Dir,
    name: Vec<u8>,
}

impl Temporary<'_> {
    fn put(mut self, name: &[u8]) -> Attempt<()> {
        rustix::fs::renameat(&**self.dir, &*self.name, &**self.dir, name)?;
        self.name.clear();
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            // If it cannot be removed either, the next restore tries again.
            let _ = rustix::fs::unlinkat(&**self.dir, &*self.name, AtFlags::empty());
        }
    }
}

impl TreeError {
    /// Whether nothing is at the place.
    pub fn is_absent(&self) -> bool {
        self.kind() == Kind::Obstructed
    }
}

#[cfg(test)]
mod tests {
    use super::RunId;

    #[test]
    fn only_the_temporary_names_of_the_very_run_are_its_own() {
        let run = RunId(0xabc);
        assert!(run.made(b".esker-0000000000000abc-17"));
        for other in [
            &b".esker-0000000000000abc-"[..],
            b".esker-0000000000000abc-1x",
            b".esker-0000000000000abd-17",
            b".esker-notes",
        ] {
            assert!(!run.made(other), "{other:?}");
        }
    }
}
