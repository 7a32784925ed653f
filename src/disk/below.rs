//! What a path lies on: file system, partition, disk, and what these are made of.

use super::kernel::{Kernel, Number};
use super::mounts::mounts;
use rustix::fs::{AtFlags, CWD, StatxFlags};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Devices and files that would be gone with something that lies on them.
#[derive(Debug, Default)]
pub struct Below {
    devices: BTreeSet<Number>,
    files: BTreeSet<(u64, u64)>,
}

impl Below {
    /// All that `path` lies on, or what is above it where it is not there yet.
    pub fn path(kernel: &Kernel, path: &Path) -> Self {
        let mut below = Self::default();
        if let Some(device) = kernel.number_at(path) {
            below.add_device(kernel, device);
        }
        below.add_path(kernel, path);
        below
    }

    /// Whether it lies on what is at `path`: a block device or an image file.
    pub fn has(&self, kernel: &Kernel, path: &Path) -> bool {
        match (kernel.number_at(path), fs::metadata(path)) {
            (Some(device), _) => self.devices.contains(&device),
            (None, Ok(found)) => self.files.contains(&(found.dev(), found.ino())),
            (None, Err(_)) => false,
        }
    }

    fn add_path(&mut self, kernel: &Kernel, path: &Path) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let Some(above) = path.ancestors().find(|path| path.exists()) else { return };
        let mask = StatxFlags::MNT_ID | StatxFlags::INO;
        let Ok(found) = rustix::fs::statx(CWD, above, AtFlags::empty(), mask) else { return };
        let device = Number(found.stx_dev_major, found.stx_dev_minor);
        if device.0 != 0 {
            self.add_device(kernel, device);
        }
        // File systems on several disks have a number of their own, and are mounted from one of them.
        let mounted = mounts(kernel).into_iter().find(|mount| mount.id == found.stx_mnt_id);
        if let Some(device) = mounted.and_then(|mount| kernel.number_at(&mount.source)) {
            self.add_device(kernel, device);
        }
    }

    fn add_device(&mut self, kernel: &Kernel, device: Number) {
        if !self.devices.insert(device) {
            return;
        }
        let under = kernel.disk_of(device).into_iter().chain(kernel.made_of(device));
        for device in under {
            self.add_device(kernel, device);
        }
        if let Some(file) = kernel.file_of_loop(device) {
            match (kernel.number_at(&file), fs::metadata(&file)) {
                (Some(device), _) => self.add_device(kernel, device),
                (None, Ok(found)) => {
                    self.files.insert((found.dev(), found.ino()));
                    self.add_path(kernel, &file);
                }
                (None, Err(_)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::usage::tests::Fake;

    #[test]
    fn a_path_lies_on_its_file_system_and_all_that_this_is_made_of() {
        let fake = Fake::new();
        let path = fake.folder();
        let found = fs::metadata(path).unwrap();
        let device = Number::of(found.dev());
        // The file system of this test is said to be made of a partition of a disk.
        fake.device("dm-0", device, None);
        fake.device("sda", Number(8, 0), None);
        fake.device("sda/sda2", Number(8, 2), Some(2));
        fake.device("sda/sda3", Number(8, 3), Some(3));
        fake.made_of(device, Number(8, 2), "sda2");
        let below = Below::path(&fake.kernel(), path);
        for (number, is_below) in
            [(device, true), (Number(8, 2), true), (Number(8, 0), true), (Number(8, 3), false)]
        {
            assert_eq!(below.devices.contains(&number), is_below, "{number}");
        }
    }

    #[test]
    fn a_loop_device_lies_on_its_file() {
        let fake = Fake::new();
        let file = fake.folder().join("disk.img");
        fs::write(&file, b"image").unwrap();
        fake.device("loop7", Number(7, 7), None);
        fake.backing_file(Number(7, 7), &file);
        let mut below = Below::default();
        below.add_device(&fake.kernel(), Number(7, 7));
        assert!(below.has(&fake.kernel(), &file));
        assert!(!below.has(&fake.kernel(), fake.folder()));
    }
}
