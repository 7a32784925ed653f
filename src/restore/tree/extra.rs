//! Removing what the snapshot does not have: an entry with all that is below it.

use super::error::{Attempt, TreeError};
use super::existing::{names_in, open_directory};
use super::seen::Seen;
use super::{Place, Tree};
use esker_format::node::NodeKind;
use esker_format::path::MapKey;
use rustix::fs::AtFlags;
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};

/// Something in the target that the snapshot does not have.
#[derive(Debug, Clone, Copy)]
pub struct Extra<'e> {
    /// Its place below the target.
    pub key: &'e MapKey,
    /// What it is.
    pub seen: &'e Seen,
}

/// What happens to the entries below an extra one.
pub trait Sweep {
    /// Whether this one goes, and whether to look into it when it is a directory that stays.
    fn judge(&mut self, extra: Extra<'_>) -> Judgement;
    /// It stays, because another file system begins there.
    fn mounted(&mut self, extra: Extra<'_>);
    /// It is gone, or would be.
    fn gone(&mut self, extra: Extra<'_>);
    /// It stays, though it should go.
    fn failed(&mut self, error: TreeError);
}

/// What is to become of an extra entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It goes, with all below it that goes.
    Goes,
    /// It stays; what is below it may go.
    LookInside,
    /// It stays, with all below it.
    Stays,
}

impl Tree {
    /// Removes an entry and all below it, except what `sweep` keeps and what lies on another
    /// mount. Nothing is followed. When `dry` is set, everything stays and is told all the same.
    /// True when nothing is left of it.
    pub fn sweep(&self, key: &MapKey, dry: bool, sweep: &mut dyn Sweep) -> bool {
        let mount = match Seen::of(self.target().as_fd()) {
            Ok(target) => target.mount_or_device(),
            Err(cause) => {
                sweep.failed(TreeError::new(key, "remove", cause));
                return false;
            }
        };
        match self.parent(key) {
            Ok(dir) => Sweeper { sweep, dry, mount }.entry(&dir, key),
            Err(cause) => {
                sweep.failed(TreeError::new(key, "remove", cause));
                false
            }
        }
    }
}

struct Sweeper<'s> {
    sweep: &'s mut dyn Sweep,
    dry: bool,
    mount: u64,
}

impl Sweeper<'_> {
    fn entry(&mut self, dir: &OwnedFd, key: &MapKey) -> bool {
        match self.attempt(dir, key) {
            Ok(gone) => gone,
            Err(cause) => {
                self.sweep.failed(TreeError::new(key, "remove", cause));
                false
            }
        }
    }

    fn attempt(&mut self, dir: &OwnedFd, key: &MapKey) -> Attempt<bool> {
        let Some(seen) = Seen::at(dir, &key.name)? else { return Ok(true) };
        if seen.is_mount || seen.mount_or_device() != self.mount {
            self.sweep.mounted(Extra { key, seen: &seen });
            return Ok(false);
        }
        let judgement = self.sweep.judge(Extra { key, seen: &seen });
        if judgement == Judgement::Stays {
            return Ok(false);
        }
        let is_directory = seen.kind == Some(NodeKind::Directory);
        let is_empty = !is_directory || self.inside(dir, key, &seen, judgement)?;
        if judgement == Judgement::LookInside || !is_empty {
            return Ok(false);
        }
        if !self.dry {
            let flags = if is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
            match rustix::fs::unlinkat(dir, &*key.name, flags) {
                Err(Errno::NOENT) => {}
                removed => removed?,
            }
        }
        self.sweep.gone(Extra { key, seen: &seen });
        Ok(true)
    }

    /// Removes what is in a directory; true when nothing is left.
    fn inside(
        &mut self,
        dir: &OwnedFd,
        key: &MapKey,
        seen: &Seen,
        judgement: Judgement,
    ) -> Attempt<bool> {
        // Its owner may empty it, whatever its mode says.
        let us = rustix::process::geteuid();
        let is_shut = seen.mode & 0o700 != 0o700 && !us.is_root() && seen.owner.0 == us.as_raw();
        if is_shut && !self.dry && judgement == Judgement::Goes {
            Place::Named(dir.as_fd(), &key.name).set_mode(0o700)?;
        }
        let open = open_directory(dir, &key.name)?;
        let mut names = names_in(&open)?;
        names.sort();
        let parent = key.as_parent();
        let mut is_empty = true;
        for name in names {
            is_empty &= self.entry(&open, &MapKey { parent: parent.clone(), name });
        }
        Ok(is_empty)
    }
}

impl Seen {
    /// What tells its mount from others; the device where the kernel does not say more.
    pub const fn mount_or_device(&self) -> u64 {
        if self.mount != 0 { self.mount } else { self.identity.0 }
    }
}
