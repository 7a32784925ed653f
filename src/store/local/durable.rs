//! When files and their names survive a power cut.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::mem::take;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FsWord, fstat, fstatfs, syncfs};
use rustix::io::Errno;

use super::folder::{Missing, open_folder, sync_folder, with_parents};

/// So many files wait, open, for a barrier that syncs each of them; one in sixteen of the 1024
/// descriptors that a process has by default.
const MAX_WAITING_FILES: usize = 64;

/// What waits for the barrier, and what is known to be durable.
///
/// `syncfs` makes a whole file system durable in one call, but it can vouch for that only where it
/// reports what could not be written: see [`syncfs_reports_errors`]. Elsewhere every file stays open
/// until it is synced, because the system reports a failed write-back only to descriptors that were
/// open when it happened.
#[derive(Debug)]
pub(super) struct Durable {
    /// Whether `syncfs` vouches for the files of `device`.
    whole: bool,
    device: u64,
    waiting: Mutex<Waiting>,
    /// Held for the length of a barrier: who finds nothing left to sync must wait for who syncs it.
    one_barrier: Mutex<()>,
    /// Set when a write was lost; the system tells it once, so it must be remembered.
    lost: AtomicBool,
    /// Whether `syncfs` has once been called for what earlier processes may have left unsynced.
    inherited: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    files: VecDeque<File>,
    folders: BTreeSet<String>,
    /// Folders whose own names, up to the root, are durable.
    known: BTreeSet<String>,
}

impl Durable {
    pub(super) fn new(root: &OwnedFd, device: u64) -> Result<Self, Errno> {
        let file_system = fstatfs(root)?.f_type;
        let release = rustix::system::uname();
        let release = release.release().to_string_lossy();
        Ok(Self {
            whole: syncfs_reports_errors(&release, file_system),
            device,
            waiting: Mutex::default(),
            one_barrier: Mutex::default(),
            lost: AtomicBool::new(false),
            inherited: AtomicBool::new(false),
        })
    }

    #[cfg(test)]
    pub(super) fn sync_each_file(&mut self) {
        self.whole = false;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a file for the next barrier, with the folder that names it.
    pub(super) fn remember(&self, file: File, folder: &str) -> io::Result<()> {
        if self.whole && fstat(&file)?.st_dev == self.device {
            return Ok(()); // syncfs will find it
        }
        let mut waiting = self.waiting();
        waiting.folders.insert(folder.to_owned());
        waiting.files.push_back(file);
        if waiting.files.len() > MAX_WAITING_FILES
            && let Some(oldest) = waiting.files.pop_front()
        {
            // Under the lock: a barrier must not return while this file is on its way.
            oldest.sync_all().inspect_err(|_| self.lose())?;
        }
        Ok(())
    }

    /// Remembers a folder in which a name was removed.
    pub(super) fn remember_folder(&self, folder: &str) {
        if !self.whole {
            self.waiting().folders.insert(folder.to_owned());
        }
    }

    /// Makes the names in a folder durable, and the folder's own name up to the root.
    ///
    /// The folders above are synced once for each process, not once for each new folder: another process
    /// may have made them and been killed before it could.
    pub(super) fn sync_folder(&self, root: &OwnedFd, folder: &str) -> io::Result<()> {
        sync_folder(open_folder(root, folder, Missing::Fail)?)?;
        for child_and_up in with_parents(folder) {
            if child_and_up.is_empty() || self.waiting().known.contains(child_and_up) {
                break;
            }
            let parent = super::split(child_and_up).0;
            sync_folder(open_folder(root, parent, Missing::Fail)?)?;
        }
        let parents = with_parents(folder).map(str::to_owned);
        self.waiting().known.extend(parents);
        Ok(())
    }

    pub(super) fn barrier(&self, root: &OwnedFd) -> io::Result<()> {
        let _one = self.one_barrier.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lost.load(Ordering::Acquire) {
            return Err(io::Error::other(
                "an earlier barrier failed, and what was written before it may be lost",
            ));
        }
        self.sync_waiting(root).inspect_err(|_| self.lose())
    }

    fn sync_waiting(&self, root: &OwnedFd) -> io::Result<()> {
        let (files, folders) = {
            let mut waiting = self.waiting();
            (take(&mut waiting.files), take(&mut waiting.folders))
        };
        files.iter().try_for_each(File::sync_all)?;
        for folder in &folders {
            self.sync_folder(root, folder)?;
        }
        if self.whole || !self.inherited.load(Ordering::Acquire) {
            syncfs(root)?;
            self.inherited.store(true, Ordering::Release);
        }
        Ok(())
    }

    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }
}

/// Whether `syncfs` on this kernel and file system reports every write that failed.
///
/// Linux reports failed write-back of file data to `syncfs` since 5.8, and the file system's own
/// failure to write its log since 5.17. Only file systems known to pass both on are named here:
/// network, stacked and user-space ones do so only in part.
fn syncfs_reports_errors(release: &str, file_system: FsWord) -> bool {
    const EXT: FsWord = 0xEF53;
    const XFS: FsWord = 0x5846_5342;
    const BTRFS: FsWord = 0x9123_683E;
    const TMPFS: FsWord = 0x0102_1994;
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next(), numbers.next());
    version >= (Some(5), Some(17)) && [EXT, XFS, BTRFS, TMPFS].contains(&file_system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncfs_vouches_only_where_it_reports_errors() {
        let ext4 = 0xEF53;
        let nfs = 0x6969;
        for (release, file_system, vouches) in [
            ("6.18.44-1", ext4, true),
            ("5.17.0", ext4, true),
            ("5.16.20", ext4, false),
            ("4.18.0-553.el8", ext4, false),
            ("6.18.44-1", nfs, false),
            ("", ext4, false),
        ] {
            let answer = syncfs_reports_errors(release, file_system);
            assert_eq!(answer, vouches, "{release} {file_system:x}");
        }
    }
}
