//! What the kernel tells of block devices, in its files.

use super::ground::{Span, Thing};
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Major and minor number of a block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u32, pub u32);

impl Number {
    /// The two in the one number of `stat`.
    pub fn of(device: u64) -> Self {
        Self(rustix::fs::major(device), rustix::fs::minor(device))
    }

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once(':')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

/// Where the kernel's files are: below `/`, but for tests.
#[derive(Debug, Clone)]
pub struct Kernel {
    root: PathBuf,
}

impl Default for Kernel {
    fn default() -> Self {
        Self { root: "/".into() }
    }
}

impl Kernel {
    /// Files as the kernel has them, below another folder.
    #[cfg(test)]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// What one of its files says, when it is there.
    pub fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let bytes = fs::read(self.root.join(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn folder(&self, device: Number) -> PathBuf {
        self.root.join("sys/dev/block").join(device.to_string())
    }

    /// One line about a device, such as its serial number; none when it is empty.
    fn line(&self, device: Number, name: &str) -> Option<String> {
        let text = self.text(self.folder(device).join(name))?;
        let line = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// What a device is called: `/dev/sda1`.
    pub fn name(&self, device: Number) -> String {
        let folder = self.folder(device).canonicalize().ok();
        let name = folder.as_deref().and_then(Path::file_name).map(|n| n.to_string_lossy());
        // Slashes in names are written so: /dev/cciss/c0d0 is cciss!c0d0.
        name.map_or_else(|| device.to_string(), |name| format!("/dev/{}", name.replace('!', "/")))
    }

    /// Where its file is.
    pub fn path(&self, device: Number) -> PathBuf {
        let name = self.name(device);
        self.root.join(name.trim_start_matches('/'))
    }

    /// The bytes of its disk that a partition is.
    pub fn part_of(&self, device: Number) -> Option<Span> {
        let disk = self.disk_of(device)?;
        // In units of 512 bytes, whatever the sectors of the disk are.
        let number = |name| self.line(device, name)?.parse::<u64>().ok()?.checked_mul(512);
        Some(Span::of(Thing::Device(disk), number("start")?, number("size")?))
    }

    /// The disk that a partition is of.
    pub fn disk_of(&self, device: Number) -> Option<Number> {
        let folder = self.folder(device).canonicalize().ok()?;
        folder.join("partition").exists().then_some(())?;
        Number::parse(&fs::read_to_string(folder.parent()?.join("dev")).ok()?)
    }

    /// The partitions of a disk that the kernel knows.
    pub fn partitions(&self, device: Number) -> Vec<Number> {
        let is_partition = |folder: &Path| folder.join("partition").exists();
        self.devices_in(&self.folder(device), is_partition)
    }

    /// Devices that are made of this one: of dm, md, bcache.
    pub fn holders(&self, device: Number) -> Vec<Number> {
        self.devices_in(&self.folder(device).join("holders"), |_| true)
    }

    /// Devices that this one is made of.
    pub fn made_of(&self, device: Number) -> Vec<Number> {
        self.devices_in(&self.folder(device).join("slaves"), |_| true)
    }

    /// All block devices.
    pub fn all(&self) -> Vec<Number> {
        self.devices_in(&self.root.join("sys/class/block"), |_| true)
    }

    fn devices_in(&self, folder: &Path, take: impl Fn(&Path) -> bool) -> Vec<Number> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let taken = entries.map(|entry| entry.path()).filter(|path| take(path));
        let numbers = taken.filter_map(|path| fs::read_to_string(path.join("dev")).ok());
        let mut numbers: Vec<Number> = numbers.filter_map(|text| Number::parse(&text)).collect();
        numbers.sort();
        numbers
    }

    /// Whether nobody can write to it.
    pub fn is_read_only(&self, device: Number) -> bool {
        self.line(device, "ro").is_some_and(|line| line == "1")
    }

    /// Whether there is anything in it: a loop device without a file has no bytes.
    pub fn has_bytes(&self, device: Number) -> bool {
        self.line(device, "size").is_some_and(|line| line != "0")
    }

    /// Its serial number; that of its disk when it is a partition.
    pub fn serial(&self, device: Number) -> Option<String> {
        let device = self.disk_of(device).unwrap_or(device);
        let told = ["serial", "device/serial"].iter().find_map(|name| self.line(device, name));
        told.or_else(|| {
            // A header of four bytes, then the number.
            let page = fs::read(self.folder(device).join("device/vpd_pg80")).ok()?;
            let number = String::from_utf8_lossy(page.get(4..)?).trim().to_owned();
            (!number.is_empty()).then_some(number)
        })
    }

    /// Who made the disk, and what they call it.
    pub fn model(&self, device: Number) -> Option<String> {
        self.line(self.disk_of(device).unwrap_or(device), "device/model")
    }

    /// All ids that it has: names in `/dev/disk/by-id`, and the number of its disk worldwide.
    pub fn ids(&self, device: Number) -> Vec<String> {
        let entries = fs::read_dir(self.root.join("dev/disk/by-id")).into_iter().flatten();
        let is_it = |path: &Path| self.number_at(path) == Some(device);
        let names = entries.flatten().filter(|entry| is_it(&entry.path()));
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let disk = self.disk_of(device).unwrap_or(device);
        let worldwide = ["wwid", "device/wwid"].iter().find_map(|name| self.line(disk, name));
        names.chain(worldwide).collect()
    }

    /// The file that a loop device shows.
    pub fn file_of_loop(&self, device: Number) -> Option<PathBuf> {
        self.line(device, "loop/backing_file").map(PathBuf::from)
    }

    /// Its first byte of that file, and how many it shows; 0 for all.
    pub fn range_of_loop(&self, device: Number) -> (u64, u64) {
        let number = |name| self.line(device, name).and_then(|line| line.parse().ok());
        (number("loop/offset").unwrap_or(0), number("loop/sizelimit").unwrap_or(0))
    }

    /// The block device at a path.
    pub fn number_at(&self, path: &Path) -> Option<Number> {
        let found = fs::metadata(path).ok()?;
        found.file_type().is_block_device().then(|| Number::of(found.rdev()))
    }
}
