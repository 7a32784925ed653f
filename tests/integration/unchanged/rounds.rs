//! Trees that change from round to round: a run that knows what it saved before makes the snapshot
//! that one makes which reads everything.

use super::mutate::mutate;
use super::{entries, let_the_clock_tick};
use crate::support::tree::{Refused, Tree};
use crate::support::{Draw, Home, Ran};
use std::path::Path;

/// Saves twice, with what is known and without; both must say the same of every entry.
#[track_caller]
fn both(home: &Home, work: &Path, round: &str) {
    home.snapshot(work).ok();
    let known = entries(home);
    let empty = home.path("empty");
    Ran::of(home.command().arg("snapshot").arg("--cache-dir").arg(&empty).arg(work)).ok();
    let read = entries(home);
    std::fs::remove_dir_all(&empty).unwrap();
    assert!(known == read, "{round}:\n{}", difference(&known, &read));
}

fn difference(known: &str, read: &str) -> String {
    let only = |a: &str, b: &str, sign: &str| {
        let b: std::collections::HashSet<&str> = b.lines().collect();
        let lines: Vec<String> = a
            .lines()
            .filter(|line| !b.contains(line))
            .map(|line| format!("{sign} {line}"))
            .collect();
        lines.join("\n")
    };
    format!("{}\n{}", only(known, read, "known"), only(read, known, "read"))
}

#[test]
fn a_run_that_knows_makes_the_snapshot_of_one_that_reads() {
    let home = Home::new();
    let mut draw = Draw::new(77);
    // Leaves of all sizes: many names in one directory, and many directories.
    for number in [7, 17, 27, 31, 1, 2] {
        let work = home.path(format!("work {number}"));
        Tree::grow(number, std::slice::from_ref(&work), &mut Refused::default());
        for folder in 0..30 {
            for file in 0..10 {
                home.write(&format!("work {number}/x{folder}/{file}"), draw.noise(40));
            }
        }
        for round in 0..8 {
            both(&home, &work, &format!("tree {number}, round {round}"));
            let_the_clock_tick();
            // Sometimes nothing, sometimes much.
            let changes = [0, 1, 1, 3, 20][draw.below(5) as usize];
            (0..changes).for_each(|_| mutate(&mut draw, &work));
        }
    }
    home.run(["check", "--read-data"]).ok();
}
