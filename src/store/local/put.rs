//! The order of a put and of a delete: bytes, name, folders.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, unlinkat};

use super::LocalStore;
use super::folder::{Missing, open_folder, open_object, split};
use super::new_file::{NewFile, Placed, Way};
use crate::store::{Durability, Put};

/// Objects from this size on (bytes) start on their way to the device when they are put, so that
/// the barrier finds most of the work done. For less, the call costs more than it brings.
const EARLY_WRITE_BACK: usize = 1 << 20;

impl LocalStore {
    pub(super) fn put(
        &self,
        name: &str,
        parts: &[&[u8]],
        durability: Durability,
    ) -> io::Result<Put> {
        let (folder_name, file_name) = split(name);
        let folder = open_folder(&self.root, folder_name, Missing::Make)?;
        // A name that is taken costs no write; the race for a free one is decided by `place`.
        let (file, put) = match open_object(&folder, file_name) {
            Ok((file, _)) => (file, Put::Exists),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match self.place(&folder, file_name, parts, durability)? {
                    Placed::Stored(file) => (file, Put::Stored),
                    Placed::Exists => (open_object(&folder, file_name)?.0, Put::Exists),
                }
            }
            Err(error) => return Err(error),
        };
        match durability {
            Durability::AtBarrier => self.durable.remember(file, folder_name)?,
            Durability::Now => {
                if put == Put::Exists {
                    // Another process may have put it and not yet made it durable.
                    file.sync_all()?;
                }
                self.durable.sync_folder(&self.root, folder_name)?;
            }
        }
        Ok(put)
    }

    /// Writes a new file and gives it its name, in the best way that this file system offers.
    fn place(
        &self,
        folder: &OwnedFd,
        name: &str,
        parts: &[&[u8]],
        durability: Durability,
    ) -> io::Result<Placed> {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        loop {
            let way = Way::from(self.way.load(Ordering::Relaxed));
            let attempt = NewFile::create(folder, way).and_then(|mut file| {
                file.write(parts)?;
                match durability {
                    // The bytes before the name: a power cut must not find a name without them.
                    Durability::Now => file.sync()?,
                    Durability::AtBarrier if total >= EARLY_WRITE_BACK => file.start_write_back(),
                    Durability::AtBarrier => {}
                }
                file.place(name)
            });
            match (attempt, way.next()) {
                (Err(error), Some(next)) if way.is_unsupported(&error) => {
                    self.way.fetch_max(next as u8, Ordering::Relaxed);
                }
                (result, _) => return result,
            }
        }
    }

    pub(super) fn unlink(&self, name: &str) -> io::Result<()> {
        let (folder_name, file) = split(name);
        let unlinked = open_folder(&self.root, folder_name, Missing::Fail)
            .and_then(|folder| Ok(unlinkat(&folder, file, AtFlags::empty())?));
        match unlinked {
            Ok(()) => self.durable.remember_folder(folder_name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
