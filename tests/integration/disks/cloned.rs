//! `esker clone` with real block devices.

use super::{number, sparse};
use crate::support::loops::{
    Loop, Mount, Part, administration, assert_equal, bytes, disk, does, partition,
};
use crate::support::{Home, Ran};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

fn clone(home: &Home, from: &Path, to: &Path, options: &[&str]) -> Ran {
    let mut command = home.command();
    Ran::of(command.arg("clone").arg(from).arg(to).args(options))
}

#[test]
fn a_copy_in_a_new_file_is_equal_and_has_no_more_than_the_data() {
    let home = Home::new();
    let image = home.path("disk.img");
    let Some(_) = disk(&image) else { return };
    let len = std::fs::metadata(&image).unwrap().len();
    let copy = home.path("copy.img");
    clone(&home, &image, &copy, &["--verify"]).ok().says_nothing();
    assert_equal(&image, &copy, len);
    let (from, to) = (std::fs::metadata(&image).unwrap(), std::fs::metadata(&copy).unwrap());
    assert_eq!(to.len(), from.len());
    assert!(to.blocks() <= from.blocks(), "{} and {}", to.blocks(), from.blocks());
    assert_eq!(to.mode() & 0o7777, 0o600);
}

#[test]
fn a_disk_on_a_larger_one_passes_the_checks_of_the_system() {
    let home = Home::new();
    let image = home.path("disk.img");
    let Some(parts) = disk(&image) else { return };
    let len = std::fs::metadata(&image).unwrap().len();
    let larger = sparse(&home, "larger.img", len + (40 << 20), &[]);
    let Some(from) = Loop::with(&image, &["--read-only"]) else { return };
    {
        let Some(to) = Loop::over(&larger) else { return };
        let ran = clone(&home, from.path(), to.path(), &["--yes", "--verify", "--json"]).ok();
        assert_eq!(ran.json()[0]["gpt_moved"], true);
        assert_eq!(number(&ran, "verified"), len);
        // The source is attached as well.
        ran.says(&["goes by the id"]);
        let said = does(administration("sfdisk").arg("--verify").arg(to.path()));
        assert!(said.contains("No errors detected"), "{said}");
    }
    let said = does(administration("sfdisk").arg("--verify").arg(&larger));
    assert!(said.contains("No errors detected"), "{said}");
    super::check(&image, &larger, &parts);
}

#[test]
fn only_what_differs_is_written() {
    let home = Home::new();
    let block = vec![7; 4096];
    let image =
        sparse(&home, "a.img", 32 << 20, &[(0, &block), (5 << 20, &block), (20 << 20, &block)]);
    // One block is right, one is missing, one is elsewhere.
    let there =
        sparse(&home, "b.img", 32 << 20, &[(0, &block), (5 << 20, &block), (9 << 20, &block)]);
    let Some(to) = Loop::over(&there) else { return };
    let looked = clone(&home, &image, to.path(), &["--dry-run", "--json"]).ok();
    assert_eq!((number(&looked, "written"), number(&looked, "zeroed")), (4096, 4096));
    assert!(std::fs::read(&image).unwrap() != std::fs::read(&there).unwrap());
    let ran = clone(&home, &image, to.path(), &["--yes", "--json"]).ok();
    assert_eq!((number(&ran, "written"), number(&ran, "zeroed")), (4096, 4096));
    assert_eq!(number(&ran, "unchanged"), (32 << 20) - 8192);
    assert_equal(&image, to.path(), 32 << 20);
    let again = clone(&home, &image, to.path(), &["--yes", "--json"]).ok();
    assert_eq!((number(&again, "written"), number(&again, "zeroed")), (0, 0));
}

#[test]
fn blindly_everything_is_written_and_the_same_comes_out() {
    let home = Home::new();
    let image = sparse(&home, "a.img", (8 << 20) + 512, &[(5 << 20, &[7; 100])]);
    let there = sparse(&home, "b.img", 9 << 20, &[(0, &[9; 8192]), ((9 << 20) - 1, &[9])]);
    let Some(to) = Loop::over(&there) else { return };
    let ran = clone(&home, &image, to.path(), &["--yes", "--blind", "--verify", "--json"]).ok();
    assert_eq!(number(&ran, "unchanged"), 0);
    assert_equal(&image, to.path(), (8 << 20) + 512);
    // What lies behind the image is not touched.
    assert_eq!(bytes(to.path(), Part { start: (9 << 20) - 1, len: 1 }), [9]);
}

#[test]
fn a_smaller_disk_is_enough_when_only_free_room_is_cut_off() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 16 << 20, &[((1 << 20) + 5, b"content")]);
    if !crate::support::needs("sfdisk") {
        return;
    }
    partition(&image, "label: gpt\nsize=4MiB\n");
    let small = sparse(&home, "small.img", 6 << 20, &[]);
    let Some(to) = Loop::over(&small) else { return };
    let ran = clone(&home, &image, to.path(), &["--yes", "--json"]).ok();
    assert_eq!(ran.json()[0]["gpt_moved"], true);
    let said = does(administration("sfdisk").arg("--verify").arg(to.path()));
    assert!(said.contains("No errors detected"), "{said}");
    drop(to);
    let smaller = sparse(&home, "smaller.img", 5 << 20, &[(0, b"untouched")]);
    let Some(to) = Loop::over(&smaller) else { return };
    let ran = clone(&home, &image, to.path(), &["--yes"]).exit(1);
    ran.says(&["is too small", &format!("{} are needed", (5 << 20) + 33 * 512)]);
    assert_eq!(bytes(to.path(), Part { start: 0, len: 9 }), b"untouched");
}

#[test]
fn a_file_that_is_there_becomes_equal_and_as_long() {
    let home = Home::new();
    let image = sparse(&home, "a.img", 3 << 20, &[(1 << 20, b"a")]);
    for len in [1, 9 << 20] {
        let there = sparse(&home, "b.img", len, &[(0, b"b")]);
        clone(&home, &image, &there, &["--yes"]).ok();
        assert!(std::fs::read(&image).unwrap() == std::fs::read(&there).unwrap());
    }
}

#[test]
fn what_the_disk_does_not_keep_is_found_when_it_is_read_back() {
    let home = Home::new();
    let image = sparse(&home, "a.img", 12 << 20, &[(9 << 20, &[1; 4096])]);
    let there = sparse(&home, "b.img", 12 << 20, &[]);
    // Two loop devices over one file know nothing of each other: what one of them has in memory is not
    // what the other one has written meanwhile.
    let Some(to) = Loop::over(&there) else { return };
    clone(&home, &image, to.path(), &["--yes"]).ok();
    let _ = bytes(to.path(), Part { start: 0, len: 12 << 20 });
    let file = std::fs::OpenOptions::new().write(true).open(&there).unwrap();
    file.write_all_at(&[2], (9 << 20) + 7).unwrap();
    let ran = clone(&home, &image, to.path(), &["--yes", "--verify"]);
    // Either the comparison before has seen it, or the one after: it is never taken for right.
    match ran.code {
        0 => assert_equal(&image, &there, 12 << 20),
        _ => drop(ran.exit(4).says(&["is not as it was written"])),
    }
}

#[test]
fn a_file_system_that_is_full_ends_it() {
    let home = Home::new();
    if !crate::support::needs("mkfs.ext4") {
        return;
    }
    let full = home.path("full.img");
    crate::support::loops::make("ext4", &full, 16 << 20);
    let image = sparse(&home, "a.img", 50 << 20, &[(0, &super::noise(50 << 20, 1))]);
    let Some(device) = Loop::over(&full) else { return };
    let Some(mount) = Mount::of(device.path(), home.path("at"), "rw") else { return };
    let mut command = home.command();
    command.arg("clone").arg(&image).arg(mount.path().join("x.img")).arg("--yes");
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot be written at byte") && said.contains("No space"), "{said}");
}
