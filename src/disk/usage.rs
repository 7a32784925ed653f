//! Who uses a disk or an image file, so that it must not be written to, or changes while it is read.

use super::ground::{Thing, chain, ground};
use super::kernel::{Kernel, Number};
use super::lock;
use super::mounts::{mounts, swaps};
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::os::unix::fs::MetadataExt;
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
    /// Another process, such as an esker, has locked it, to write to it alone.
    Written,
    /// The kernel says that it is in use, and nothing tells by whom.
    Unknown,
}

impl Use {
    /// Whether it may change while it is read.
    pub const fn may_change(&self) -> bool {
        match self {
            Self::Mounted { writable, .. } | Self::Locked { writable } => *writable,
            Self::Loop { busy, .. } => *busy,
            Self::Swap { .. } | Self::Held { .. } | Self::Written | Self::Unknown => true,
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
            Self::Written => write!(f, "another process writes to it"),
            Self::Unknown => write!(f, "another program or the kernel has it for itself"),
        }
    }
}

/// All uses of what lies at a path that can be found out: of its bytes, by whatever name they go.
///
/// # Errors
/// When there is nothing at the path.
pub fn uses(kernel: &Kernel, path: &Path) -> std::io::Result<Vec<Use>> {
    let found = fs::metadata(path)?;
    let mut uses: Vec<Use> = locked(kernel, (found.dev(), found.ino())).into_iter().collect();
    for used in uses_of(kernel, Thing::of(&found)) {
        if !uses.contains(&used) {
            uses.push(used);
        }
    }
    Ok(uses)
}

fn uses_of(kernel: &Kernel, thing: Thing) -> Vec<Use> {
    let Thing::Device(device) = thing else { return uses_below(kernel, thing) };
    let mut uses = uses_on(kernel, device);
    uses.extend(uses_below(kernel, thing));
    // What else is made of a part counts as little as another partition of the same disk does: only what reaches
    // the bytes by another way.
    let (mut made_of, mut seen) = (kernel.made_of(device), BTreeSet::new());
    while let Some(part) = made_of.pop() {
        if seen.insert(part) {
            uses.extend(uses_below(kernel, Thing::Device(part)));
            made_of.extend(kernel.made_of(part));
        }
    }
    uses
}

/// Uses of a device under its own name.
fn uses_on(kernel: &Kernel, device: Number) -> Vec<Use> {
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
    uses
}

/// Uses of the bytes that a thing shows: of what it comes down to, and through other loop devices.
fn uses_below(kernel: &Kernel, thing: Thing) -> Vec<Use> {
    let chain = chain(kernel, thing);
    let mut uses = Vec::new();
    for pair in chain.windows(2) {
        let (Thing::Device(above), below) = (pair[0].of, pair[1].of) else { continue };
        match below {
            // Of a disk, other partitions may be in use.
            Thing::Device(_) if kernel.disk_of(above).is_some() => {}
            Thing::Device(below) => {
                uses.extend(uses_on(kernel, below));
                let found = fs::metadata(kernel.path(below)).ok();
                uses.extend(found.and_then(|found| locked(kernel, (found.dev(), found.ino()))));
            }
            Thing::File(device, inode) => uses.extend(locked(kernel, (device, inode))),
        }
    }
    let Some(ground) = chain.last() else { return uses };
    if let Thing::File(..) = ground.of {
        let swapped = swaps(kernel).into_iter().filter(|path| Thing::at(path) == Some(ground.of));
        uses.extend(swapped.map(|path| Use::Swap { device: path.display().to_string() }));
    }
    let is_above = |number: &Number| chain.iter().any(|span| span.of == Thing::Device(*number));
    let all = kernel.all().into_iter().filter(|number| kernel.file_of_loop(*number).is_some());
    for number in all.filter(|number| !is_above(number)) {
        if self::ground(kernel, Thing::Device(number)).overlaps(ground) {
            let is_used = || uses_on(kernel, number).iter().any(Use::may_change);
            let busy = !kernel.is_read_only(number) && is_used();
            uses.push(Use::Loop { by: kernel.name(number), busy });
        }
    }
    uses
}

/// The second byte of what is needed is writing, the fourth changing the size.
const WRITES: [u64; 2] = [101, 103];

fn locked(kernel: &Kernel, (device, inode): (u64, u64)) -> Option<Use> {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let inode = format!("{major:02x}:{minor:02x}:{inode}");
    let list = kernel.text("proc/locks")?;
    let mut ranges = Vec::new();
    for line in list.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(at) = words.iter().position(|word| *word == inode) else { continue };
        let from = words.get(at + 1).and_then(|n| n.parse::<u64>().ok());
        let to = words.get(at + 2).and_then(|n| n.parse::<u64>().ok());
        if let (Some(from), Some(to)) = (from, to)
            && lock::BYTES.contains(&from)
            && lock::BYTES.contains(&to)
        {
            // QEMU never keeps others from what it does, it tells them.
            if words.contains(&"WRITE") {
                return Some(Use::Written);
            }
            ranges.push(from..=to);
        }
    }
    let writable = ranges.iter().any(|range| WRITES.iter().any(|byte| range.contains(byte)));
    (!ranges.is_empty()).then_some(Use::Locked { writable })
}

#[cfg(test)]
pub mod tests;
