//! `esker restore --device`.

use super::{noise, number, save, sparse};
use crate::support::loops::{
    Loop, Mount, Part, administration, assert_equal, bytes, disk, does, make,
};
use crate::support::{Home, Ran, needs};
use std::os::unix::fs::FileExt;
use std::path::Path;

fn restore(home: &Home, what: &str, onto: &Path, options: &[&str]) -> Ran {
    let mut command = home.command();
    command.args(["restore", what]).arg(onto).arg("--device").args(options);
    Ran::of(&mut command)
}

#[test]
fn a_disk_on_a_larger_one_passes_the_checks_of_the_system() {
    let home = Home::new();
    let image = home.path("disk.img");
    let Some(parts) = disk(&image) else { return };
    let len = std::fs::metadata(&image).unwrap().len();
    save(&home, &[&image], &[]).ok();
    let larger = sparse(
        &home,
        "larger.img",
        len + (40 << 20),
        &[(len - 9, b"old bytes"), (70 << 20, b"old")],
    );
    {
        let Some(to) = Loop::over(&larger) else { return };
        let ran = restore(&home, "latest", to.path(), &["--yes", "--verify", "--json"]).ok();
        assert_eq!(ran.json()[0]["gpt_moved"], true);
        assert_eq!(number(&ran, "verified"), len);
    }
    let said = does(administration("sfdisk").arg("--verify").arg(&larger));
    assert!(said.contains("No errors detected"), "{said}");
    super::check(&image, &larger, &parts);
}

#[test]
fn onto_the_image_before_only_the_differing_blocks_are_written() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 24 << 20, &[(0, &noise(16 << 20, 5))]);
    save(&home, &[&image], &[]).ok();
    let there = sparse(&home, "there.img", 24 << 20, &[]);
    let Some(to) = Loop::over(&there) else { return };
    let first = restore(&home, "latest", to.path(), &["--yes", "--json"]).ok();
    assert_eq!((number(&first, "written"), number(&first, "zeroed")), (16 << 20, 0));
    let file = std::fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.write_all_at(&noise(4096, 6), 3 << 20).unwrap();
    file.write_all_at(&noise(100, 7), (5 << 20) + 50).unwrap();
    file.write_all_at(&[0; 8192], 9 << 20).unwrap();
    save(&home, &[&image], &[]).ok();
    let counts = |ran: &Ran| number(ran, "written") + number(ran, "zeroed");
    let looked = restore(&home, "latest", to.path(), &["--dry-run", "--json"]).ok();
    assert_eq!(counts(&looked), 4 * 4096);
    let second = restore(&home, "latest", to.path(), &["--yes", "--json", "--verify"]).ok();
    assert_eq!(counts(&second), 4 * 4096);
    assert_equal(&image, to.path(), 24 << 20);
    let third = restore(&home, "latest", to.path(), &["--yes", "--json"]).ok();
    assert_eq!(counts(&third), 0);
    let blind = restore(&home, "latest", to.path(), &["--yes", "--json", "--blind"]).ok();
    assert_eq!(number(&blind, "unchanged"), 0);
    assert_equal(&image, to.path(), 24 << 20);
}

#[test]
fn a_single_partition_goes_onto_a_disk_of_its_size() {
    let home = Home::new();
    let image = home.path("disk.img");
    let Some(parts) = disk(&image) else { return };
    save(&home, &[&image], &[]).ok();
    let Part { len, .. } = parts[1];
    let there = sparse(&home, "there.img", len, &[(5, b"old")]);
    let Some(to) = Loop::over(&there) else { return };
    restore(&home, "latest", to.path(), &["--yes", "--verify", "--partition", "2"]).ok();
    assert!(bytes(&image, parts[1]) == bytes(to.path(), Part { start: 0, len }));
    let ran = restore(&home, "latest", to.path(), &["--yes", "--partition", "7"]).exit(1);
    ran.says(&["there is no partition 7", "it has 1, 2, 3, 4"]);
}

#[test]
fn what_must_not_be_overwritten_is_not() {
    let home = Home::new();
    if !needs("mkfs.ext4") {
        return;
    }
    let image = sparse(&home, "disk.img", 16 << 20, &[(0, b"image")]);
    let Some(source) = Loop::with(&image, &["--read-only"]) else { return };
    save(&home, &[source.path()], &[]).ok();
    let system = home.path("system.img");
    make("ext4", &system, 16 << 20);
    let refused = |device: &Loop, words: &[&str], options: &[&str]| {
        let before = std::fs::read(device.path()).unwrap();
        restore(&home, "latest", device.path(), options).exit(1).says(words);
        assert!(std::fs::read(device.path()).unwrap() == before);
    };
    {
        let Some(device) = Loop::over(&system) else { return };
        refused(&device, &["nobody is there to be asked", "--yes"], &[]);
        refused(&device, &["has the serial number (none)"], &["--yes", "--expect-serial", "1"]);
        let Some(_mount) = Mount::of(device.path(), home.path("at"), "rw") else { return };
        refused(&device, &["is mounted at"], &["--yes"]);
    }
    let Some(device) = Loop::with(&system, &["--read-only"]) else { return };
    refused(&device, &["is read-only"], &["--yes"]);
    drop(device);
    let Some(device) = Loop::with(&system, &["--sector-size", "4096"]) else { return };
    refused(&device, &["has sectors of 4096 bytes"], &["--yes"]);
    drop(device);
    let Some(device) = Loop::with(&system, &["--sizelimit", "8388608"]) else { return };
    refused(&device, &["is too small"], &["--yes"]);
}

#[test]
fn which_image_is_meant_must_be_clear() {
    let home = Home::new();
    let (a, b) = (
        sparse(&home, "a.img", 1 << 20, &[(0, b"a")]),
        sparse(&home, "b.img", 2 << 20, &[(0, b"b")]),
    );
    let onto = sparse(&home, "onto.img", 2 << 20, &[]);
    save(&home, &[&a, &b], &[]).ok();
    let ran = restore(&home, "latest", &onto, &["--yes"]).exit(1);
    ran.says(&["several images are in it", "a.img", "b.img"]);
    let what = format!("latest:{}", b.canonicalize().unwrap().display());
    restore(&home, &what, &onto, &["--yes"]).ok();
    assert_equal(&b, &onto, 2 << 20);
    // A file that was saved as such holds an image as well.
    home.snapshot(&a).ok();
    let ran = restore(&home, "latest", &onto, &["--yes"]);
    ran.exit(1).says(&["there is no image in it"]);
    let what = format!("latest:{}", a.canonicalize().unwrap().display());
    restore(&home, &what, &onto, &["--yes", "--verify"]).ok();
    assert!(std::fs::read(&onto).unwrap() == std::fs::read(&a).unwrap());
}

#[test]
fn an_image_is_not_restored_into_the_root_of_the_system() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 1 << 20, &[(0, b"a")]);
    save(&home, &[&image], &[]).ok();
    home.restore("latest", "/").exit(3).says(&["is not restored to /", "--device"]);
    assert!(std::fs::read(&image).unwrap().starts_with(b"a"));
}

#[test]
fn what_the_repository_has_lost_is_zero_and_told() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 40 << 20, &[(0, &noise(36 << 20, 8))]);
    save(&home, &[&image], &[]).ok();
    let packs = std::process::Command::new("find")
        .arg(home.repository().join("pack"))
        .args(["-type", "f", "-size", "+8M"])
        .output();
    let packs = String::from_utf8(packs.unwrap().stdout).unwrap();
    std::fs::remove_file(packs.lines().next().unwrap()).unwrap();
    let onto = sparse(&home, "onto.img", 40 << 20, &[(0, &vec![7; 36 << 20])]);
    let ran = restore(&home, "latest", &onto, &["--yes", "--verify", "--json"]).exit(4);
    let ran = ran.says(&["the repository has lost"]);
    let told = ran.json()[0]["damaged"].as_array().unwrap().clone();
    let (from, to) = (std::fs::read(&image).unwrap(), std::fs::read(&onto).unwrap());
    let mut good = from.clone();
    for range in told {
        let (offset, len) = (range["offset"].as_u64().unwrap(), range["length"].as_u64().unwrap());
        good[offset as usize..(offset + len) as usize].fill(0);
    }
    assert!(good != from && good == to);
}

#[test]
fn a_dry_run_into_a_directory_that_is_not_there_says_what_the_real_run_does() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 1 << 20, &[(0, b"image")]);
    save(&home, &[&image], &[]).ok();
    let out = home.path("out");
    let words = |more: &[&str]| {
        let mut command = home.command();
        Ran::of(command.args(["restore", "latest", "--json"]).arg(&out).args(more)).ok()
    };
    let looked = words(&["-n"]);
    assert!(!out.exists());
    let last = |ran: &Ran, name: &str| ran.json().last().unwrap()[name].clone();
    assert_eq!(last(&looked, "problems_total"), 0);
    assert_eq!(last(&looked, "added"), last(&words(&[]), "added"));
}

#[test]
fn what_is_on_both_is_shown_before_anything_is_written() {
    let home = Home::new();
    if !needs("mkfs.ext4") {
        return;
    }
    let image = home.path("disk.img");
    make("ext4", &image, 16 << 20);
    save(&home, &[&image], &[]).ok();
    let there = sparse(&home, "there.img", 8 << 20, &[(0, b"old")]);
    let shown =
        ["8.0 MiB, nothing known on it", "overwritten with", "16.0 MiB, ext4 \"root of it\""];
    for more in ["--dry-run", "--yes"] {
        restore(&home, "latest", &there, &[more]).ok().says(&shown);
        std::fs::write(&there, vec![0; 8 << 20]).unwrap();
        Ran::of(home.command().arg("clone").args([&image, &there]).arg(more)).ok().says(&shown);
        std::fs::write(&there, vec![0; 8 << 20]).unwrap();
    }
    let quiet = restore(&home, "latest", &there, &["--yes", "--quiet"]).ok();
    assert_eq!(quiet.err, "");
}
