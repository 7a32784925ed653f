//! Disks: block devices, partitions and the files that hold images of them. What they are, who uses
//! them, how they are read and written; knows no repository.
//!
//! ```text
//! kernel    what the kernel tells of a block device      usage    who uses it
//! below     what a path lies on                           geometry what is on it
//! ground    what a disk comes down to                     loops    which bytes a loop device shows
//! source    one that is read                              target   one that is written
//! lock      how an image file is kept from others
//! qcow2     an image as its virtual machine sees it         nbd      how its server is asked
//! ```

mod aligned;
mod below;
mod copy;
mod error;
mod expect;
mod ext4;
mod feed;
mod file_system;
mod fitting;
mod geometry;
mod gpt;
mod ground;
mod kernel;
mod lock;
mod loops;
mod mbr;
mod mounts;
mod nbd;
mod qcow2;
mod read;
mod record;
mod relocate;
mod renew;
mod source;
mod table;
mod target;
mod twins;
mod usage;
mod verify;

pub use below::Below;
pub use copy::{Copied, Copy, Progress, copy};
pub use error::{Error, Result};
pub use expect::Expect;
pub use feed::Image;
pub use file_system::FileSystem;
pub use fitting::{Fitting, fitting};
pub use geometry::{Bytes, Geometry};
pub use kernel::{Kernel, Number};
pub use qcow2::Layer;
pub use read::Reader;
pub use relocate::relocate;
pub use renew::{Fate, Id, Renewal};
pub use source::{Allow, Nature, Source};
pub use table::{Partition, Partitions, Table};
pub use target::{How, Target, Written};
pub use twins::{Twin, twins};
pub use usage::{Use, uses};
pub use verify::Verify;
