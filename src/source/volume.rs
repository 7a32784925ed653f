//! What inode numbers count within: a mounted file system, or a subvolume of one.
//!
//! The device number says that too, but changes from one mount to the next. So a volume is known by
//! the place where it begins: the topmost directory with its device and mount.

use crate::source::stat::{Identity, Stat};
use std::ffi::CStr;

/// A volume, as it is below one directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// Stands for the place where it begins; equal from run to run.
    pub id: u64,
    /// Device and mount.
    here: (u64, u64),
}

impl Volume {
    /// The volume that the root of the file system is on.
    pub fn root() -> Self {
        let stat = Stat::of_name(rustix::fs::CWD, c"/");
        let here = stat.map_or((0, 0), |stat| (stat.identity.device, stat.mount));
        Self { id: hash(&[]), here }
    }

    /// Whether it is on the device that this is on.
    pub const fn is_device_of(self, stat: &Stat) -> bool {
        self.here.0 == stat.identity.device
    }

    /// The volume of an entry of a directory on this one.
    pub fn of(self, stat: &Stat, parent: &[u8], name: &CStr) -> Self {
        let Identity { device, .. } = stat.identity;
        let here = (device, stat.mount);
        if self.here == here {
            return self;
        }
        let is_directory = stat.kind() == Some(esker_format::node::NodeKind::Directory);
        // A file on another device than its directory is mounted there, or the file system has many
        // devices: then files of one device may be one another's hard links.
        let id = if is_directory || self.here.1 != stat.mount {
            hash(&[parent, &[0], name.to_bytes()])
        } else {
            hash(&[&self.id.to_le_bytes(), &[1], &device.to_le_bytes()])
        };
        Self { id, here }
    }
}

fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_le_bytes(first)
}
