//! A repository as a file system, through FUSE, for reading.
//!
//! ```text
//! by-id/ID/...                   each snapshot, with the paths that were saved
//! by-time/TIME          -> ../by-id/ID
//! by-series/LABEL/TIME  -> ../../by-id/ID
//! by-series/LABEL/latest -> TIME
//! ```
//! or one snapshot alone. Beside a disk image NAME is a directory NAME.parts with its partitions.
//!
//! ```text
//! session     mounting, unmounting, and what is in the way
//! fuse        requests of the kernel
//! shown       what is where: look up, attributes, list, open
//! catalog     which snapshots there are, and their names          reads on in the log
//! saved       one snapshot, looked into when somebody does
//! fusermount  mounting, also for who is not root; the mount goes when this program does
//! ```
//! Inode numbers say where a thing is (see `place`), so that no table grows with what was looked at.

mod attributes;
mod catalog;
mod fuse;
mod fusermount;
mod holes;
mod links;
mod names;
mod place;
mod saved;
mod session;
mod shown;

#[cfg(test)]
mod tests;

pub use catalog::Wanted;
pub use session::{MountError, Mounted, mount};
pub use shown::{Event, Observer, Shown};

use std::path::PathBuf;

/// Where and how to mount.
#[derive(Debug, Clone)]
pub struct Options {
    /// An empty directory.
    pub mountpoint: PathBuf,
    /// Whether other users may look, as far as the modes of files let them.
    pub allow_other: bool,
    /// Whether the mount has to go by itself when this program is killed.
    pub must_end: bool,
    /// What lists of mounts call it.
    pub name: String,
    /// Threads that answer.
    pub threads: usize,
}
