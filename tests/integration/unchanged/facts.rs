//! Changes that hide well are found.

use super::{counts, entries, let_the_clock_tick};
use crate::support::{Home, Ran};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A home with a directory of a few files, saved twice, so that all of them are known.
fn known() -> (Home, PathBuf) {
    let home = Home::new();
    for number in 0..100 {
        home.write(&format!("work/folder/{number:03}"), format!("content {number} {:0600}", 0));
    }
    let work = home.path("work");
    let_the_clock_tick();
    home.snapshot(&work).ok();
    assert_eq!(counts(&home, &work, &[])["changed"], 0);
    (home, work)
}

#[track_caller]
fn content(home: &Home, path: &Path) -> String {
    home.run(["cat", &format!("latest:{}", path.display())]).ok().out
}

fn other(old: &str) -> String {
    old.replacen("content", "CONTENT", 1)
}

#[test]
fn the_same_length_and_time_put_back_are_found() {
    let (home, work) = known();
    let file = work.join("folder/042");
    let old = std::fs::read_to_string(&file).unwrap();
    let reference = home.write("reference", "");
    let touch = |from: &Path, to: &Path| {
        let touched = Command::new("touch").arg("-r").arg(from).arg(to).status();
        assert!(touched.unwrap().success());
    };
    touch(&file, &reference);
    std::fs::write(&file, other(&old)).unwrap();
    touch(&reference, &file);
    home.snapshot(&work).ok();
    assert_eq!(content(&home, &file), other(&old));
}

#[test]
fn a_file_renamed_over_it_with_equal_length_and_time_is_found() {
    let (home, work) = known();
    let file = work.join("folder/042");
    let old = std::fs::read_to_string(&file).unwrap();
    // As old as the other in every way, and made before the last snapshot.
    let new = home.write("elsewhere", other(&old));
    let time = file.metadata().unwrap().modified().unwrap();
    File::options().write(true).open(&new).unwrap().set_modified(time).unwrap();
    std::fs::rename(&new, &file).unwrap();
    assert_eq!(counts(&home, &work, &["--ignore-ctime"])["files"], 100);
    assert_eq!(content(&home, &file), other(&old));
}

#[test]
fn a_change_in_a_directory_that_looks_old_is_found() {
    let (home, work) = known();
    let file = work.join("folder/042");
    let old = std::fs::read_to_string(&file).unwrap();
    let before = work.join("folder").metadata().unwrap().modified().unwrap();
    std::fs::write(&file, other(&old)).unwrap();
    assert_eq!(work.join("folder").metadata().unwrap().modified().unwrap(), before);
    let counts = counts(&home, &work, &[]);
    assert_eq!(
        (&counts["changed"], &counts["unchanged"]),
        (
            &1.into(),
            &(counts["files"].as_u64().unwrap() - 1 + counts["directories"].as_u64().unwrap())
                .into()
        )
    );
    assert_eq!(content(&home, &file), other(&old));
}

#[test]
fn writes_within_one_tick_of_the_clock_are_found() {
    let home = Home::new();
    let file = home.write("work/file", "00");
    for number in 1..40 {
        home.snapshot(home.path("work")).ok();
        // The shortest of moments after it was looked at, with the same length.
        std::fs::write(&file, format!("{number:02}")).unwrap();
        home.snapshot(home.path("work")).ok();
        assert_eq!(content(&home, &file), format!("{number:02}"));
    }
}

#[test]
fn a_mode_or_an_attribute_is_found_without_its_content_being_new() {
    let (home, work) = known();
    std::fs::set_permissions(work.join("folder/007"), PermissionsExt::from_mode(0o600)).unwrap();
    let found = counts(&home, &work, &[]);
    assert_eq!((&found["changed"], &found["removed"]), (&1.into(), &0.into()));
    assert!(entries(&home).lines().any(|l| l.contains("007") && l.contains("\"mode\":384")));
}

#[test]
fn what_is_ignored_is_not_looked_at_and_force_reads_everything() {
    let (home, work) = known();
    let file = work.join("folder/042");
    let old = std::fs::read_to_string(&file).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    std::fs::write(&file, other(&old)).unwrap();
    File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    // As told: only length and time count.
    counts(&home, &work, &["--ignore-ctime"]);
    assert_eq!(content(&home, &file), old);
    counts(&home, &work, &["--ignore-ctime", "--force"]);
    assert_eq!(content(&home, &file), other(&old));
    // The same bytes in another inode.
    std::fs::copy(&file, work.join("copy")).unwrap();
    std::fs::rename(work.join("copy"), &file).unwrap();
    File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    let options = ["--ignore-ctime", "--ignore-inode", "-v"];
    let ran = Ran::of(home.command().arg("snapshot").args(options).arg(&work)).ok();
    let line = format!(". {}\n", file.display());
    assert!(ran.out.contains(&line), "{}", ran.out);
}

#[test]
fn a_file_that_only_grew_is_saved_to_its_first_length_and_looked_at_again() {
    let (home, work) = known();
    let log = home.write("work/folder/log", "first\n");
    // It grows all the time that the run takes.
    let stop = std::sync::atomic::AtomicBool::new(false);
    let grow = || {
        use std::io::Write;
        let mut file = File::options().append(true).open(&log).unwrap();
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            file.write_all(b"more\n").unwrap();
        }
    };
    let run = |options: &[&str]| {
        std::thread::scope(|scope| {
            scope.spawn(grow);
            let mut command = home.command();
            let ran = Ran::of(command.args(["snapshot", "--json"]).args(options).arg(&work));
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            ran
        })
    };
    let ran = run(&["--allow-changing", "folder/l*"]);
    let shown = ran.json().pop().unwrap();
    // It takes luck to be in time for a change, and none to know what was saved.
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!((&shown["problems_total"], &shown["complete"]), (&0.into(), &true.into()));
    let saved = content(&home, &log);
    assert!(saved.starts_with("first\n") && saved.ends_with('\n'), "{saved}");
    home.snapshot(&work).ok();
    assert_eq!(content(&home, &log), std::fs::read_to_string(&log).unwrap());
}

#[test]
fn a_table_that_is_newer_than_the_log_is_believed_only_as_far_as_chunks_are_found() {
    let (home, work) = known();
    let keep = home.path("keep");
    let copy = |from: &Path, to: &Path| {
        let _ = std::fs::remove_dir_all(to);
        assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    };
    copy(&home.repository(), &keep);
    // Large enough to be stored in a pack that the older copy does not have.
    for number in 0..40 {
        home.write(
            &format!("work/folder/{number:03}"),
            crate::support::Draw::new(number).noise(5000),
        );
    }
    let_the_clock_tick();
    home.snapshot(&work).ok();
    copy(&keep, &home.repository());
    home.snapshot(&work).exit(4).says(&["was seen here before"]);
    let words = [OsStr::new("snapshot"), OsStr::new("--accept-history"), work.as_os_str()];
    home.run(words).ok().says(&["accepted the log as it is now"]);
    home.run(["check", "--read-data"]).ok();
    let target = home.path("target");
    home.restore("latest", &target).ok();
    let restored = target.join(work.strip_prefix("/").unwrap());
    assert_eq!(crate::support::differences(&work, &restored), Vec::<String>::new());
    // And now everything is known again.
    assert_eq!(counts(&home, &work, &[])["new"], 0);
}

#[test]
fn what_has_several_names_is_not_taken_over_without_its_inode() {
    let (home, work) = known();
    let (first, out, second) = (work.join("folder/a"), home.path("out"), work.join("folder/z"));
    std::fs::write(&first, "AAAA").unwrap();
    std::fs::hard_link(&first, &out).unwrap();
    let_the_clock_tick();
    home.snapshot(&work).ok();
    // Its other name becomes another file's, and it itself is another inode of the same looks.
    let time = first.metadata().unwrap().modified().unwrap();
    std::fs::remove_file(&first).unwrap();
    std::fs::write(&first, "AAAA").unwrap();
    File::options().write(true).open(&first).unwrap().set_modified(time).unwrap();
    std::fs::write(&out, "another").unwrap();
    std::fs::hard_link(&out, &second).unwrap();
    counts(&home, &work, &["--ignore-inode", "--ignore-ctime"]);
    let target = home.path("target");
    home.restore("latest", &target).ok();
    let restored = target.join(work.strip_prefix("/").unwrap()).join("folder");
    assert_eq!(std::fs::read_to_string(restored.join("a")).unwrap(), "AAAA");
    assert_eq!(std::fs::read_to_string(restored.join("z")).unwrap(), "another");
}
