use super::*;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// Files as the kernel has them.
pub struct Fake(TempDir);

impl Fake {
    pub fn new() -> Self {
        let fake = Self(tempfile::tempdir().unwrap());
        for folder in ["sys/dev/block", "sys/devices", "sys/class/block", "proc/self"] {
            fs::create_dir_all(fake.folder().join(folder)).unwrap();
        }
        fake
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn kernel(&self) -> Kernel {
        Kernel::at(self.folder())
    }

    /// A block device; `path` is that of its disk and its own name.
    pub fn device(&self, path: &str, number: Number, partition: Option<u32>) {
        let folder = self.folder().join("sys/devices").join(path);
        fs::create_dir_all(folder.join("holders")).unwrap();
        fs::create_dir_all(folder.join("slaves")).unwrap();
        fs::write(folder.join("dev"), format!("{number}\n")).unwrap();
        fs::write(folder.join("ro"), "0\n").unwrap();
        if let Some(partition) = partition {
            fs::write(folder.join("partition"), format!("{partition}\n")).unwrap();
        }
        let name = folder.file_name().unwrap();
        symlink(&folder, self.folder().join("sys/class/block").join(name)).unwrap();
        symlink(&folder, self.folder().join("sys/dev/block").join(number.to_string())).unwrap();
    }

    fn of(&self, number: Number) -> PathBuf {
        self.folder().join("sys/dev/block").join(number.to_string()).canonicalize().unwrap()
    }

    /// Says that one device is made of another.
    pub fn made_of(&self, device: Number, of: Number, name: &str) {
        symlink(self.of(of), self.of(device).join("slaves").join(name)).unwrap();
        symlink(self.of(device), self.of(of).join("holders/dm-0")).unwrap();
    }

    pub fn backing_file(&self, number: Number, file: &Path) {
        let folder = self.of(number).join("loop");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("backing_file"), format!("{}\n", file.display())).unwrap();
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

const DISK: Number = Number(8, 0);
const PARTITION: Number = Number(8, 1);

fn disk() -> Fake {
    let fake = Fake::new();
    fake.device("sda", DISK, None);
    fake.device("sda/sda1", PARTITION, Some(1));
    fake.device("dm-0", Number(252, 0), None);
    fake
}

fn words(fake: &Fake, device: Number) -> Vec<String> {
    let uses = uses_of(&fake.kernel(), Thing::Device(device));
    uses.iter().map(|used| format!("{used}; {}", used.may_change())).collect()
}

#[test]
fn a_disk_is_used_when_a_partition_of_it_is() {
    let fake = disk();
    assert!(words(&fake, DISK).is_empty());
    fake.made_of(Number(252, 0), PARTITION, "sda1");
    fake.write("proc/self/mountinfo", "31 22 8:1 / /srv rw - ext4 /dev/sda1 ro\n");
    let expected = [
        "/dev/sda1 is mounted at /srv for reading only; false",
        "/dev/dm-0 is made of /dev/sda1; true",
    ];
    assert_eq!(words(&fake, DISK), expected);
    assert_eq!(words(&fake, PARTITION), expected);
}

#[test]
fn a_partition_is_used_when_its_disk_is() {
    let fake = disk();
    fake.made_of(Number(252, 0), DISK, "sda");
    assert_eq!(words(&fake, PARTITION), ["/dev/dm-0 is made of /dev/sda; true"]);
}

#[test]
fn a_file_is_used_through_a_loop_device_that_is_mounted() {
    let fake = Fake::new();
    let file = fake.folder().join("disk.img");
    fs::write(&file, b"image").unwrap();
    fake.device("loop7", Number(7, 7), None);
    fake.backing_file(Number(7, 7), &file);
    let uses = || uses(&fake.kernel(), &file).unwrap();
    assert_eq!(uses(), [Use::Loop { by: "/dev/loop7".into(), busy: false }]);
    fake.write("proc/self/mountinfo", "31 22 7:7 / /srv rw - ext4 /dev/loop7 rw\n");
    assert_eq!(uses(), [Use::Loop { by: "/dev/loop7".into(), busy: true }]);
    fake.write("sys/devices/loop7/ro", "1\n");
    assert_eq!(uses(), [Use::Loop { by: "/dev/loop7".into(), busy: false }]);
}

#[test]
fn a_swap_file_is_in_use() {
    let fake = Fake::new();
    let file = fake.folder().join("swap file");
    fs::write(&file, b"swap").unwrap();
    let name = file.display().to_string();
    let escaped = name.replace(' ', "\\040");
    fake.write("proc/swaps", &format!("Filename Type Size Used Priority\n{escaped} file 1 0 -2\n"));
    assert_eq!(uses(&fake.kernel(), &file).unwrap(), [Use::Swap { device: name }]);
}

#[test]
fn locks_of_a_virtual_machine_tell_whether_it_writes() {
    let fake = Fake::new();
    let file = fake.folder().join("disk.img");
    fs::write(&file, b"image").unwrap();
    let found = fs::metadata(&file).unwrap();
    let (major, minor) = (rustix::fs::major(found.dev()), rustix::fs::minor(found.dev()));
    let lock = |bytes: &str| {
        let inode = format!("{major:02x}:{minor:02x}:{}", found.ino());
        fake.write("proc/locks", &format!("1: OFDLCK ADVISORY  READ -1 {inode} {bytes}\n"));
        uses(&fake.kernel(), &file).unwrap()
    };
    assert_eq!(lock("100 101"), [Use::Locked { writable: true }]);
    assert_eq!(lock("100 100"), [Use::Locked { writable: false }]);
    assert_eq!(lock("201 201"), [Use::Locked { writable: false }]);
    assert_eq!(lock("0 EOF"), []);
}

#[test]
fn a_lock_that_nobody_can_share_is_that_of_another_process_that_writes() {
    let fake = Fake::new();
    let file = fake.folder().join("disk.img");
    let open = fs::File::create(&file).unwrap();
    assert!(lock::to_write(std::os::fd::AsFd::as_fd(&open)).unwrap());
    // What the kernel itself says, and not what we take it to say.
    fake.write("proc/locks", &fs::read_to_string("/proc/locks").unwrap());
    assert_eq!(uses(&fake.kernel(), &file).unwrap(), [Use::Written]);
}

/// Two loop devices over one file, the second from a byte on.
fn twice(offset: u64) -> (Fake, PathBuf) {
    let fake = Fake::new();
    let file = fake.folder().join("disk.img");
    fs::write(&file, b"image").unwrap();
    for number in [7, 8] {
        fake.device(&format!("loop{number}"), Number(7, number), None);
        fake.backing_file(Number(7, number), &file);
    }
    fake.write("sys/devices/loop7/loop/sizelimit", "4096\n");
    fake.write("sys/devices/loop8/loop/offset", &format!("{offset}\n"));
    (fake, file)
}

#[test]
fn a_loop_device_is_used_when_its_file_is_used_through_another_one() {
    let (fake, _) = twice(4095);
    fake.write("proc/self/mountinfo", "31 22 7:7 / /srv rw - ext4 /dev/loop7 rw\n");
    assert_eq!(words(&fake, Number(7, 8)), ["it is in use through /dev/loop7; true"]);
    // What is behind the part that the other one shows is not that.
    let (fake, _) = twice(4096);
    fake.write("proc/self/mountinfo", "31 22 7:7 / /srv rw - ext4 /dev/loop7 rw\n");
    assert!(words(&fake, Number(7, 8)).is_empty());
}

#[test]
fn a_loop_device_is_used_when_its_file_is_locked_or_swapped_to() {
    let (fake, file) = twice(4096);
    let found = fs::metadata(&file).unwrap();
    let (major, minor) = (rustix::fs::major(found.dev()), rustix::fs::minor(found.dev()));
    let inode = format!("{major:02x}:{minor:02x}:{}", found.ino());
    fake.write("proc/locks", &format!("1: OFDLCK ADVISORY  READ -1 {inode} 100 101\n"));
    let locked = Use::Locked { writable: true };
    assert_eq!(words(&fake, Number(7, 8)), [format!("{locked}; true")]);
    fake.write("proc/locks", "");
    let name = file.display();
    fake.write("proc/swaps", &format!("Filename Type Size Used Priority\n{name} file 1 0 -2\n"));
    assert_eq!(words(&fake, Number(7, 8)), [format!("memory is swapped to {name}; true")]);
}

#[test]
fn what_is_made_of_a_loop_device_is_used_when_its_file_is() {
    let (fake, _) = twice(0);
    fake.device("dm-0", Number(252, 0), None);
    fake.made_of(Number(252, 0), Number(7, 8), "loop8");
    fake.write("proc/self/mountinfo", "31 22 7:7 / /srv rw - ext4 /dev/loop7 rw\n");
    assert_eq!(words(&fake, Number(252, 0)), ["it is in use through /dev/loop7; true"]);
}
