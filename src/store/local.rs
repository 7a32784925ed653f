//! A store in a local folder: every object is a file.

mod create;
mod durable;
mod folder;
mod list;
mod new_file;
mod put;
mod read;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::AtomicU8;

use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::io::Errno;

use self::durable::Durable;
use self::folder::{Missing, open_folder, open_object, split};
use self::new_file::Way;
use super::{
    Durability, Listed, Nature, Operation, Put, Store, StoreError, StoreErrorKind, is_valid_name,
    is_valid_prefix,
};

/// A local folder. Objects are files that only the owner may read (0600), their folders 0700.
///
/// A new object gets its bytes as a file without a name and then, in one step that cannot replace
/// anything, its name; a killed process leaves nothing. A file system that has no files without a
/// name gets a temporary one, `.tmp-…` in the same folder, which is never listed. Symbolic links are not
/// followed below the root: neither to objects nor to folders.
#[derive(Debug)]
pub struct LocalStore {
    location: String,
    /// Open for as long as the store: the system reports a failed write-back to descriptors that were open
    /// when it happened.
    root: OwnedFd,
    identity: (u64, u64),
    way: AtomicU8,
    durable: Durable,
}

impl LocalStore {
    /// Makes the folder `path` and its parents, durably, and opens it as an empty store. A folder that
    /// exists must be empty, except for the `lost+found` of a fresh file system and what a
    /// probe leaves.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let location = location_of(path);
        create::create_root(path)
            .map_err(|source| StoreError::from_io("create a store in", &location, "", source))?;
        Self::open(path)
    }

    /// Opens the folder `path`, which must exist. Writes nothing, also when the file system could.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let location = location_of(path);
        let fail = |source: Errno| StoreError::from_io("open", &location, "", source.into());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(path, flags, Mode::empty()).map_err(fail)?;
        let stat = fstat(&root).map_err(fail)?;
        let durable = Durable::new(&root, stat.st_dev).map_err(fail)?;
        Ok(Self {
            location,
            root,
            identity: (stat.st_dev, stat.st_ino),
            way: AtomicU8::new(Way::Unnamed as u8),
            durable,
        })
    }

    fn error(&self, operation: Operation, name: &str, source: io::Error) -> StoreError {
        StoreError::from_io(operation.verb(), &self.location, name, source)
    }

    fn check(&self, operation: Operation, name: &str) -> Result<(), StoreError> {
        match is_valid_name(name) {
            true => Ok(()),
            false => Err(self.refuse(StoreErrorKind::BadName, operation, name)),
        }
    }

    fn refuse(&self, kind: StoreErrorKind, operation: Operation, name: &str) -> StoreError {
        StoreError::new(kind, operation.verb(), &self.location, name)
    }

    fn open_object(&self, name: &str) -> io::Result<(File, u64)> {
        let (folder, file) = split(name);
        open_object(&open_folder(&self.root, folder, Missing::Fail)?, file)
    }
}

/// The absolute path, as far as it can be known.
fn location_of(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.display().to_string()
}

impl Store for LocalStore {
    fn location(&self) -> String {
        self.location.clone()
    }

    fn put_new(
        &self,
        name: &str,
        parts: &[&[u8]],
        durability: Durability,
    ) -> Result<Put, StoreError> {
        self.check(Operation::PutNew, name)?;
        self.put(name, parts, durability)
            .map_err(|source| self.error(Operation::PutNew, name, source))
    }

    fn barrier(&self) -> Result<(), StoreError> {
        self.durable
            .barrier(&self.root)
            .map_err(|source| self.error(Operation::Barrier, "", source))
    }

    fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
        out.clear();
        self.check(Operation::Get, name)?;
        let fail = |source| self.error(Operation::Get, name, source);
        let (file, size) = self.open_object(name).map_err(fail)?;
        if size > limit {
            return Err(self.refuse(StoreErrorKind::TooLarge, Operation::Get, name));
        }
        read::read_exactly(&file, 0, size, out).map_err(fail)
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        out.clear();
        self.check(Operation::GetRange, name)?;
        let fail = |source| self.error(Operation::GetRange, name, source);
        let (file, size) = self.open_object(name).map_err(fail)?;
        if offset.checked_add(len as u64).is_none_or(|end| end > size) {
            return Err(self.refuse(StoreErrorKind::Truncated, Operation::GetRange, name));
        }
        read::read_exactly(&file, offset, len as u64, out).map_err(fail)
    }

    fn size(&self, name: &str) -> Result<Option<u64>, StoreError> {
        self.check(Operation::Size, name)?;
        match self.open_object(name) {
            Ok((_, size)) => Ok(Some(size)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error(Operation::Size, name, error)),
        }
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        if !is_valid_prefix(prefix) {
            return Err(self.refuse(StoreErrorKind::BadName, Operation::List, prefix));
        }
        list::list(&self.root, prefix, found)
            .map_err(|source| self.error(Operation::List, prefix, source))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.check(Operation::Delete, name)?;
        self.unlink(name).map_err(|source| self.error(Operation::Delete, name, source))
    }

    fn local_identity(&self) -> Option<(u64, u64)> {
        Some(self.identity)
    }

    fn nature(&self) -> Nature {
        Nature::for_several_writers()
    }
}
