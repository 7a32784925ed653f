//! Names that survive a power cut of the server.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::packet::status;
use super::session::Session;
use super::{SftpStore, Trouble, Waiver, folder_of, other};

/// Which folders have names that may not be durable yet. The bytes of objects always are.
#[derive(Debug)]
pub(super) struct Durable {
    waived: Waiver,
    folders: Mutex<Folders>,
    lost: AtomicBool,
}

#[derive(Debug, Default)]
struct Folders {
    /// They wait for the next barrier.
    waiting: HashSet<String>,
    /// Their own names are durable, and those of all folders above them.
    settled: HashSet<String>,
}

impl Durable {
    pub(super) fn new(waived: Waiver) -> Self {
        Self { waived, folders: Mutex::default(), lost: AtomicBool::new(false) }
    }

    pub(super) fn is_waived(&self) -> bool {
        self.waived.0
    }

    /// Something in this folder has changed.
    pub(super) fn remember(&self, folder: &str) {
        self.folders().waiting.insert(folder.to_owned());
    }

    /// No barrier is good any more.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    /// Makes durable what was remembered.
    pub(super) fn barrier(&self, store: &SftpStore, session: &Session) -> Result<(), Trouble> {
        if self.lost.load(Ordering::Relaxed) {
            return Err(other("an earlier barrier failed: what was written since is not certain"));
        }
        let waiting: Vec<String> = self.folders().waiting.iter().cloned().collect();
        self.sync(store, session, &waiting)?;
        let mut folders = self.folders();
        waiting.iter().for_each(|folder| _ = folders.waiting.remove(folder));
        Ok(())
    }

    /// Makes the names in one folder durable, and those that lead to it.
    pub(super) fn sync_now(
        &self,
        store: &SftpStore,
        session: &Session,
        folder: &str,
    ) -> Result<(), Trouble> {
        self.sync(store, session, &[folder.to_owned()])
    }

    fn sync(
        &self,
        store: &SftpStore,
        session: &Session,
        folders: &[String],
    ) -> Result<(), Trouble> {
        if !session.offers.fsync {
            return Ok(());
        }
        let all = self.with_parents(folders);
        // A few at a time: servers have a limit of open files.
        for some in all.chunks(32) {
            sync_folders(store, session, some)?;
        }
        self.folders().settled.extend(all);
        Ok(())
    }

    /// These folders, and those above them whose names may not be durable.
    fn with_parents(&self, folders: &[String]) -> Vec<String> {
        let known = self.folders();
        let mut all: HashSet<String> = folders.iter().cloned().collect();
        for folder in folders {
            let mut folder = folder.as_str();
            while !folder.is_empty() && !known.settled.contains(folder) {
                folder = folder_of(folder);
                all.insert(folder.to_owned());
            }
        }
        all.into_iter().collect()
    }

    fn folders(&self) -> MutexGuard<'_, Folders> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes folders durable as far as the server does such a thing.
fn sync_folders(store: &SftpStore, session: &Session, folders: &[String]) -> Result<(), Trouble> {
    let opened = folders.iter().map(|folder| session.open(&store.path(folder)));
    let opened = opened.collect::<Result<Vec<_>, _>>()?;
    let mut syncing = Vec::with_capacity(opened.len());
    for reply in opened {
        match reply.handle() {
            Ok(handle) => syncing.push((session.sync(&handle)?, session.close(&handle)?)),
            // This one opens only files.
            Err(Trouble::Status(code, _)) if code != status::NO_SUCH_FILE => {}
            Err(trouble) => return Err(trouble),
        }
    }
    for (synced, closed) in syncing {
        match synced.done() {
            Err(Trouble::Status(code, words))
                if matches!(code, status::FAILURE | status::NO_SPACE) =>
            {
                return Err(Trouble::Status(code, words));
            }
            Err(Trouble::Status(..)) | Ok(()) => {} // it does that for files alone
            Err(trouble) => return Err(trouble),
        }
        closed.done()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_takes_those_above_it_along_until_they_are_settled() {
        let durable = Durable::new(Waiver(false));
        let sorted = |folders: &[&str]| {
            let folders: Vec<String> = folders.iter().map(|f| (*f).to_owned()).collect();
            let mut all = durable.with_parents(&folders);
            all.sort();
            all
        };
        assert_eq!(sorted(&["pack/ab", "log"]), ["", "log", "pack", "pack/ab"]);
        durable.folders().settled.insert("pack".to_owned());
        assert_eq!(sorted(&["pack/ab"]), ["pack", "pack/ab"]);
        durable.folders().settled.insert("pack/ab".to_owned());
        assert_eq!(sorted(&["pack/ab"]), ["pack/ab"]);
    }
}
