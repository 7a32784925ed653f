//! A restore that is killed at any of its calls: each file is old or new, or named in the
//! journal, and the next run ends as if nothing had been.

use super::listing::{Entry, listing};
use super::{is_litter, latest};
use crate::support::{Draw, Home, Ran, differences, needs, skipped};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const JOURNAL: &str = ".esker-restore-journal";

pub(super) fn grow(home: &Home) -> PathBuf {
    let mut draw = Draw::new(3);
    for number in 0..20 {
        home.write(&format!("work/{}/{number}", number % 2), draw.noise(70 << 10));
    }
    home.write("work/gone/deep/file", draw.noise(200 << 10));
    home.write("work/large", draw.noise(3 << 20));
    std::fs::hard_link(home.path("work/0/0"), home.path("work/linked")).unwrap();
    std::os::unix::fs::symlink("target", home.path("work/symlink")).unwrap();
    home.path("work")
}

/// The same changes each time.
pub(super) fn change(work: &Path) {
    let some = (2..18).map(|number| format!("{}/{number}", number % 2));
    for name in some.chain(["large".to_owned()]) {
        let file = std::fs::File::options().write(true).open(work.join(&name)).unwrap();
        file.write_all_at(b"changed", 50_000).unwrap();
        if name == "large" {
            (1..3).for_each(|n| file.write_all_at(b"changed", n << 20).unwrap());
        }
    }
    std::fs::remove_dir_all(work.join("gone")).unwrap();
    std::fs::remove_file(work.join("linked")).unwrap();
    std::fs::copy(work.join("0/0"), work.join("linked")).unwrap();
    std::fs::remove_file(work.join("symlink")).unwrap();
    std::fs::write(work.join("symlink"), "a file").unwrap();
    std::fs::write(work.join("1/extra"), "extra").unwrap();
    std::fs::create_dir(work.join("0/extra")).unwrap();
    std::fs::write(work.join("0/extra/inside"), "extra").unwrap();
}

/// Whether files may be killed at calls here.
fn can_inject(home: &Home) -> bool {
    if !needs("strace") || !needs("rsync") || !needs("find") {
        return false;
    }
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=9999", "true"]);
    let works = command.current_dir(home.path("")).status().is_ok_and(|status| status.success());
    if !works {
        skipped("needs a strace that may trace");
    }
    works
}

fn killed(home: &Home, work: &Path, call: &str, number: u32, options: &[&str]) -> Ran {
    let program = home.command();
    let mut traced = Command::new("strace");
    let inject = format!("inject={call}:signal=KILL:when={number}");
    traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
    traced.arg(program.get_program()).args(["restore", "--quiet", "--delete", "--threads", "1"]);
    traced.args(options).arg(latest(work)).arg(work).stdin(Stdio::null());
    traced.env_clear();
    traced.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Ran::of(&mut traced)
}

/// What is neither old nor new: files that the journal names, and how many, and all others.
fn torn(
    work: &Path,
    old: &BTreeMap<Vec<u8>, Entry>,
    new: &BTreeMap<Vec<u8>, Entry>,
) -> (u32, Vec<String>) {
    let journal = std::fs::read_to_string(work.join(JOURNAL)).unwrap_or_default();
    let named = |path: &str| {
        journal.lines().any(|line| match line.split_once(' ') {
            Some(("writing", name)) => name == format!("/{path}"),
            Some(("making", name)) => format!("/{path}/").starts_with(&format!("{name}/")),
            _ => false,
        })
    };
    // Owner, mode and time come last: what counts is which bytes are there.
    let content = |entry: &Entry| entry.state.split(") ").last().map(str::to_owned);
    let (mut halves, mut found) = (0, Vec::new());
    for (path, entry) in listing(work) {
        let name = String::from_utf8_lossy(&path).into_owned();
        if work.join(&name).is_dir() || name.split('/').any(is_litter) {
            continue;
        }
        let whole = [old, new]
            .iter()
            .filter_map(|tree| tree.get(&path))
            .any(|other| content(other) == content(&entry));
        if !whole && named(&name) {
            halves += 1;
        } else if !whole {
            found.push(name);
        }
    }
    for (path, _) in old.iter().filter(|(path, _)| new.contains_key(*path)) {
        let name = String::from_utf8_lossy(path).into_owned();
        if !work.join(&name).is_dir() && work.join(&name).symlink_metadata().is_err() {
            found.push(format!("{name} is gone"));
        }
    }
    (halves, found)
}

/// Kills at every call; true when files were half written and named at some of them.
fn at_every(calls: &[&str], options: &[&str]) -> Option<bool> {
    let home = Home::new();
    if !can_inject(&home) {
        return None;
    }
    let work = grow(&home);
    home.snapshot(&work).ok();
    home.run(["restore", &latest(&work), home.path("twin").to_str().unwrap()]).ok();
    change(&work);
    let (old, new) = (listing(&work), listing(&home.path("twin")));
    let save = |from: &Path, to: &Path| {
        let copied = Command::new("rsync")
            .args(["-aHAXc", "--delete", "--modify-window=-1"])
            .args([from.join(""), to.join("")])
            .status();
        assert!(copied.unwrap().success());
    };
    save(&work, &home.path("changed"));
    let (mut kills, mut halves) = (0, 0);
    for call in calls {
        for number in 1..200 {
            save(&home.path("changed"), &work);
            let ran = killed(&home, &work, call, number, options);
            if ran.code == 0 {
                break;
            }
            assert_eq!(ran.code, 137, "{call} {number}: {}", ran.err);
            kills += u64::from(work.join(JOURNAL).exists());
            let (named, found) = torn(&work, &old, &new);
            halves += named;
            assert!(found.is_empty(), "{call} {number}: {found:?}");
            let mut next =
                vec!["restore".to_owned(), "--delete".to_owned(), "--threads=1".to_owned()];
            next.extend(options.iter().map(|option| (*option).to_owned()));
            next.extend([latest(&work), work.display().to_string()]);
            home.run(next).ok().says_nothing();
            let found = differences(&home.path("twin"), &work);
            assert!(found.is_empty(), "{call} {number}: {found:?}");
        }
    }
    assert!(kills > 5, "{kills}");
    Some(halves > 0)
}

#[test]
fn killed_while_it_writes_a_restore_leaves_old_or_new() {
    let _ = at_every(&["pwrite64", "ftruncate", "copy_file_range"], &[]);
}

#[test]
fn killed_while_it_puts_things_in_place_a_restore_leaves_old_or_new() {
    let _ = at_every(&["/renameat", "linkat", "/^unlink", "/^mkdir", "/utimens"], &[]);
}

#[test]
fn killed_while_it_writes_in_place_a_restore_has_named_the_file() {
    let calls = ["pwrite64", "ftruncate", "fsync", "fdatasync", "write"];
    let halves = at_every(&calls, &["--in-place"]);
    assert_ne!(halves, Some(false), "it was killed in the middle of a file");
}

#[test]
fn killed_in_an_empty_target_a_restore_is_finished_by_the_next() {
    let home = Home::new();
    if !can_inject(&home) {
        return;
    }
    let work = grow(&home);
    home.snapshot(&work).ok();
    let target = home.path("target");
    let mut cut = 0;
    for number in 1..100 {
        let program = home.command();
        let mut traced = Command::new("strace");
        let inject = format!("inject=pwrite64:signal=KILL:when={number}");
        traced.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", &inject]);
        traced.arg(program.get_program());
        traced.args(["restore", "--threads=1", &latest(&work)]).arg(&target);
        traced.env_clear().envs(program.get_envs().filter_map(|(n, v)| Some((n, v?))));
        let ran = Ran::of(&mut traced);
        if ran.code == 0 {
            break;
        }
        assert_eq!(ran.code, 137, "{}", ran.err);
        // Before it comes to the target, it may write to its index database.
        cut += u64::from(target.join(JOURNAL).exists());
        // What is half made is nobody's, even where everything else would be kept.
        let finish = ["restore", "--overwrite=never", &latest(&work), target.to_str().unwrap()];
        home.run(finish).ok().says_nothing();
        assert_eq!(differences(&work, &target), Vec::<String>::new(), "{number}");
        std::fs::remove_dir_all(&target).unwrap();
    }
    assert!(cut > 5, "{cut}");
}

#[test]
fn what_another_restore_does_not_cover_is_named_until_it_is_restored() {
    let home = Home::new();
    let work = grow(&home);
    home.snapshot(&work).ok();
    let id = home.run(["snapshots", "--json"]).ok().json()[0]["id"].as_str().unwrap().to_owned();
    let journal =
        format!("esker-restore 0000000000000001 {id} {}\nwriting /large\n", work.display());
    std::fs::write(work.join(JOURNAL), journal).unwrap();
    let options = ["--include", "linked"];
    for _ in 0..2 {
        let ran = super::restore(&home, &latest(&work), &work, &options).exit(3);
        ran.says(&[work.join("large").to_str().unwrap(), "may be incomplete", &id]);
        assert!(work.join(JOURNAL).exists());
    }
    super::mutate::change_unseen(&work.join("large"), 5);
    super::restore(&home, &latest(&work), &work, &[]).ok().says_nothing();
    assert!(!work.join(JOURNAL).exists());
    let twin = home.path("twin");
    super::restore(&home, &latest(&work), &twin, &[]).ok();
    assert!(
        std::fs::read(work.join("large")).unwrap() == std::fs::read(twin.join("large")).unwrap()
    );
}

#[test]
fn killed_while_it_exchanges_a_swap_leaves_the_old_or_the_new_directory() {
    let home = Home::new();
    if !can_inject(&home) {
        return;
    }
    let work = grow(&home);
    home.snapshot(&work).ok();
    let twin = home.path("twin");
    home.run(["restore", &latest(&work), twin.to_str().unwrap()]).ok();
    change(&work);
    let changed = home.path("changed");
    let copied = Command::new("cp").arg("-a").args([&work, &changed]).status();
    assert!(copied.unwrap().success());
    let mut kills = 0;
    for call in ["/renameat", "fsync", "syncfs", "/^unlink"] {
        for number in 1..50 {
            let ran = killed_swap(&home, &work, call, number);
            if ran.code == 0 {
                break;
            }
            assert_eq!(ran.code, 137, "{call} {number}: {}", ran.err);
            kills += 1;
            let is_old = differences(&changed, &work).is_empty();
            assert!(is_old || differences(&twin, &work).is_empty(), "{call} {number}");
            // What `undo` would put back is never the new one.
            let undone = home.run(["undo", work.to_str().unwrap()]);
            assert!(!is_old || undone.code != 0, "{call} {number}");
        }
        home.run(["restore", "--swap", &latest(&work), work.to_str().unwrap()]).ok();
        assert_eq!(differences(&twin, &work), Vec::<String>::new(), "{call}");
        let left =
            std::fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().file_name());
        let half = left.filter(|name| name.to_str().unwrap().contains("work.esker-"));
        // One that was whole and had no name yet is nobody's to remove.
        for name in half {
            assert!(!home.path(&name).join(JOURNAL).exists(), "{name:?}");
        }
    }
    assert!(kills > 3, "{kills}");
}

fn killed_swap(home: &Home, work: &Path, call: &str, number: u32) -> Ran {
    let program = home.command();
    let mut traced = Command::new("strace");
    let inject = format!("inject={call}:signal=KILL:when={number}");
    traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
    traced.arg(program.get_program()).args(["restore", "--swap", "--quiet", "--threads", "1"]);
    traced.arg(latest(work)).arg(work).stdin(Stdio::null()).env_clear();
    traced.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Ran::of(&mut traced)
}
