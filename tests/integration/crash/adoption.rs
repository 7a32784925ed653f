//! What a killed run has uploaded is not uploaded again, and what it has read is not read again.

use super::scene::{files, tell};
use super::traced::{Moment, can_trace, struck, watched};
use crate::support::{Draw, Home, Ran, differences, needs};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of each file: so few that a pack of 16 MiB has many leaves of the path map.
const FILE: usize = 8 << 10;
const FILES: u64 = 5000;
/// Most entries of a leaf (docs/format.md).
const LEAF: u64 = 1024;
/// What the path map of all files and the directories of packs that are full take.
const OVERHEAD: u64 = 512 << 10;
/// A leaf and the pages above it, with header and directory of a pack for them.
const LEAF_COST: u64 = 48 << 10;
/// Header, directory and the frame that was not full of a pack that was closed early.
const PACK_COST: u64 = 64 << 10;

/// A repository that holds next to nothing, and a source of 40 MiB that does not compress.
fn home() -> Home {
    let home = Home::within(Path::new("/dev/shm")).unwrap_or_else(|_| Home::new());
    home.snapshot(home.write("little/file", "little")).ok();
    let mut draw = Draw::new(7);
    for number in 0..FILES {
        home.write(&format!("work/{}/file-{number:04}", number / 700), draw.noise(FILE));
    }
    // What has just been written could change again within one tick of the clock, and is rightly
    // looked at again.
    std::thread::sleep(Duration::from_millis(100));
    home
}

fn packs(home: &Home) -> BTreeMap<PathBuf, u64> {
    files(&home.repository().join("pack"))
}

fn bytes(packs: &BTreeMap<PathBuf, u64>) -> u64 {
    packs.values().sum()
}

/// Runs a snapshot that is killed at a moment. With one thread that works, packs come one after
/// the other.
fn kill(home: &Home, call: &'static str, when: u32) -> Ran {
    let moment = Moment { call, what: "signal=KILL", when };
    Ran::of(struck(home, moment).args(["snapshot", "--threads", "1"]).arg(home.path("work")))
}

/// Runs a snapshot to its end; returns how it ended and the files of the source that it opened.
fn finish(home: &Home) -> (Ran, BTreeSet<String>) {
    let list = home.path("opened");
    let ran = Ran::of(watched(home, &list).arg("snapshot").arg(home.path("work"))).ok();
    let lines = std::fs::read_to_string(&list).unwrap();
    let names = lines.lines().filter_map(|line| line.split('"').nth(1));
    (ran, names.filter(|name| name.starts_with("file-")).map(str::to_owned).collect())
}

fn expect_whole(home: &Home) {
    home.run(["check", "--read-data"]).ok();
    if needs("rsync") {
        let (work, target) = (home.path("work"), home.path("target"));
        home.restore(&format!("latest:{}", work.display()), &target).ok();
        assert_eq!(differences(&work, &target), Vec::<String>::new());
    }
}

#[test]
fn a_run_that_was_killed_before_its_log_entry_leaves_nothing_to_read_or_to_upload() {
    if !can_trace() {
        return;
    }
    let home = home();
    // The barrier: everything is uploaded, and the entry is not there.
    kill(&home, "syncfs", 1).exit(137);
    let before = packs(&home);
    assert!(bytes(&before) > FILES * FILE as u64);
    let (ran, opened) = finish(&home);
    assert_eq!(opened, BTreeSet::new());
    // Directories above the source may have changed, and the leaf that they are in with them.
    let more = bytes(&packs(&home)) - bytes(&before);
    assert!(more < LEAF_COST, "{more}");
    assert!(ran.out.contains("took over "), "{}", ran.out);
    expect_whole(&home);
}

#[test]
fn a_run_that_was_killed_between_two_packs_is_carried_on_from_there() {
    if !can_trace() {
        return;
    }
    let undisturbed = {
        let home = home();
        home.snapshot(home.path("work")).ok();
        bytes(&packs(&home))
    };
    for when in [2, 3] {
        let home = home();
        let little = bytes(&packs(&home));
        kill(&home, "linkat", when).exit(137);
        let before = packs(&home);
        let stored = (bytes(&before) - little) / FILE as u64;
        assert!(stored > 1500, "{stored} files were stored");
        let (_, opened) = finish(&home);
        let after = packs(&home);
        // What is known is a number of whole leaves; the rest of the last one is read again.
        let most = FILES.saturating_sub(stored) + LEAF;
        tell(&format!("{stored} stored, {} opened, {most} at most", opened.len()));
        assert!(opened.len() as u64 <= most, "{} > {most}", opened.len());
        assert!(before.keys().all(|pack| after.contains_key(pack)));
        let more = bytes(&after) as i64 - undisturbed as i64;
        tell(&format!("{more} bytes more than without a kill, {} packs", after.len()));
        assert!(more < PACK_COST as i64, "{more}");
        expect_whole(&home);
    }
}

#[test]
fn runs_that_are_killed_again_and_again_upload_nothing_twice() {
    if !can_trace() {
        return;
    }
    let home = home();
    // So many runs that not all of them can be looked at file by file.
    let runs = 10;
    for run in 0..runs {
        for number in 0..300 {
            let noise = Draw::new(run * 1000 + number).noise(FILE);
            home.write(&format!("work/later-{run:02}/file-{number:04}"), noise);
        }
        std::thread::sleep(Duration::from_millis(100));
        // When all packs are there, and nothing else.
        kill(&home, "syncfs", 1).exit(137);
        let (uploaded, there) = (bytes(&packs(&home)), FILE as u64 * (FILES + 300 * (run + 1)));
        let most = there + (run + 1) * PACK_COST + OVERHEAD;
        tell(&format!("run {run}: {uploaded} bytes of at most {most} in packs"));
        assert!(uploaded < most, "{uploaded} > {most} after run {run}");
    }
    finish(&home);
    expect_whole(&home);
}
