//! Targets that cannot hold everything, or not now.

use super::{counts, latest, restore};
use crate::bad_input::Mounted;
use crate::support::{Draw, Home, differences, needs, skipped};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

#[test]
fn a_running_program_is_replaced_and_runs_on() {
    let home = Home::new();
    std::fs::create_dir(home.path("work")).unwrap();
    let program = home.path("work/sleep");
    let copied = Command::new("cp").arg("/bin/sleep").arg(&program).status();
    assert!(copied.unwrap().success());
    let work = home.path("work");
    home.snapshot(&work).ok();
    let saved = std::fs::read(&program).unwrap();
    for options in [&[][..], &["--in-place"]] {
        // Another time, and something behind its end; it runs all the same.
        let more = Command::new("sh").args(["-c", "printf more >> \"$0\""]).arg(&program).status();
        assert!(more.unwrap().success());
        let mut running = Command::new(&program).arg("100").stdin(Stdio::null()).spawn().unwrap();
        let before = program.metadata().unwrap().ino();
        let ran = restore(&home, &latest(&work), &work, options);
        assert!(running.try_wait().unwrap().is_none());
        running.kill().unwrap();
        running.wait().unwrap();
        ran.ok();
        assert!(std::fs::read(&program).unwrap() == saved);
        assert_ne!(program.metadata().unwrap().ino(), before);
        assert!(!work.join(".esker-restore-journal").exists());
    }
}

#[test]
fn on_a_full_disk_every_file_stays_whole_and_with_room_the_next_run_goes_on() {
    let home = Home::new();
    let Some(disk) = Mounted::new(home.path("disk"), 12) else { return };
    for number in 0..8 {
        home.write(&format!("work/{number}"), Draw::new(number).noise(1 << 20));
    }
    let work = home.path("work");
    home.snapshot(&work).ok();
    let target = disk.path().join("target");
    restore(&home, &latest(&work), &target, &[]).ok();
    let old = |number: u64| Draw::new(100 + number).noise(1 << 20);
    for number in 0..8 {
        std::fs::write(target.join(number.to_string()), old(number)).unwrap();
    }
    // No room for even one more file.
    std::fs::write(disk.path().join("filler"), vec![1; (3 << 20) + (700 << 10)]).unwrap();
    let ran = restore(&home, &latest(&work), &target, &[]).exit(1);
    ran.says(&["error: ", "hint: make room"]);
    for number in 0..8 {
        let now = std::fs::read(target.join(number.to_string())).unwrap();
        assert!(now == old(number) || now == Draw::new(number).noise(1 << 20), "{number}");
    }
    std::fs::remove_file(disk.path().join("filler")).unwrap();
    restore(&home, &latest(&work), &target, &[]).ok();
    if needs("rsync") && needs("find") {
        assert_eq!(differences(&work, &target), Vec::<String>::new());
    }
}

#[test]
fn a_file_system_without_attributes_gets_all_the_rest() {
    let home = Home::new();
    let file = home.write("work/file", "content");
    let flags = rustix::fs::XattrFlags::empty();
    if rustix::fs::setxattr(&file, "user.note", b"x", flags).is_err() {
        return skipped("needs extended attributes");
    }
    home.snapshot(home.path("work")).ok();
    std::fs::create_dir(home.path("disk")).unwrap();
    let disk = home.path("disk");
    let mounted = Command::new("mount").args(["-t", "ramfs", "none"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return skipped("needs the right to mount a file system");
    }
    let target = disk.join("target");
    let mut runs = Vec::new();
    for _ in 0..2 {
        runs.push(restore(&home, &latest(&home.path("work")), &target, &[]));
    }
    let there = std::fs::read_to_string(target.join("file"));
    let takes = rustix::fs::setxattr(target.join("file"), "user.note", b"x", flags).is_ok();
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    if takes {
        return skipped("needs a file system without extended attributes");
    }
    assert_eq!(there.unwrap(), "content");
    for ran in runs {
        ran.exit(3).says(&["user.note", "target/file"]);
    }
}

#[test]
fn a_target_that_cannot_be_written_is_left_alone_and_an_equal_one_needs_no_writing() {
    let home = Home::new();
    let Some(disk) = Mounted::new(home.path("disk"), 8) else { return };
    let file = home.write("work/file", "saved");
    home.snapshot(home.path("work")).ok();
    let (what, target) = (latest(&home.path("work")), disk.path().join("target"));
    restore(&home, &what, &target, &[]).ok();
    let remount = |how: &str| {
        let status = Command::new("mount").args(["-o", how]).arg(disk.path()).status();
        assert!(status.unwrap().success());
    };
    remount("remount,ro");
    let equal = restore(&home, &what, &target, &[]).ok();
    assert_eq!(counts(&equal), [0, 0, 2, 0, 0]);
    remount("remount,rw");
    std::fs::write(target.join("file"), "mine").unwrap();
    remount("remount,ro");
    restore(&home, &what, &target, &[])
        .exit(1)
        .says(&["Read-only", "hint: name a directory that can"]);
    assert_eq!(std::fs::read(target.join("file")).unwrap(), b"mine");
    assert_eq!(std::fs::read(file).unwrap(), b"saved");
}

#[test]
fn who_is_not_root_restores_over_his_own_and_finds_nothing_to_do_the_next_time() {
    let home = Home::new();
    home.write("work/shut/file", "saved");
    home.write("work/readonly", "saved");
    let work = home.path("work");
    let run =
        |arguments: &[&str]| crate::support::Ran::of(home.command_without_root().args(arguments));
    for (path, mode) in [("work/shut", 0o500), ("work/readonly", 0o400)] {
        std::fs::set_permissions(home.path(path), PermissionsExt::from_mode(mode)).unwrap();
    }
    run(&["snapshot", work.to_str().unwrap()]).ok();
    for path in ["work/shut/file", "work/readonly"] {
        std::fs::remove_file(home.path(path)).unwrap();
        std::fs::write(home.path(path), "longer than it was").unwrap();
        let nobody = rustix::process::geteuid().is_root().then_some(65_534);
        std::os::unix::fs::chown(home.path(path), nobody, nobody).unwrap();
    }
    let arguments = ["restore", "--json", &latest(&work), work.to_str().unwrap()];
    assert_eq!(counts(&run(&arguments).ok())[..2], [0, 4]);
    assert_eq!(std::fs::read(home.path("work/shut/file")).unwrap(), b"saved");
    let mode = |path: &str| home.path(path).metadata().unwrap().mode() & 0o777;
    assert_eq!((mode("work/shut"), mode("work/readonly")), (0o500, 0o400));
    assert_eq!(counts(&run(&arguments).ok())[..2], [0, 0]);
}

#[test]
fn words_that_make_no_sense_together_are_refused() {
    let home = Home::new();
    home.snapshot(home.write("work/file", "")).ok();
    for options in [
        &["--swap", "--delete"][..],
        &["--swap", "--dry-run"],
        &["--dry-run", "--verify"],
        &["--yes"],
        &["--overwrite", "sometimes"],
        &["--owner", "nobody"],
    ] {
        let ran = restore(&home, "latest", &home.path("target"), options).exit(1);
        ran.says(&["error: "]);
        assert!(!home.path("target").exists(), "{options:?}");
    }
}

#[test]
fn a_user_restores_his_own_into_directories_above_which_he_may_write_nothing() {
    if !rustix::process::geteuid().is_root() {
        return skipped("needs root");
    }
    let home = Home::new();
    home.write("work/mine/file", "saved");
    home.write("work/mine/folder/file", "saved");
    let work = home.path("work");
    let run =
        |arguments: &[&str]| crate::support::Ran::of(home.command_without_root().args(arguments));
    run(&["snapshot", work.to_str().unwrap()]).ok();
    std::os::unix::fs::chown(&work, Some(0), Some(0)).unwrap();
    std::fs::remove_dir_all(work.join("mine/folder")).unwrap();
    std::fs::write(work.join("mine/file"), "changed").unwrap();
    let what = latest(&work);
    let options = ["--include", "mine", "--in-place"];
    let arguments = [&["restore", &what, work.to_str().unwrap()], &options[..]].concat();
    run(&arguments).ok();
    for path in ["mine/file", "mine/folder/file"] {
        assert_eq!(std::fs::read(work.join(path)).unwrap(), b"saved", "{path}");
    }
}

#[test]
fn what_has_the_name_of_the_journal_is_not_restored_and_named() {
    for folder in [false, true] {
        let home = Home::new();
        home.write("work/file", "saved");
        match folder {
            true => home.write("work/.esker-restore-journal/deep/file", "x"),
            false => home.write("work/.esker-restore-journal", "writing /file\n"),
        };
        let work = home.path("work");
        home.snapshot(&work).ok();
        let target = home.path("target");
        for _ in 0..2 {
            let ran = restore(&home, &latest(&work), &target, &["--delete"]).exit(3);
            ran.says(&[".esker-restore-journal", "keeps its journal under this name"]);
            assert_eq!(std::fs::read_dir(&target).unwrap().count(), 1);
        }
    }
}
