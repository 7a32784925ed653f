//! What is never written to, and what is not read without being told to.

use super::sparse;
use crate::support::loops::{Loop, Mount, administration, does, make, partition};
use crate::support::{Home, Ran, needs};
use std::path::{Path, PathBuf};

/// An ext4 in a file.
fn file_system(home: &Home, name: &str) -> Option<PathBuf> {
    let image = home.path(name);
    needs("mkfs.ext4").then(|| make("ext4", &image, 16 << 20))?;
    Some(image)
}

fn clone(home: &Home, from: &Path, to: &Path, options: &[&str]) -> Ran {
    Ran::of(home.command().arg("clone").arg(from).arg(to).args(options))
}

/// Clones onto `to`, which must be refused and stay as it is.
#[track_caller]
fn refuses(home: &Home, to: &Path, words: &[&str], options: &[&str]) {
    let from = sparse(home, "from.img", 1 << 20, &[(0, b"new")]);
    let before = std::fs::read(to).unwrap();
    let mut all = vec!["--yes"];
    all.extend(options);
    clone(home, &from, to, &all).exit(1).says(words);
    assert!(std::fs::read(to).unwrap() == before, "it was written to");
}

#[test]
fn a_mounted_disk_is_never_written_and_only_read_when_that_is_allowed() {
    let home = Home::new();
    let Some(image) = file_system(&home, "disk.img") else { return };
    let Some(device) = Loop::over(&image) else { return };
    let copy = home.path("copy.img");
    let mounted = |options| Mount::of(device.path(), home.path("at"), options);
    {
        let Some(mount) = mounted("rw") else { return };
        let at = mount.path().display().to_string();
        let words = ["is in use", "is mounted at", at.as_str()];
        refuses(&home, device.path(), &words, &[]);
        let unmount = ["is in use", "is mounted at", "--allow-live"];
        clone(&home, device.path(), &copy, &[]).exit(1).says(&unmount);
        assert!(!copy.exists());
        // The file below it is the same disk.
        clone(&home, &image, &copy, &[]).exit(1).says(&["is in use through /dev/loop"]);
        refuses(&home, &image, &["is in use through /dev/loop"], &[]);
        let live = clone(&home, device.path(), &copy, &["--allow-live", "--json"]).ok();
        live.says(&["may change while it is read"]);
    }
    std::fs::remove_file(&copy).unwrap();
    let Some(_mount) = mounted("ro") else { return };
    refuses(&home, device.path(), &["is mounted at", "for reading only"], &[]);
    clone(&home, device.path(), &copy, &[]).ok().says_nothing();
    crate::support::loops::assert_equal(device.path(), &copy, 16 << 20);
}

#[test]
fn a_disk_that_somebody_has_for_himself_is_refused() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 4 << 20, &[(0, b"old")]);
    let Some(device) = Loop::over(&image) else { return };
    let flags = rustix::fs::OFlags::EXCL | rustix::fs::OFlags::CLOEXEC;
    let open = || rustix::fs::open(device.path(), flags, rustix::fs::Mode::empty());
    let held = open().unwrap();
    let words = ["another program or the kernel has it for itself"];
    refuses(&home, device.path(), &words, &[]);
    clone(&home, device.path(), &home.path("copy.img"), &[]).exit(1).says(&words);
    drop(held);
    clone(&home, device.path(), &home.path("copy.img"), &[]).ok();
}

#[test]
fn a_disk_that_is_swapped_to_is_refused() {
    let home = Home::new();
    let image = home.path("swap.img");
    make("swap", &image, 4 << 20);
    let Some(device) = Loop::over(&image) else { return };
    let on = administration("swapon").arg(device.path()).output();
    if !on.is_ok_and(|output| output.status.success()) {
        return crate::support::skipped("needs the right to swap");
    }
    let ran = clone(&home, device.path(), &home.path("copy.img"), &[]);
    let other = Loop::over(&sparse(&home, "small.img", 1 << 20, &[])).unwrap();
    let onto = clone(&home, other.path(), device.path(), &["--yes"]);
    does(administration("swapoff").arg(device.path()));
    ran.exit(1).says(&["memory is swapped to"]);
    onto.exit(1).says(&["memory is swapped to"]);
}

#[test]
fn a_read_only_disk_is_refused() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 4 << 20, &[]);
    let Some(device) = Loop::with(&image, &["--read-only"]) else { return };
    refuses(&home, device.path(), &["is read-only"], &[]);
}

#[test]
fn another_sector_size_is_refused() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 4 << 20, &[]);
    let from = sparse(&home, "from.img", 4 << 20, &[]);
    let Some(from) = Loop::over(&from) else { return };
    let Some(device) = Loop::with(&image, &["--sector-size", "4096"]) else { return };
    let ran = clone(&home, from.path(), device.path(), &["--yes"]).exit(1);
    ran.says(&["has sectors of 4096 bytes", "is made for 512"]);
}

#[test]
fn a_disk_is_not_written_to_itself_or_to_a_part_of_it() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 4 << 20, &[(0, b"old")]);
    let link = home.path("link.img");
    std::os::unix::fs::symlink(&image, &link).unwrap();
    clone(&home, &image, &link, &["--yes"]).exit(1).says(&["are on the same disk"]);
    let Some(device) = Loop::over(&image) else { return };
    clone(&home, device.path(), &image, &["--yes"]).exit(1).says(&["are on the same disk"]);
    clone(&home, &image, device.path(), &["--yes"]).exit(1).says(&["are on the same disk"]);
}

#[test]
fn another_disk_than_the_one_that_is_meant_is_refused() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 4 << 20, &[(0, b"old")]);
    let Some(device) = Loop::over(&image) else { return };
    let words = ["has the serial number (none), not 4711"];
    refuses(&home, device.path(), &words, &["--expect-serial", "4711"]);
    let words = ["has the id (none), not wwn-1"];
    refuses(&home, device.path(), &words, &["--expect-id", "wwn-1"]);
}

#[test]
fn without_a_yes_nothing_is_overwritten() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 1 << 20, &[(0, b"old")]);
    let from = sparse(&home, "from.img", 1 << 20, &[(0, b"new")]);
    let ran = clone(&home, &from, &image, &[]).exit(1);
    ran.says(&["nobody is there to be asked", "give --yes"]);
    assert!(std::fs::read(&image).unwrap().starts_with(b"old"));
}

#[test]
fn only_disks_and_raw_images_are_read() {
    let home = Home::new();
    let copy = home.path("copy.img");
    let refused = |from: &Path, words: &[&str]| {
        clone(&home, from, &copy, &[]).exit(1).says(words);
        assert!(!copy.exists());
    };
    refused(&home.path("."), &["is a directory"]);
    refused(Path::new("/dev/null"), &["is a character device"]);
    refused(&home.path("nothing"), &["cannot be opened", "No such file"]);
    refused(&home.write("empty", ""), &["has a size of 0"]);
    for (kind, magic) in [("vmdk", &b"KDMV"[..]), ("vhdx", b"vhdxfile")] {
        let header = [magic, &[0; 4096]].concat();
        let image = home.write(kind, header);
        refused(&image, &["of the kind", kind, "qemu-img convert", "--raw"]);
        clone(&home, &image, &copy, &["--raw"]).ok();
        std::fs::remove_file(&copy).unwrap();
    }
}

#[test]
fn an_image_in_a_form_of_its_own_is_only_written_over_when_that_is_meant() {
    let home = Home::new();
    for (kind, magic) in [("qcow2", &b"QFI\xfb"[..]), ("vmdk", b"KDMV"), ("vhdx", b"vhdxfile")] {
        let image = home.write(kind, [magic, &[1; 4096]].concat());
        refuses(
            &home,
            &image,
            &["is an image of the kind", kind, "qemu-img convert", "--raw"],
            &[],
        );
        let from = home.path("from.img");
        clone(&home, &from, &image, &["--yes", "--raw"]).ok();
        assert!(std::fs::read(&from).unwrap() == std::fs::read(&image).unwrap());
    }
    let mut cut = b"QFI\xfb".to_vec();
    cut.resize(60, 0);
    let cut = home.write("cut.qcow2", cut);
    clone(&home, &cut, &home.path("copy.img"), &[]).exit(1).says(&["qcow2"]);
    assert!(!home.path("copy.img").exists());
}

#[test]
fn a_disk_with_a_mounted_partition_is_in_use() {
    let home = Home::new();
    if !needs("sfdisk") {
        return;
    }
    let Some(system) = file_system(&home, "system.img") else { return };
    let image = sparse(&home, "disk.img", 32 << 20, &[]);
    partition(&image, "label: gpt\nsize=16MiB\n");
    crate::support::loops::put(&system, &image, 1 << 20);
    // A partition as a device of its own, as kernels without partitions on loop devices need it.
    let options = ["--offset", "1048576", "--sizelimit", "16777216"];
    let Some(part) = Loop::with(&image, &options) else { return };
    let Some(_mount) = Mount::of(part.path(), home.path("at"), "rw") else { return };
    refuses(&home, &image, &["is in use through /dev/loop"], &[]);
}
