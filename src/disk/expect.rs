//! Which disk somebody means: names such as /dev/sdb move from one to another.

use super::error::{Error, Result};
use super::kernel::Kernel;
use std::path::Path;

/// What a disk must be.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// Its serial number.
    pub serial: Option<String>,
    /// One of its ids.
    pub id: Option<String>,
}

impl Expect {
    /// Fails unless the device at `path` is that.
    ///
    /// # Errors
    /// With what it is instead.
    pub fn check(&self, kernel: &Kernel, path: &Path) -> Result<()> {
        let device = kernel.number_at(path);
        let serial = device.and_then(|device| kernel.serial(device));
        let ids = device.map(|device| kernel.ids(device)).unwrap_or_default();
        let told = [("serial number", &self.serial, Vec::from_iter(serial)), ("id", &self.id, ids)];
        for (what, expected, found) in told {
            let Some(expected) = expected else { continue };
            if !found.contains(expected) {
                let (path, expected) = (path.to_owned(), expected.clone());
                return Err(Error::Unexpected { path, what, expected, found });
            }
        }
        Ok(())
    }
}
