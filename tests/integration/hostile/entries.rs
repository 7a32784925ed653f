//! Entries of the log that are flipped, missing, or written twice.

use super::{expect_restored, forget_all, listed, save, saved};
use crate::support::Home;
use std::path::{Path, PathBuf};

fn entry(home: &Home, number: u64) -> PathBuf {
    home.repository().join(format!("log/0/{number}"))
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// The commits of `saved` are the entries from here on: genesis and the owner's writer come first.
const FIRST: u64 = 2;

#[test]
fn behind_a_flipped_entry_nothing_is_written_and_what_came_before_is_restored() {
    let (home, source, ids) = saved(4);
    let bad = entry(&home, FIRST + 2);
    let good = std::fs::read(&bad).unwrap();
    flip(&bad);
    let cut = ["the log cannot be read from log/0/4 on", "checksum mismatch"];
    let check = home.run(["check"]).exit(4);
    check.says(&["log/0/4 is damaged", "brings the entry back from another copy"]);
    // Who has read the log before loses nothing.
    assert_eq!(listed(&home), ids);
    let another = save(&home, &source, &[]);
    forget_all(&home);
    let seen = home.run(["snapshots", "--json"]).ok().says(&cut);
    assert_eq!(seen.json().len(), 2);
    expect_restored(&home, &ids[1], &source, 2);
    let gone = home.restore(&ids[3], home.path("gone")).exit(4);
    gone.says(&["as far as the log could be read", "`esker check` says what is damaged"]);
    let files = std::fs::read_dir(bad.parent().unwrap()).unwrap().count();
    let source_text = source.to_str().unwrap();
    for words in [&["snapshot", source_text][..], &["forget", &ids[0]], &["gc", "--grace", "0"]] {
        home.run(words).exit(4).says(&cut).says(&["brings the entry back from another copy"]);
    }
    assert_eq!(std::fs::read_dir(bad.parent().unwrap()).unwrap().count(), files);
    let check = home.run(["check", "--json"]).exit(4).json();
    assert!(check.iter().all(|row| row["kind"] != "leftover"), "{check:?}");
    // With the entry all is as it was.
    std::fs::write(bad, good).unwrap();
    assert_eq!(listed(&home).last(), Some(&another));
    expect_restored(&home, &ids[3], &source, 4);
    save(&home, &source, &[]);
    home.run(["check", "--read-data"]).ok().says_nothing();
}

#[test]
fn a_flipped_last_entry_is_no_reason_to_write_over_it() {
    let (home, source, ids) = saved(3);
    let bad = entry(&home, FIRST + 2);
    flip(&bad);
    let damaged = std::fs::read(&bad).unwrap();
    let cut = ["the log cannot be read from log/0/4 on"];
    home.run(["snapshot", source.to_str().unwrap()]).exit(4).says(&cut);
    home.run(["snapshots"]).ok().says(&cut);
    expect_restored(&home, &ids[1], &source, 2);
    assert_eq!(std::fs::read(&bad).unwrap(), damaged);
}

#[test]
fn a_missing_entry_keeps_new_machines_from_writing_and_no_other_from_reading() {
    let (home, source, ids) = saved(4);
    let lost = entry(&home, FIRST + 1);
    let good = std::fs::read(&lost).unwrap();
    std::fs::remove_file(&lost).unwrap();
    let gap = ["the log breaks at log/0/3: it is missing, and log/0/4 is there"];
    home.run(["check"]).exit(4).says(&["log/0/3 breaks the log: it is missing"]);
    expect_restored(&home, &ids[3], &source, 4);
    forget_all(&home);
    let seen = home.run(["snapshots"]).ok().says(&gap);
    assert!(seen.out.contains(&ids[0][..16]) && !seen.out.contains(&ids[1][..16]), "{}", seen.out);
    expect_restored(&home, &ids[0], &source, 1);
    forget_all(&home);
    home.restore(&ids[3], home.path("gone")).exit(4).says(&["as far as the log could be read"]);
    let source_text = source.to_str().unwrap();
    for words in [
        &["snapshot", source_text][..],
        &["forget", "--whole-series", &ids[0]],
        &["gc", "--grace", "0"],
    ] {
        home.run(words).exit(4).says(&gap).says(&["brings it back from another copy"]);
    }
    let check = home.run(["check"]).exit(4).says(&["log/0/3 breaks the log"]);
    assert!(!check.err.contains("`esker gc` removes"), "{}", check.err);
    assert!(!lost.exists());
    std::fs::write(lost, good).unwrap();
    assert_eq!(listed(&home), ids);
    save(&home, &source, &[]);
    home.run(["check", "--read-data"]).ok().says_nothing();
}

/// Whoever may only put objects can do that: a copy of another entry, where the next one belongs.
#[test]
fn an_entry_that_is_written_twice_takes_nothing_from_who_reads() {
    let (home, source, ids) = saved(3);
    let twice = entry(&home, FIRST + 3);
    for of in [FIRST, FIRST + 2] {
        std::fs::copy(entry(&home, of), &twice).unwrap();
        let cut = ["the log cannot be read from log/0/5 on", "sequence number"];
        for anew in [false, true] {
            if anew {
                forget_all(&home);
            }
            let seen = home.run(["snapshots", "--json"]).ok().says(&cut).json();
            assert_eq!(seen.len(), 3);
            expect_restored(&home, &ids[2], &source, 3);
            let said = home.snapshot(&source).exit(4);
            said.says(&cut)
                .says(&["should it be nobody's (a copy of another entry, say), remove it"]);
        }
        home.run(["check"]).exit(4).says(&["log/0/5 is damaged"]);
        std::fs::remove_file(&twice).unwrap();
    }
    save(&home, &source, &[]);
    home.run(["check", "--read-data"]).ok().says_nothing();
}

#[test]
fn an_entry_that_lies_in_another_folder_too_is_nothing() {
    let (home, source, ids) = saved(3);
    let folder = home.repository().join("log/1");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(entry(&home, FIRST + 1), folder.join((FIRST + 1).to_string())).unwrap();
    forget_all(&home);
    assert_eq!(listed(&home), ids);
    home.snapshot(&source).ok().says_nothing();
    home.run(["check", "--read-data"]).ok().says_nothing();
}
