//! Several loop devices over one file: whoever uses one of them uses what the others show.

use super::{save, sparse};
use crate::support::loops::{Loop, Mount, make, put};
use crate::support::{Home, Ran, needs};
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;

/// A disk image with an ext4 from 1 MiB on, and two loop devices: over that, and over all.
fn twice(home: &Home) -> Option<(PathBuf, Loop, Loop)> {
    needs("mkfs.ext4").then_some(())?;
    let (system, image) = (home.path("system.img"), sparse(home, "disk.img", 24 * MIB, &[]));
    make("ext4", &system, 16 * MIB);
    put(&system, &image, MIB);
    let part = Loop::with(&image, &["--offset", "1048576", "--sizelimit", "16777216"])?;
    let whole = Loop::over(&image)?;
    Some((image, part, whole))
}

fn clone(home: &Home, from: &Path, to: &Path) -> Ran {
    Ran::of(home.command().arg("clone").args([from, to]).arg("--yes"))
}

#[test]
fn what_is_mounted_through_another_loop_device_is_neither_written_nor_read() {
    let home = Home::new();
    let Some((image, part, whole)) = twice(&home) else { return };
    let blank = sparse(&home, "blank.img", 24 * MIB, &[]);
    save(&home, &[&blank], &[]).ok();
    let Some(_mount) = Mount::of(part.path(), home.path("at"), "rw") else { return };
    let before = std::fs::read(&image).unwrap();
    let used = format!("is in use through {}", part.path().display());
    clone(&home, &blank, whole.path()).exit(1).says(&[&used]);
    let mut restore = home.command();
    restore.args(["restore", "latest"]).arg(whole.path()).args(["--device", "--yes"]);
    Ran::of(&mut restore).exit(1).says(&[&used]);
    assert!(std::fs::read(&image).unwrap() == before, "it was written to");
    save(&home, &[whole.path()], &[]).exit(1).says(&[&used, "--allow-live"]);
    // The name of the file counts for nothing.
    std::fs::rename(&image, home.path("renamed.img")).unwrap();
    clone(&home, &blank, whole.path()).exit(1).says(&[&used]);
    std::fs::hard_link(home.path("renamed.img"), home.path("other.img")).unwrap();
    std::fs::remove_file(home.path("renamed.img")).unwrap();
    clone(&home, &blank, whole.path()).exit(1).says(&[&used]);
    clone(&home, &blank, &home.path("other.img")).exit(1).says(&[&used]);
}

#[test]
fn other_parts_of_a_file_are_other_disks() {
    let home = Home::new();
    let Some((image, part, whole)) = twice(&home) else { return };
    drop(whole);
    let Some(_mount) = Mount::of(part.path(), home.path("at"), "rw") else { return };
    let offset = (17 * MIB).to_string();
    let Some(behind) = Loop::with(&image, &["--offset", &offset]) else { return };
    let from = sparse(&home, "from.img", MIB, &[(5, b"new")]);
    clone(&home, &from, behind.path()).ok();
    let Some(second) = Loop::with(&image, &["--offset", &offset]) else { return };
    clone(&home, &from, behind.path())
        .exit(1)
        .says(&[&format!("{} shows it", second.path().display())]);
}

#[test]
fn two_loop_devices_over_one_file_are_not_copied_onto_each_other() {
    let home = Home::new();
    let Some((image, part, whole)) = twice(&home) else { return };
    for (from, to) in
        [(part.path(), whole.path()), (whole.path(), part.path()), (&*image, part.path())]
    {
        clone(&home, from, to).exit(1).says(&["are on the same disk, one in the other"]);
    }
}

#[test]
fn a_second_loop_device_over_the_disk_of_the_repository_holds_it_too() {
    let home = Home::new();
    let Some((image, part, whole)) = twice(&home) else { return };
    let Some(mount) = Mount::of(part.path(), home.path("at"), "rw") else { return };
    let repository = mount.path().join("repository");
    let ran = |words: &[&str], path: &Path| {
        let mut command = home.command();
        Ran::of(command.arg("--repo").arg(&repository).args(words).arg(path))
    };
    home.run(["init"]).ok();
    let copied =
        std::process::Command::new("cp").arg("-a").args([&home.repository(), &repository]).status();
    assert!(copied.unwrap().success());
    for path in [whole.path(), part.path(), &image] {
        ran(&["snapshot", "--allow-live", "--image"], path).exit(1).says(&["holds the repository"]);
    }
}
