//! What a run costs that finds little or nothing new.

use super::{counts, let_the_clock_tick};
use crate::support::{Draw, Home, Ran, needs};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn objects(home: &Home) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![home.repository()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.insert(path);
            }
        }
    }
    found
}

fn grown() -> (Home, PathBuf) {
    let home = Home::new();
    let mut draw = Draw::new(5);
    for number in 0..400 {
        home.write(&format!("work/{}/{number}", number / 50), draw.noise(2000));
    }
    home.write("work/large", draw.noise(9 << 20));
    let_the_clock_tick();
    let work = home.path("work");
    let ran = home.snapshot(&work).ok();
    assert!(!ran.err.contains("warning"), "{}", ran.err);
    (home, work)
}

#[test]
fn nothing_new_costs_one_manifest_and_one_log_entry() {
    let (home, work) = grown();
    let before = objects(&home);
    let found = counts(&home, &work, &[]);
    assert_eq!((&found["added_bytes"], &found["stored_bytes"]), (&0.into(), &0.into()));
    let after = objects(&home);
    let new: Vec<_> = after.difference(&before).collect();
    let below = |folder: &str| {
        new.iter().filter(|path| path.starts_with(home.repository().join(folder))).count()
    };
    assert_eq!((below("snapshot"), below("log"), new.len()), (1, 1, 2), "{new:?}");
}

#[test]
fn nothing_new_makes_no_snapshot_when_that_is_asked_for() {
    let (home, work) = grown();
    let before = objects(&home);
    let skip = ["snapshot".as_ref(), "--skip-if-unchanged".as_ref(), work.as_os_str()];
    let ran = home.run(skip).ok().says_nothing();
    assert!(ran.out.contains("unchanged"), "{}", ran.out);
    assert_eq!(objects(&home), before);
    std::fs::write(work.join("1/new"), "new").unwrap();
    home.run(skip).ok();
    assert_eq!(home.run(["snapshots", "--json"]).json().len(), 2);
    // Also without anything but the repository to compare with.
    let other = home.path("other");
    let skip = skip.into_iter().chain(["--cache-dir".as_ref(), other.as_os_str()]);
    home.run(skip).ok();
    assert_eq!(home.run(["snapshots", "--json"]).json().len(), 2);
}

#[test]
fn a_dry_run_says_what_it_would_add_and_writes_nothing() {
    let (home, work) = grown();
    std::fs::write(work.join("1/new"), Draw::new(9).noise(100_000)).unwrap();
    std::fs::remove_file(work.join("0/1")).unwrap();
    let before = objects(&home);
    let dry = counts(&home, &work, &["--dry-run"]);
    assert_eq!(objects(&home), before);
    let real = counts(&home, &work, &[]);
    for count in ["new", "changed", "unchanged", "removed", "files", "bytes", "added_bytes"] {
        assert_eq!(dry[count], real[count], "{count}: {dry} {real}");
    }
}

/// Names of files below `work` that a command opens, reads a link of, or asks attributes of.
fn touched(command: &mut Command, work: &Path, log: &Path) -> Vec<String> {
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-qq",
        "-y",
        "-e",
        "trace=openat,open,readlinkat,llistxattr,flistxattr,read,pread64,preadv2",
    ]);
    strace.arg("-o").arg(log).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    Ran::of(&mut strace).ok();
    let text = std::fs::read_to_string(log).unwrap();
    let work = work.to_str().unwrap();
    // A call that another thread interrupts has a second line, without what it was called with.
    let is_of_a_file = |line: &&str| {
        line.contains(work) && !line.contains("O_DIRECTORY") && !line.contains(" resumed>")
    };
    let lines = text.lines().filter(is_of_a_file);
    lines.map(str::to_owned).collect()
}

#[test]
fn nothing_but_its_stat_is_asked_of_a_file_that_did_not_change() {
    if !needs("strace") {
        return;
    }
    let (home, work) = grown();
    let log = home.path("log");
    let mut command = home.command();
    command.arg("snapshot").arg(&work);
    let calls = touched(&mut command, &work, &log);
    assert!(calls.is_empty(), "{calls:#?}");
    // Whoever looks must see.
    std::fs::write(work.join("3/160"), "changed").unwrap();
    let calls = touched(&mut command, &work, &log);
    assert!(!calls.is_empty() && calls.iter().all(|call| call.contains("160")), "{calls:#?}");
}

/// Saves unless nothing has changed, with the caches in a folder of their own; true when it did.
fn saved_if_changed(home: &Home, work: &Path, cache: &str) -> bool {
    let mut command = home.command();
    command.args(["snapshot", "--json", "--skip-if-unchanged", "--cache-dir"]);
    let ran = Ran::of(command.arg(home.path(cache)).arg(work)).ok();
    !ran.json().pop().unwrap()["snapshot"].is_null()
}

#[test]
fn unchanged_means_equal_to_the_last_snapshot_and_not_to_the_last_of_this_cache() {
    let (home, work) = grown();
    let file = work.join("3/160");
    let old = std::fs::read(&file).unwrap();
    assert!(!saved_if_changed(&home, &work, "cache/esker"));
    std::fs::write(&file, "changed").unwrap();
    assert!(saved_if_changed(&home, &work, "another"));
    std::fs::write(&file, &old).unwrap();
    assert!(saved_if_changed(&home, &work, "cache/esker"), "the last one has the change");
    assert_eq!(home.run(["snapshots", "--json"]).json().len(), 3);
}

#[test]
fn what_was_lost_and_is_stored_again_is_worth_a_snapshot() {
    let (home, work) = grown();
    for pack in objects(&home).iter().filter(|p| p.starts_with(home.repository().join("pack"))) {
        std::fs::remove_file(pack).unwrap();
    }
    home.run(["check"]).exit(4);
    assert!(saved_if_changed(&home, &work, "cache/esker"));
    home.restore("latest", home.path("target")).ok();
    assert!(!saved_if_changed(&home, &work, "cache/esker"), "and then nothing is new again");
}

#[test]
fn entries_that_are_there_are_not_counted_as_gone_when_rows_are_not_certain() {
    let (home, work) = grown();
    let pack = objects(&home).into_iter().find(|p| p.starts_with(home.repository().join("pack")));
    std::fs::remove_file(pack.unwrap()).unwrap();
    std::fs::remove_file(work.join("0/7")).unwrap();
    let found = counts(&home, &work, &[]);
    assert_eq!((&found["new"], &found["removed"]), (&0.into(), &1.into()), "{found}");
}
