//! The folder that a server gives its clients, and nothing outside of it.

use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::hello::{Hello, Opening};
use crate::store::{LocalStore, StoreError, StoreErrorKind};

/// A folder on this machine; clients may name it or one inside.
#[derive(Debug)]
pub struct ServedRoot(PathBuf);

impl ServedRoot {
    /// This folder, which may be missing as long as no client makes it.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Opens or makes the folder that a client has greeted with.
    ///
    /// # Errors
    /// When it lies outside, is not there, or cannot be made.
    pub fn open(&self, hello: &Hello) -> Result<LocalStore, StoreError> {
        let asked = Path::new(&hello.path);
        let fail = |source| StoreError::from_io("open", &hello.path, "", source);
        let (root, folder) = (real(&self.0).map_err(fail)?, real(asked).map_err(fail)?);
        if !folder.starts_with(&root) {
            let error = StoreError::new(StoreErrorKind::Permission, "open", &hello.path, "");
            let served = self.0.display();
            return Err(error.because(format!("the server gives only {served} and what is inside")));
        }
        match hello.opening {
            Opening::Create => LocalStore::create(folder),
            Opening::Open => LocalStore::open(folder),
            Opening::Resume => {
                let store = LocalStore::open(&folder)?;
                let root = File::open(&folder).map_err(fail)?;
                rustix::fs::syncfs(root).map_err(|error| fail(error.into()))?;
                Ok(store)
            }
        }
    }
}

/// The path without links, as far as it exists; what does not exist must be plain names.
fn real(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut missing = Vec::new();
    let mut there = path.as_path();
    loop {
        match there.canonicalize() {
            Ok(real) => return Ok(missing.iter().rev().fold(real, |path, name| path.join(name))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // A link that leads nowhere is no missing folder: it may lead somewhere later.
        if there.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::NotFound.into());
        }
        match (there.components().next_back(), there.parent()) {
            (Some(Component::Normal(name)), Some(parent)) => {
                missing.push(name.to_owned());
                there = parent;
            }
            _ => return Err(io::Error::other("a path goes up from what is not there")),
        }
    }
}
