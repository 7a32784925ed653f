//! Giving owner, attributes, mode and time to what was just made.
//!
//! The order matters. The owner comes first, because a change of owner clears set-id bits and
//! capabilities. Extended attributes come before the mode: an ACL sets the permission bits in the
//! same step, so that the group is never shown more than the ACL grants, and a file that its
//! owner may not write still takes attributes while it is 0600. For that the ACL is the last of
//! them. The time is last of all.

mod place;

use super::tree::error::{Cause, refused};
use esker_format::node::{Node, NodeKind, Time, Xattr};
use place::group_bits;
pub(super) use place::{ACL_ACCESS, ACL_DEFAULT, Place};
use rustix::fs::Stat;
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A set-id bit of a mode, octal.
const SET_UID: u32 = 0o4000;
/// The same for the group.
const SET_GID: u32 = 0o2000;

/// What the metadata of a node are to become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    kind: NodeKind,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: Time,
}

impl From<&Node> for Wanted {
    fn from(node: &Node) -> Self {
        let (kind, mode, mtime) = (node.kind, node.mode & 0o7777, node.mtime);
        Self { kind, mode, uid: node.uid, gid: node.gid, mtime }
    }
}

/// What the metadata of something are that was there before.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    pub owner: (u32, u32),
    pub mode: u32,
    pub mtime: Time,
    pub xattrs: Vec<Xattr>,
}

/// What is known of something new before anything was changed about it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Born {
    /// User and group.
    pub owner: Option<(u32, u32)>,
    /// Permission bits.
    pub mode: Option<u32>,
}

/// What was left out because this process may not do it. Counted, not reported file by file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notes {
    /// Entries that belong to somebody else than they did.
    pub owners: u64,
    /// Of these, files that lost a set-user-id or set-group-id bit, which was meant for the
    /// owner that they had.
    pub set_ids: u64,
    /// Extended attributes that only root may set.
    pub xattrs: u64,
}

/// What this process may do, and what the things that it makes are like.
#[derive(Debug)]
pub(super) struct Rules {
    ownership: bool,
    root: bool,
    /// The owner of everything new, where that is certain.
    owner: Option<(u32, u32)>,
    /// The owner of the target.
    target: (u32, u32),
    /// The umask, where that is certain.
    umask: Option<u32>,
    owners: AtomicU64,
    set_ids: AtomicU64,
    xattrs: AtomicU64,
}

impl Rules {
    /// The rules for work below `target`; `is_over` when something is in it.
    pub(super) fn new(ownership: bool, target: &Stat, is_over: bool) -> Self {
        let us = (geteuid().as_raw(), getegid().as_raw());
        Self {
            ownership,
            root: us.0 == 0,
            // New things are ours, but for a group taken from the parent (a setgid directory,
            // mount option grpid) and for file systems with their own idea (squashed NFS, vfat).
            // Where the target itself has our user and group, each of these gives the same.
            // Directories that were there before can differ from it.
            owner: (!is_over && us == (target.st_uid, target.st_gid)).then_some(us),
            target: (target.st_uid, target.st_gid),
            umask: umask(),
            owners: AtomicU64::new(0),
            set_ids: AtomicU64::new(0),
            xattrs: AtomicU64::new(0),
        }
    }

    /// The mode to create `wanted` with, and what is then known of it.
    ///
    /// Nobody may read a file before its owner and mode are final. Where only bytes are missing,
    /// the final permissions can be given at once, which saves a call for most files.
    pub(super) fn birth(&self, wanted: &Wanted, xattrs: bool) -> (u32, Born) {
        let owner = (wanted.uid, wanted.gid);
        let chown = self.ownership && self.owner != Some(owner);
        let mode = if chown || xattrs || self.umask.is_none() {
            wanted.mode & 0o700 | 0o600
        } else {
            wanted.mode & 0o777
        };
        (mode, Born { owner: self.owner, mode: self.umask.map(|umask| mode & !umask) })
    }

    /// A directory just made: ours, with a mode that may have inherited a setgid bit.
    pub(super) const fn born_directory(&self) -> Born {
        Born { owner: self.owner, mode: None }
    }

    /// The target, which may have been there before.
    pub(super) const fn born_target(&self) -> Born {
        Born { owner: Some(self.target), mode: None }
    }

    /// Whether what was there before has other metadata than these, as far as this process could
    /// change that.
    pub(super) fn differ(&self, now: &Owned, wanted: &Wanted, xattrs: &[Xattr]) -> bool {
        let owner = (wanted.uid, wanted.gid);
        let becomes = if self.ownership { owner } else { now.owner };
        let bits = match wanted.kind {
            NodeKind::Directory => wanted.mode,
            _ => bits_for(wanted.mode, wanted, Some(becomes)),
        };
        let settable = |xattr: &&Xattr| self.root || !takes_root(&xattr.0);
        becomes != now.owner
            || (wanted.kind != NodeKind::Symlink && bits != now.mode)
            || wanted.mtime != now.mtime
            || !xattrs.iter().filter(settable).all(|xattr| now.xattrs.contains(xattr))
            || now.xattrs.iter().any(|xattr| is_spare(xattr, xattrs))
    }

    /// Counts what stays with another owner because this process may not change that.
    pub(super) fn note(&self, now: &Owned, wanted: &Wanted) {
        if !self.ownership && now.owner != (wanted.uid, wanted.gid) {
            self.owners.fetch_add(1, Relaxed);
        }
    }

    /// Gives what was there before all of `wanted` and `xattrs`, and takes away attributes that it
    /// had beside them.
    pub(super) fn correct(
        &self,
        place: &Place<'_>,
        now: &Owned,
        wanted: &Wanted,
        xattrs: &[Xattr],
        report: &mut dyn FnMut(&'static str, Cause),
    ) {
        for (name, _) in now.xattrs.iter().filter(|xattr| is_spare(xattr, xattrs)) {
            if let Err(error) = place.remove_xattr(name) {
                let cause = Cause::Xattr { name: name.clone(), source: error.into() };
                report("remove an attribute of", cause);
            }
        }
        let born = Born { owner: Some(now.owner), mode: None };
        self.apply(place, wanted, born, xattrs, report);
    }

    /// Gives all of `wanted` and `xattrs`, and reports each part that could not be given.
    pub(super) fn apply(
        &self,
        place: &Place<'_>,
        wanted: &Wanted,
        born: Born,
        xattrs: &[Xattr],
        report: &mut dyn FnMut(&'static str, Cause),
    ) {
        let owner = self.give_owner(place, wanted, born, report);
        let mut bits = wanted.mode;
        let mut chmod = wanted.kind != NodeKind::Symlink;
        // The ACL comes after the others: it may take from the owner what setting them needs.
        let (acls, others): (Vec<_>, Vec<_>) =
            xattrs.iter().partition(|(name, _)| name == ACL_ACCESS);
        for (name, value) in others.into_iter().chain(acls) {
            let Err(error) = place.set_xattr(name, value) else { continue };
            if name == ACL_ACCESS {
                // The group bits of a mode with an ACL are the widest of its grants. Without the
                // ACL they would be the group's own.
                bits = bits & !0o070 | group_bits(value) << 3;
            }
            if !self.root && takes_root(name) && refuses(error) {
                self.xattrs.fetch_add(1, Relaxed);
            } else {
                let cause = Cause::Xattr { name: name.clone(), source: error.into() };
                report("set an attribute of", cause);
            }
        }
        if wanted.kind != NodeKind::Directory {
            bits = self.without_set_ids(bits, wanted, owner);
        }
        let acl = xattrs.iter().any(|(name, _)| name == ACL_ACCESS);
        chmod &= acl || born.mode != Some(bits);
        if chmod && let Err(error) = place.set_mode(bits) {
            report("set the mode of", error.into());
        }
        if wanted.mtime.nanos > 999_999_999 {
            report("set the time of", refused("time", "over a billion nanoseconds"));
        } else if let Err(error) = place.set_mtime(wanted.mtime) {
            report("set the time of", error.into());
        }
    }

    /// Gives the owner, and says who it is now, where that is certain.
    fn give_owner(
        &self,
        place: &Place<'_>,
        wanted: &Wanted,
        born: Born,
        report: &mut dyn FnMut(&'static str, Cause),
    ) -> Option<(u32, u32)> {
        let owner = (wanted.uid, wanted.gid);
        if born.owner == Some(owner) {
            return born.owner;
        }
        if !self.ownership {
            self.owners.fetch_add(1, Relaxed);
            return born.owner;
        }
        if owner.0 == u32::MAX || owner.1 == u32::MAX {
            // To the system this number means "leave it as it is".
            report("set the owner of", refused("owner", "the number that stands for nobody"));
            return born.owner;
        }
        match place.set_owner(owner.0, owner.1) {
            Ok(()) => Some(owner),
            Err(error) => {
                report("set the owner of", error.into());
                born.owner
            }
        }
    }

    /// A set-id bit lends out the rights of the owner it was set for, and of nobody else.
    fn without_set_ids(&self, bits: u32, wanted: &Wanted, owner: Option<(u32, u32)>) -> u32 {
        let kept = bits_for(bits, wanted, owner);
        if kept != bits {
            self.set_ids.fetch_add(1, Relaxed);
        }
        kept
    }

    pub(super) fn notes(&self) -> Notes {
        Notes {
            owners: self.owners.load(Relaxed),
            set_ids: self.set_ids.load(Relaxed),
            xattrs: self.xattrs.load(Relaxed),
        }
    }
}

/// Without the set-id bits that were meant for another owner than this one.
fn bits_for(mut bits: u32, wanted: &Wanted, owner: Option<(u32, u32)>) -> u32 {
    if owner.is_none_or(|(uid, _)| uid != wanted.uid) {
        bits &= !SET_UID;
    }
    if owner.is_none_or(|(_, gid)| gid != wanted.gid) {
        bits &= !SET_GID;
    }
    bits
}

/// Whether an attribute goes, because the snapshot does not have it. Those that the system keeps
/// by rules of its own (labels, measurements, the attributes of network file systems) stay.
fn is_spare(xattr: &Xattr, wanted: &[Xattr]) -> bool {
    let name = &xattr.0[..];
    let ours = name.starts_with(b"user.")
        || name.starts_with(b"trusted.")
        || [ACL_ACCESS, ACL_DEFAULT, b"security.capability"].contains(&name);
    ours && !wanted.iter().any(|(wanted, _)| wanted == name)
}

fn takes_root(name: &[u8]) -> bool {
    name.starts_with(b"security.") || name.starts_with(b"trusted.")
}

fn refuses(error: Errno) -> bool {
    matches!(error, Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP)
}

/// The umask, read without changing it, because it belongs to the whole process.
fn umask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}
