//! Why a disk cannot be read or written.

use super::usage::Use;
use std::io;
use std::path::PathBuf;

/// The result of work on disks.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a disk cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened.
    #[error("{} cannot be opened", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no disk.
    #[error("{} is {what}, and neither a block device nor an image file", path.display())]
    Kind {
        /// Which.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It holds an image in a form of its own.
    #[error("{} is an image of the kind {what}, not a raw one", path.display())]
    Container {
        /// Which.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It holds an image in a form of its own, and what is written is raw.
    #[error("{} is an image of the kind {what}, and only raw ones are written", path.display())]
    Wrapped {
        /// Which.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It is an image for which programs of QEMU are needed, and they are not there.
    #[error("{} is a qcow2 image, and {program} cannot be run", path.display())]
    Tool {
        /// Which.
        path: PathBuf,
        /// Which program.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It looks like a qcow2 image, and is not in order.
    #[error("{} cannot be read as a qcow2 image: {why}", path.display())]
    Qcow2 {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It lies on a file that cannot be read.
    #[error("{} lies on {on}, which cannot be read: {why}", path.display())]
    Backing {
        /// Which.
        path: PathBuf,
        /// On what, as the image says it.
        on: String,
        /// Why.
        why: String,
    },
    /// There is nothing in it.
    #[error("{} has a size of 0", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// Somebody uses it.
    #[error("{} is in use: {}", path.display(), list(uses))]
    Used {
        /// Which.
        path: PathBuf,
        /// How.
        uses: Vec<Use>,
        /// Whether it should have been written to.
        to_write: bool,
    },
    /// It takes no writes.
    #[error("{} is read-only", path.display())]
    ReadOnly {
        /// Which.
        path: PathBuf,
    },
    /// It is smaller than what should go there.
    #[error("{} is too small: it has {has} bytes, and {needs} are needed", path.display())]
    TooSmall {
        /// Which.
        path: PathBuf,
        /// Its bytes.
        has: u64,
        /// Bytes that are needed at least.
        needs: u64,
    },
    /// What should go there counts in other sectors.
    #[error("{} has sectors of {has} bytes, and what should go there is made for {needs}", path.display())]
    Sectors {
        /// Which.
        path: PathBuf,
        /// Bytes of its sectors.
        has: u32,
        /// Bytes of the sectors that are needed.
        needs: u32,
    },
    /// It is another one than was expected.
    #[error("{} has the {what} {}, not {expected}", path.display(), list(found))]
    Unexpected {
        /// Which.
        path: PathBuf,
        /// What was looked at.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: Vec<String>,
    },
    /// Both are one disk, or one is a part of the other.
    #[error("{} and {} are on the same disk, one in the other", source_path.display(), target.display())]
    Same {
        /// What should be read.
        source_path: PathBuf,
        /// What should be written.
        target: PathBuf,
    },
    /// It went away while it was used.
    #[error("{} cannot be read any more, from byte {offset} on", path.display())]
    Gone {
        /// Which.
        path: PathBuf,
        /// From where on.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// It cannot be read here.
    #[error("{} cannot be read at byte {offset}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written here.
    #[error("{} cannot be written at byte {offset}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// A program that gives new ids is missing.
    #[error("{program} is not installed: without it no {kind} gets a new UUID")]
    NoProgram {
        /// Which.
        program: &'static str,
        /// What it comes with.
        package: &'static str,
        /// The file system that needs it.
        kind: String,
    },
    /// No part of a disk can be shown as a device of its own.
    #[error("no loop device can be had over {}, and without one no file system gets a new UUID: {why}", path.display())]
    NoLoop {
        /// Over what.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The kernel gives no random numbers.
    #[error("there are no random numbers for the ids of {}", path.display())]
    Random {
        /// What should get them.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A signal asked for the end.
    #[error("interrupted: {} is half written", path.display())]
    Interrupted {
        /// What was being written.
        path: PathBuf,
    },
}

fn list<T: ToString>(things: &[T]) -> String {
    if things.is_empty() {
        return "(none)".to_owned();
    }
    things.iter().map(T::to_string).collect::<Vec<_>>().join("; ")
}
