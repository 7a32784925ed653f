//! What a path lies on: file system, partition, disk, and what these are made of.

use super::ground::{Span, Thing, ground};
use super::kernel::{Kernel, Number};
use super::loops;
use super::mounts::mounts;
use rustix::fs::{AtFlags, CWD, StatxFlags};
use std::collections::BTreeSet;
use std::path::Path;

/// Devices and files that would be gone with something that lies on them.
#[derive(Debug, Default)]
pub struct Below {
    devices: BTreeSet<Number>,
    files: BTreeSet<(u64, u64)>,
    /// The bytes that it is in itself, whatever else is on the same disk.
    grounds: Vec<Span>,
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
        let Some(thing) = Thing::at(path) else { return false };
        let is_named = match thing {
            Thing::Device(device) => self.devices.contains(&device),
            Thing::File(device, inode) => self.files.contains(&(device, inode)),
        };
        // The same bytes may go by several names.
        let is_there = |ground: Span| self.grounds.iter().any(|other| other.overlaps(&ground));
        is_named || is_there(ground(kernel, thing))
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
        self.grounds.push(ground(kernel, Thing::Device(device)));
        self.add_under(kernel, device);
    }

    /// What a device is made of, or a part of: that is more than the bytes in question.
    fn add_under(&mut self, kernel: &Kernel, device: Number) {
        for part in kernel.made_of(device) {
            self.add_device(kernel, part);
        }
        let shown = loops::shown(kernel, device).map(|span| span.of);
        let whole = kernel.disk_of(device).map(Thing::Device);
        for thing in whole.into_iter().chain(shown) {
            match thing {
                Thing::Device(whole) if self.devices.insert(whole) => self.add_under(kernel, whole),
                Thing::Device(_) => {}
                Thing::File(system, inode) => {
                    self.files.insert((system, inode));
                    if let Some(file) = kernel.file_of_loop(device) {
                        self.add_path(kernel, &file);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::usage::tests::Fake;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

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
    #[test]
    fn what_lies_on_a_loop_device_lies_on_all_that_show_the_same_bytes() {
        let fake = Fake::new();
        let file = fake.folder().join("disk.img");
        fs::write(&file, b"image").unwrap();
        for (number, offset) in [(7, 0), (8, 512), (9, 4096)] {
            fake.device(&format!("loop{number}"), Number(7, number), None);
            fake.backing_file(Number(7, number), &file);
            fake.write(&format!("sys/devices/loop{number}/loop/offset"), &format!("{offset}\n"));
            fake.write(&format!("sys/devices/loop{number}/loop/sizelimit"), "4096\n");
        }
        let mut below = Below::default();
        let kernel = fake.kernel();
        below.add_device(&kernel, Number(7, 7));
        let has = |number| {
            let ground = ground(&kernel, Thing::Device(Number(7, number)));
            below.grounds.iter().any(|other| other.overlaps(&ground))
        };
        assert!(has(7) && has(8) && !has(9));
    }
}
