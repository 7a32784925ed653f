//! Who uses a disk or an image file, so that it must not be written to, or changes while it is read.

use super::kernel::{Kernel, Number};
use super::mounts::{mounts, swaps};
use std::fmt::{self, Display, Formatter};
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// One use of a disk, of a part of it, or of an image file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Use {
    /// A file system on it is mounted.
    Mounted {
        /// Which device.
        device: String,
        /// Where.
        at: PathBuf,
        /// Whether it may be written to.
        writable: bool,
    },
    /// Memory is swapped to it.
    Swap {
        /// Which device or file.
        device: String,
    },
    /// Another device is made of it.
    Held {
        /// Which device.
        device: String,
        /// What is made of it.
        by: String,
    },
    /// A loop device shows it.
    Loop {
        /// Which one.
        by: String,
        /// Whether that is in use, and may write.
        busy: bool,
    },
    /// A virtual machine or `qemu-nbd` has locked it.
    Locked {
        /// Whether the one that locked it may write.
        writable: bool,
    },
    /// The kernel says that it is in use, and nothing tells by whom.
    Unknown,
}

impl Use {
    /// Whether it may change while it is read.
    pub const fn may_change(&self) -> bool {
        match self {
            Self::Mounted { writable, .. } | Self::Locked { writable } => *writable,
            Self::Loop { busy, .. } => *busy,
            Self::Swap { .. } | Self::Held { .. } | Self::Unknown => true,
        }
    }
}

impl Display for Use {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted { device, at, writable } => {
                let how = if *writable { "" } else { " for reading only" };
                write!(f, "{device} is mounted at {}{how}", at.display())
            }
            Self::Swap { device } => write!(f, "memory is swapped to {device}"),
            Self::Held { device, by } => write!(f, "{by} is made of {device}"),
            Self::Loop { by, busy: true } => write!(f, "it is in use through {by}"),
            Self::Loop { by, busy: false } => write!(f, "{by} shows it"),
            Self::Locked { writable: true } => write!(f, "a virtual machine writes to it"),
            Self::Locked { writable: false } => write!(f, "a virtual machine reads it"),
            Self::Unknown => write!(f, "another program or the kernel has it for itself"),
        }
    }
}

/// How deep devices may lie on each other before we stop looking.
const DEPTH_MAX: usize = 8;

/// All uses of what lies at a path that can be found out.
///
/// # Errors
/// When there is nothing at the path.
pub fn uses(kernel: &Kernel, path: &Path) -> std::io::Result<Vec<Use>> {
    let found = fs::metadata(path)?;
    let mut uses = match found.file_type().is_block_device() {
        true => uses_of_device(kernel, Number::of(found.rdev()), DEPTH_MAX),
        false => uses_of_file(kernel, &found),
    };
    uses.extend(lock(kernel, &found));
    Ok(uses)
}

fn uses_of_device(kernel: &Kernel, device: Number, depth: usize) -> Vec<Use> {
    let mut uses = Vec::new();
    let related = kernel.disk_of(device).into_iter().chain([device]);
    let related: Vec<Number> = related.chain(kernel.partitions(device)).collect();
    for mount in mounts(kernel) {
        // File systems on several disks have a number of their own.
        let of_source = || kernel.number_at(&mount.source).filter(|_| mount.device.0 == 0);
        let on = related.iter().find(|n| **n == mount.device || Some(**n) == of_source());
        if let Some(on) = on {
            let device = kernel.name(*on);
            uses.push(Use::Mounted { device, at: mount.at, writable: mount.writable });
        }
    }
    for swap in swaps(kernel) {
        if kernel.number_at(&swap).is_some_and(|number| related.contains(&number)) {
            uses.push(Use::Swap { device: swap.display().to_string() });
        }
    }
    for device in &related {
        for by in kernel.holders(*device) {
            uses.push(Use::Held { device: kernel.name(*device), by: kernel.name(by) });
        }
    }
    let is_shown = |file: &Path| kernel.number_at(file).is_some_and(|n| related.contains(&n));
    uses.extend(loops(kernel, is_shown, depth));
    uses
}

fn uses_of_file(kernel: &Kernel, file: &Metadata) -> Vec<Use> {
    let is_it = |path: &Path| {
        fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (file.dev(), file.ino()))
    };
    let swapped = swaps(kernel).into_iter().filter(|path| is_it(path));
    let swapped = swapped.map(|path| Use::Swap { device: path.display().to_string() });
    swapped.chain(loops(kernel, is_it, DEPTH_MAX)).collect()
}

/// Loop devices over something.
fn loops(kernel: &Kernel, is_over: impl Fn(&Path) -> bool, depth: usize) -> Vec<Use> {
    if depth == 0 {
        return Vec::new();
    }
    let all = kernel.all().into_iter();
    let over = all.filter(|number| kernel.file_of_loop(*number).is_some_and(|file| is_over(&file)));
    over.map(|number| {
        let is_used = || uses_of_device(kernel, number, depth - 1).iter().any(Use::may_change);
        let busy = !kernel.is_read_only(number) && is_used();
        Use::Loop { by: kernel.name(number), busy }
    })
    .collect()
}

/// What the programs of QEMU lock says what they do: byte 100 and on for what they need, byte 200 and
/// on for what others must not do. The second bit of each is writing, the fourth changing the size.
const LOCKED: std::ops::RangeInclusive<u64> = 100..=203;
const WRITES: [u64; 2] = [101, 103];

fn lock(kernel: &Kernel, file: &Metadata) -> Option<Use> {
    let (major, minor) = (rustix::fs::major(file.dev()), rustix::fs::minor(file.dev()));
    let inode = format!("{major:02x}:{minor:02x}:{}", file.ino());
    let list = kernel.text("proc/locks")?;
    let mut locked = Vec::new();
    for line in list.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(at) = words.iter().position(|word| *word == inode) else { continue };
        let from = words.get(at + 1).and_then(|n| n.parse::<u64>().ok());
        let to = words.get(at + 2).and_then(|n| n.parse::<u64>().ok());
        if let (Some(from), Some(to)) = (from, to)
            && LOCKED.contains(&from)
            && LOCKED.contains(&to)
        {
            locked.push(from..=to);
        }
    }
    let writable = locked.iter().any(|range| WRITES.iter().any(|byte| range.contains(byte)));
    (!locked.is_empty()).then_some(Use::Locked { writable })
}

#[cfg(test)]
pub mod tests;
