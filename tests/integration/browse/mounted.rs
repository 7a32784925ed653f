//! A mounted snapshot is what was saved.

use super::{Mount, has_fuse};
use crate::support::tree::{Refused, Tree};
use crate::support::{Draw, Home, Ran, needs};
use rustix::fs::{SeekFrom, seek};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;

/// Each entry with all that `find` knows of it. Names of directories are not counted by a mount.
fn listing(root: &Path) -> Vec<Vec<u8>> {
    let mut command = Command::new("find");
    command.arg(root).args(["(", "-type", "d", "-printf", "%P %y %m %U %G %T@\\0", ")"]);
    command.args(["-o", "-printf", "%P %y %m %U %G %n %T@ %s %l\\0"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut all: Vec<Vec<u8>> = output.stdout.split(|byte| *byte == 0).map(Vec::from).collect();
    all.sort();
    all
}

/// What `rsync` would do to make `to` the same as `from`.
fn rsync(from: &Path, to: &Path) -> String {
    let mut command = Command::new("rsync");
    command.args(["-aHAXnci", "--delete", "--modify-window=-1"]);
    let ran = Ran::of(command.arg(from.join("")).arg(to.join("")));
    format!("{}{}", ran.out, ran.err)
}

#[test]
fn trees_of_all_kinds_are_shown_as_they_were() {
    if !needs("rsync") || !has_fuse() {
        return;
    }
    let home = Home::new();
    let mut refused = Refused::new();
    // Many names in one directory, deep paths, and whatever else there is.
    let numbers = [3, 7, 11, 12, 13, 17, 27, 31];
    for number in numbers {
        Tree::grow(number, &[home.path(format!("in/{number}"))], &mut refused);
    }
    home.snapshot(home.path("in")).ok();
    let Some(mount) = Mount::of(&home, [""; 0]) else { return };
    for number in numbers {
        let source = home.path(format!("in/{number}"));
        let below = source.strip_prefix("/").unwrap();
        let shown = mount.latest(home.path("in").to_str().unwrap()).join(below);
        assert_eq!(rsync(&source, &shown), "", "tree {number}");
        assert_eq!(rsync(&shown, &source), "", "tree {number}");
        assert_eq!(listing(&shown), listing(&source), "tree {number}");
    }
    let (status, said) = mount.end();
    assert!(status.success() && said.is_empty(), "{status} {said}");
}

#[test]
fn names_of_one_file_have_one_number_and_are_counted() {
    let home = Home::new();
    let first = home.write("in/a", "text");
    home.write("in/alone", "text");
    std::fs::create_dir(home.path("in/b")).unwrap();
    std::fs::hard_link(&first, home.path("in/b/c")).unwrap();
    std::fs::hard_link(&first, home.path("in/d")).unwrap();
    home.snapshot(home.path("in")).ok();
    let Some(mount) = Mount::of(&home, ["--snapshot", "latest"]) else { return };
    let at = |name: &str| {
        let path = mount.path(home.path("in").strip_prefix("/").unwrap()).join(name);
        let stat = std::fs::symlink_metadata(path).unwrap();
        (stat.ino(), stat.nlink())
    };
    let (number, count) = at("b/c");
    assert_eq!(count, 3);
    assert_eq!([at("a"), at("d")], [(number, count); 2]);
    assert_eq!(at("alone").1, 1);
    assert_ne!(at("alone").0, number);
}

#[test]
fn labels_with_slashes_are_names_and_latest_leads_to_the_last_one() {
    let home = Home::new();
    home.write("in/file", "one");
    home.run(["snapshot", "--label", "web/shop 50%", home.path("in").to_str().unwrap()]).ok();
    home.write("in/file", "two");
    home.run(["snapshot", "--label", "web/shop 50%", home.path("in").to_str().unwrap()]).ok();
    home.run(["snapshot", "--label", "..", home.path("in").to_str().unwrap()]).ok();
    let Some(mount) = Mount::of(&home, ["--label", "web/shop 50%"]) else { return };
    let names = |below: &str| {
        let entries = std::fs::read_dir(mount.path(below)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(""), ["by-id", "by-series", "by-time"]);
    assert_eq!(names("by-series"), ["web%2Fshop 50%25"], "of one label alone");
    assert_eq!((names("by-id").len(), names("by-time").len()), (2, 2));
    let series = mount.path("by-series/web%2Fshop 50%25");
    assert_eq!(std::fs::read_dir(&series).unwrap().count(), 3);
    let file = home.path("in/file");
    let below = file.strip_prefix("/").unwrap();
    assert_eq!(std::fs::read(series.join("latest").join(below)).unwrap(), b"two");
    let mut read: Vec<Vec<u8>> = names("by-time")
        .iter()
        .map(|time| std::fs::read(mount.path("by-time").join(time).join(below)).unwrap())
        .collect();
    read.sort();
    assert_eq!(read, [b"one", b"two"]);
}

#[test]
fn holes_are_holes_and_streams_are_files() {
    let home = Home::new();
    let path = home.write("in/sparse", "");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(40 << 20).unwrap();
    file.write_all_at(b"here", 20 << 20).unwrap();
    drop(file);
    home.snapshot(home.path("in")).ok();
    home.run(["snapshot", "--command", "dump.sql", "--", "echo", "select 1"]).ok();
    let Some(mount) = Mount::of(&home, [""; 0]) else { return };
    let series = home.path("in");
    let sparse = mount.latest(series.to_str().unwrap()).join(path.strip_prefix("/").unwrap());
    let file = std::fs::File::open(&sparse).unwrap();
    let (data, hole) = (seek(&file, SeekFrom::Data(0)), seek(&file, SeekFrom::Hole(20 << 20)));
    // Chunks of zeros are found on the way, so the hole may begin a little earlier or later.
    assert!((16 << 20..=20 << 20).contains(&data.unwrap()), "{data:?}");
    assert!((20 << 20..=24 << 20).contains(&hole.unwrap()), "{hole:?}");
    assert_eq!(seek(&file, SeekFrom::Hole(0)), Ok(0));
    assert!(seek(&file, SeekFrom::Data(30 << 20)).is_err(), "nothing but zeros behind it");
    assert!(std::fs::read(&sparse).unwrap() == std::fs::read(&path).unwrap());
    let found = Command::new("find").arg(mount.path("by-id")).args(["-name", "dump.sql"]).output();
    let found = String::from_utf8(found.unwrap().stdout).unwrap();
    assert_eq!(std::fs::read_to_string(found.trim()).unwrap(), "select 1\n");
    assert!(std::fs::write(found.trim(), "").is_err(), "nothing can be written");
}

#[test]
fn a_large_image_of_mostly_zeros_is_read_in_large_pieces_and_is_what_was_saved() {
    let home = Home::new();
    let path = home.write("in/disk", "");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let (len, mut draw) = (1_200 << 20, Draw::new(77));
    file.set_len(len + 7).unwrap();
    // Odd places, one piece that is longer than a request, and the end.
    for (at, bytes) in [(5000, 100), (70 << 20, 5 << 20), (900_000_001, 3), (len - 1, 8)] {
        file.write_all_at(&draw.noise(bytes), at).unwrap();
    }
    home.snapshot(home.path("in")).ok();
    let Some(mount) = Mount::of(&home, [""; 0]) else { return };
    let shown = mount.latest(home.path("in").to_str().unwrap());
    let shown = shown.join(path.strip_prefix("/").unwrap());
    assert_eq!(std::fs::metadata(&shown).unwrap().blksize(), 1 << 20);
    let compared = Command::new("cmp").arg(&shown).arg(&path).output().unwrap();
    assert!(compared.status.success(), "{compared:?}");
}

#[test]
fn others_get_no_further_than_modes_and_lists_let_them() {
    if !rustix::process::geteuid().is_root() {
        return crate::support::skipped("needs root, to be somebody else");
    }
    if !needs("setfacl") {
        return;
    }
    let home = Home::new();
    let open = |name: &str, mode: u32| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(home.path(name), permissions).unwrap();
    };
    for (name, mode) in [("in/all", 0o644), ("in/none", 0o600), ("in/listed", 0o640)] {
        home.write(name, "text");
        open(name, mode);
    }
    // The mode then says that the group may read, which is the mask, and the list says that it may not.
    std::os::unix::fs::chown(home.path("in/listed"), None, Some(65_534)).unwrap();
    let mut list = Command::new("setfacl");
    list.args(["-m", "g::---,u:12345:r--,m::r--"]).arg(home.path("in/listed"));
    assert!(list.status().unwrap().success());
    open("", 0o755);
    open("in", 0o755);
    home.snapshot(home.path("in")).ok();
    let Some(mount) = Mount::of(&home, ["--allow-other"]) else { return };
    let shown = mount.latest(home.path("in").to_str().unwrap());
    let reads = |user: u32, name: &str| {
        use std::os::unix::process::CommandExt;
        let path = shown.join(home.path(format!("in/{name}")).strip_prefix("/").unwrap());
        let mut command = Command::new("cat");
        Ran::of(command.arg(path).uid(user).gid(user)).code == 0
    };
    assert_eq!(["all", "none", "listed"].map(|name| reads(65_534, name)), [true, false, false]);
    assert_eq!(["all", "none", "listed"].map(|name| reads(12_345, name)), [true, false, true]);
}

#[test]
fn whoever_is_not_root_can_mount_too() {
    let home = Home::new();
    home.write("in/file", "text");
    let in_home = home.path("in");
    Ran::of(home.command_without_root().arg("snapshot").arg(&in_home)).ok();
    let is_open = std::fs::metadata("/dev/fuse").is_ok_and(|stat| stat.mode() & 0o006 == 0o006);
    if !is_open {
        return crate::support::skipped("needs a /dev/fuse that everybody may open");
    }
    let at = home.path("mnt");
    std::fs::create_dir(&at).unwrap();
    let _ = std::os::unix::fs::chown(&at, Some(65_534), Some(65_534));
    let Some(mount) = Mount::by(home.command_without_root(), at, [""; 0]) else { return };
    // Others may not look, root among them.
    let is_root = rustix::process::geteuid().is_root();
    assert!(!is_root || std::fs::read_dir(mount.path("by-id")).is_err());
    assert!(mount.end().0.success());
}
