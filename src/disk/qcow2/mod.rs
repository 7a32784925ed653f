//! An image of the kind qcow2 as its virtual machine sees it: over all files that it is made of, read by
//! `qemu-nbd`, and nothing of it where nothing was written.

mod layers;
mod server;
mod tool;

pub use layers::Layer;

use super::error::{Error, Result};
use super::kernel::Kernel;
use super::source::Allow;
use super::usage::{Use, uses};
use crate::source::Extent;
use server::{Lock, Server};
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the virtual machine sees.
pub struct Guest {
    layers: Vec<Layer>,
    size: u64,
    server: Mutex<Server>,
}

impl Guest {
    /// Opens the image at `path`, of which `used` is known; adds what is found out of the files below it.
    ///
    /// # Errors
    /// When a file is missing, broken or in use, or QEMU's programs are.
    pub fn open(kernel: &Kernel, path: &Path, allow: Allow, used: &mut Vec<Use>) -> Result<Self> {
        let layers = layers::find(path)?;
        for layer in &layers[1..] {
            let of_layer = uses(kernel, layer.path())
                .map_err(|source| Error::Open { path: layer.path().to_owned(), source })?;
            refuse(layer.path(), &of_layer, allow)?;
            used.extend(of_layer);
        }
        let mut server = None;
        if !used.iter().any(Use::may_change) {
            if layers::check(path, &layers)? {
                server = Server::begin(path, Lock::Taken)?;
            }
            if server.is_none() {
                // Nothing on this machine tells by whom: perhaps through a network.
                used.push(Use::Locked { writable: true });
            }
        }
        refuse(path, used, allow)?;
        let server = match server {
            Some(server) => server,
            None => Server::begin(path, Lock::Left)?.ok_or_else(|| Error::Used {
                path: path.to_owned(),
                uses: used.clone(),
                to_write: false,
            })?,
        };
        Ok(Self { layers, size: server.size(), server: Mutex::new(server) })
    }

    /// Bytes that the machine sees.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The files that it is made of, the topmost first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Whether one of the files is not what it was.
    pub fn has_changed(&self) -> bool {
        self.layers.iter().any(Layer::has_changed)
    }

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    /// A number of the system, when it is only these bytes; any other one when there is nobody left to ask.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        lock(&self.server).read(offset, out)
    }

    /// The next part from `from` on, which is not behind the end.
    ///
    /// # Errors
    /// As [`Guest::read`].
    pub fn extent(&self, from: u64) -> io::Result<Extent> {
        lock(&self.server).extent(from, self.size)
    }
}

impl Debug for Guest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("layers", &self.layers).finish_non_exhaustive()
    }
}

fn refuse(path: &Path, uses: &[Use], allow: Allow) -> Result<()> {
    if uses.iter().any(Use::may_change) && !allow.live {
        let (path, uses) = (path.to_owned(), uses.to_vec());
        return Err(Error::Used { path, uses, to_write: false });
    }
    Ok(())
}

fn lock(server: &Mutex<Server>) -> MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}
