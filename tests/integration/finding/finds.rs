//! `find` over snapshots.

use super::changes::change;
use super::{bytes, listing};
use crate::support::tree::{Refused, Tree};
use crate::support::{Draw, Home, needs};
use std::collections::BTreeMap;

#[test]
fn what_is_found_in_the_snapshots_is_what_find_finds_in_the_trees() {
    if !needs("find") {
        return;
    }
    let home = Home::new();
    let source = home.path("source");
    Tree::grow(917, std::slice::from_ref(&source), &mut Refused::default());
    let mut draw = Draw::new(5);
    let (plain, path) = (source.display(), format!("{}/*", source.display()));
    // Of ours, then of find's. A star of find's goes over slashes, and ours does not.
    let searches: [(&[&str], &[&str]); 6] = [
        (&["*"], &["-mindepth", "0", "-name", "*"]),
        (&["entry*"], &["-name", "entry*"]),
        (&["*1*", "a*"], &["(", "-name", "*1*", "-o", "-name", "a*", ")"]),
        (&["*", "--kind", "symlink", "--kind", "directory"], &["-type", "l,d"]),
        (
            &["*", "--larger", "100", "--smaller", "1K"],
            &["-type", "f", "-size", "+100c", "-size", "-1024c"],
        ),
        (&[&path], &["-mindepth", "1", "-maxdepth", "1"]),
    ];
    let mut expected: Vec<BTreeMap<Vec<u8>, u64>> = vec![BTreeMap::new(); searches.len()];
    for _ in 0..3 {
        home.snapshot(&source).ok();
        for ((_, theirs), counts) in searches.iter().zip(&mut expected) {
            for path in listing::found(&source, theirs) {
                *counts.entry(path).or_default() += 1;
            }
        }
        change(&mut draw, &source);
    }
    for ((ours, theirs), expected) in searches.iter().zip(expected) {
        let ran = home.run(["find", "--json"].iter().chain(*ours)).ok();
        let mut told: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for row in ran.json() {
            let path = bytes(&row, "path");
            if path.starts_with(plain.to_string().as_bytes()) {
                *told.entry(path).or_default() += row["snapshots"].as_u64().unwrap();
            }
        }
        assert!(!expected.is_empty(), "{theirs:?}");
        assert!(told == expected, "{ours:?}: {told:?} {expected:?}");
    }
}

#[test]
fn snapshots_with_the_same_file_are_one_version_with_its_first_and_last() {
    let home = Home::new();
    let save = |day: u32, label: &str| {
        let time = format!("2026-01-0{day}");
        let work = home.path("work");
        let words =
            ["snapshot", work.to_str().unwrap(), "--host", "h", "--label", label, "--time", &time];
        home.run(words).ok();
    };
    let file = home.write("work/fi\x1ble", "1");
    save(1, "x");
    save(2, "x");
    save(3, "y");
    std::fs::write(&file, "22").unwrap();
    save(4, "x");
    std::fs::remove_file(&file).unwrap();
    save(5, "x");
    let ran = home.run(["find", "fi?le"]).ok().says_nothing();
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ran.out);
    assert_eq!(lines[0], format!("{}/fi\\x1ble", home.path("work").display()));
    let ends = [
        ("1 B", "in 2 snapshots, 2026-01-01 00:00:00 (", "h: x"),
        ("2 B", "in 1 snapshot, 2026-01-04 00:00:00 (", "h: x"),
        ("1 B", "in 1 snapshot, 2026-01-03 00:00:00 (", "h: y"),
    ];
    for (line, (size, when, series)) in lines[1..].iter().zip(ends) {
        assert!(line.contains(size) && line.contains(when) && line.ends_with(series), "{line}");
    }
    let rows =
        home.run(["find", "--json", "--label", "x", "fi*", "--at", "2026-01-02"]).ok().json();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["first_start"], "2026-01-01T00:00:00.000000000Z");
    assert_eq!(rows[0]["last_start"], "2026-01-02T00:00:00.000000000Z");
    assert_eq!((&rows[0]["snapshots"], &rows[0]["size"]), (&2.into(), &1.into()));
    let none = home.run(["find", "nothing"]).ok();
    none.says(&["nothing like that in 5 snapshots"]);
    home.run(["find", "[x"]).exit(1).says(&["the pattern \"[x\" "]);
    home.run(["find", "x", "--larger", "much"]).exit(1).says(&["no size"]);
    let newer = home.run(["find", "fi*", "--newer", "2020-01-01", "--older", "2020-01-02"]).ok();
    assert_eq!(newer.out, "");
}
