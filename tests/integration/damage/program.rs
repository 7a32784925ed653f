//! The same through the program: exit codes and words.

use super::change::{Change, kind};
use super::sample::load;
use crate::support::{Draw, Home, Ran, differences};
use std::collections::BTreeSet;
use std::path::Path;

/// Exit codes that say that nothing could be opened: damage, no repository, wrong key.
const REFUSED: [i32; 3] = [4, 10, 12];

/// Files that differ from what was saved, by their absolute paths.
fn changed(saved: &Path, restored: &Path) -> Vec<String> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(saved).unwrap() {
        let path = entry.unwrap().path();
        let there = restored.join(path.file_name().unwrap());
        if path.is_dir() && there.is_dir() {
            out.extend(changed(&path, &there));
        } else if path.is_dir()
            || std::fs::read(&path).unwrap() != std::fs::read(there).unwrap_or_default()
        {
            out.push(path.to_str().unwrap().to_owned());
        }
    }
    out
}

#[test]
fn the_program_ends_with_exit_code_4_and_names_what_is_lost() {
    let home = Home::new();
    for number in 0..40 {
        home.write(&format!("work/{number}"), Draw::new(number).noise(3000));
    }
    let work = home.path("work");
    home.snapshot(&work).ok();
    let objects = load(&home.repository());
    let mut seen = BTreeSet::new();
    for name in objects.keys() {
        let len = objects[name].len() as u64;
        let changes = [
            Change::Flip { bit: 9 * 8 },
            Change::Flip { bit: len / 2 * 8 },
            Change::Flip { bit: len * 8 - 8 },
            Change::Truncate { len: 0 },
            Change::Truncate { len: len - 1 },
            Change::Delete,
        ];
        for change in changes {
            let path = home.repository().join(name);
            std::fs::remove_file(&path).unwrap();
            if let Some(bytes) = change.bytes(&objects, name) {
                std::fs::write(&path, bytes).unwrap();
            }
            let _ = std::fs::remove_dir_all(home.path("cache"));
            let (what, target) = (format!("latest:{}", work.display()), home.path("target"));
            let ran = home.restore(&what, &target);
            let check = home.run(["check", "--read-data"]);
            let case = format!("{name} {change:?}\nrestore: {ran:?}\ncheck: {check:?}");
            assert!(!format!("{}{}", ran.err, check.err).contains("panicked"), "{case}");
            // The last entry of a log has nobody who misses it.
            let is_end = *name == format!("log/0/{}", last(&objects)) && change == Change::Delete;
            assert!(is_end || REFUSED.contains(&check.code), "{case}");
            assert!(is_end || check.err.contains("error: "), "{case}");
            if target.exists() {
                let changed = changed(&work, &target);
                assert_eq!(ran.code, if changed.is_empty() { 0 } else { 4 }, "{case}");
                let silent = changed.iter().find(|path| !ran.err.contains(*path));
                assert!(silent.is_none() || ran.err.contains("entries behind it"), "{case}");
                std::fs::remove_dir_all(&target).unwrap();
            } else {
                // Without the entry that made it there is no such snapshot, and the log is named.
                let told = ran.code == 1 && kind(name) == "log" && ran.err.contains(name);
                assert!(is_end || told || REFUSED.contains(&ran.code), "{case}");
                assert!(ran.err.starts_with("error: ") || ran.err.contains("\nerror: "), "{case}");
            }
            seen.insert((kind(name), ran.code));
            std::fs::write(&path, &objects[name]).unwrap();
        }
    }
    for expected in [("config", 4), ("log", 4), ("snapshot", 4), ("pack", 4), ("index", 0)] {
        assert!(seen.contains(&expected), "{expected:?} is not among {seen:?}");
    }
    home.run(["check", "--read-data"]).ok();
}

fn last(objects: &super::change::Objects) -> u64 {
    let numbers = objects.keys().filter_map(|name| name.strip_prefix("log/0/")?.parse().ok());
    numbers.max().unwrap()
}

#[test]
fn whoever_read_a_log_before_notices_that_its_end_was_taken_away() {
    let home = Home::new();
    let file = home.write("work/file", "");
    (0..2).for_each(|_| drop(home.snapshot(&file).ok()));
    let log = home.repository().join("log/0");
    let last = std::fs::read_dir(&log).unwrap().map(|e| e.unwrap().path()).max().unwrap();
    std::fs::remove_file(&last).unwrap();
    // It is said until somebody says that it is right so, and nothing is written until then.
    for _ in 0..2 {
        let ran =
            home.run(["snapshots", "--json"]).ok().says(&["warning: ", "was seen here before"]);
        assert_eq!(ran.json().len(), 1);
        home.snapshot(&file).exit(4);
    }
    home.run(["check", "--read-data", "--accept-history"]).ok();
    home.snapshot(&file).ok().says_nothing();
    home.run(["check", "--read-data"]).ok();
}

#[test]
fn a_base_that_cannot_be_read_is_no_reason_to_save_nothing() {
    let home = Home::new();
    for number in 0..300 {
        home.write(&format!("work/{number}"), number.to_string());
    }
    let work = home.path("work");
    home.snapshot(&work).ok();
    for name in load(&home.repository()).keys().filter(|name| kind(name) == "pack") {
        // It is there, it is not damaged, and no byte of it can be read.
        let path = home.repository().join(name);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(path).unwrap();
    }
    // With nothing but the base to compare with, and with the file table.
    let caches = [home.path("other"), home.path("cache/esker")];
    for (cache, unchanged) in caches.iter().zip([false, true]) {
        let ran = Ran::of(
            home.command().args(["snapshot", "--json", "--cache-dir"]).arg(cache).arg(&work),
        );
        let counts = &ran.ok().json()[0]["counts"];
        assert_eq!(counts["files"], 300);
        assert_eq!(counts["unchanged"].as_u64().unwrap() >= 300, unchanged, "{counts}");
        let target = home.path(format!("target {unchanged}"));
        home.restore("latest", &target).ok();
        let restored = target.join(work.strip_prefix("/").unwrap());
        assert_eq!(differences(&work, &restored), Vec::<String>::new());
    }
}
