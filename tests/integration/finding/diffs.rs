//! `diff` of two snapshots.

use super::bytes;
use super::changes::{change, expected};
use super::listing::listing;
use crate::support::tree::{Refused, Tree};
use crate::support::{Draw, Home, Ran, needs};
use std::collections::BTreeMap;
use std::path::Path;

/// The rows of differences below a place, by path; what others have seen to is left out: other
/// names of a file, and which zeros are holes.
pub fn told(ran: &Ran, place: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut changes = BTreeMap::new();
    let place = place.to_str().unwrap().as_bytes();
    for row in ran.json().iter().filter(|row| row["kind"] == "difference") {
        let change = row["change"].as_str().unwrap().to_owned();
        let parts = row["parts"].as_array().unwrap();
        let is_ours = |part: &&serde_json::Value| *part != "links" && *part != "holes";
        if change == "metadata" && parts.iter().filter(is_ours).count() == 0 {
            continue;
        }
        let path = bytes(row, "path");
        if path.starts_with(place) {
            changes.insert(path, change);
        }
    }
    changes
}

#[test]
fn differences_of_grown_trees_are_those_that_other_programs_see_in_the_snapshots_and_on_disk() {
    if !needs("find") || !needs("sha256sum") {
        return;
    }
    let home = Home::new();
    let mut seen = BTreeMap::new();
    for number in [700, 707, 713, 717, 731, 742] {
        let source = home.path(format!("trees/{number}"));
        Tree::grow(number, &[source.join("one"), source.join("two")], &mut Refused::default());
        home.snapshot(&source).ok();
        let before = listing(&source);
        change(&mut Draw::new(number), &source);
        let expected = expected(&before, &listing(&source));
        let label = format!("{}:latest", source.display());
        let live = home.run(["diff", "--json", "--live", "--content", &label]).ok();
        home.snapshot(&source).ok();
        let old = format!("{label}~1");
        let both = home.run(["diff", "--json", &old, &label]).ok();
        for (what, ran) in [("in the snapshots", &both), ("on disk", &live)] {
            let told = told(ran, &source);
            for (path, change) in &expected {
                let shown = String::from_utf8_lossy(path);
                assert_eq!(told.get(path).map(String::as_str), Some(*change), "{shown} {what}");
            }
            assert_eq!(told.len(), expected.len(), "{number} {what}: {told:?} {expected:?}");
        }
        expected.values().for_each(|change| *seen.entry(*change).or_insert(0) += 1);
        // What was saved is what is there now.
        let now = home.run(["diff", "--live", "--content", "--exit-code", &label]).ok();
        assert_eq!(now.out, "no differences\n");
    }
    assert_eq!(seen.len(), 5, "each kind of change was among them: {seen:?}");
}

#[test]
fn each_difference_is_a_line_and_names_are_safe_for_a_terminal() {
    let home = Home::new();
    let work = home.path("work");
    home.write("work/same", "same");
    home.write("work/gone/x", "12345");
    home.write("work/changed", "1");
    home.write("work/mode", "");
    home.write("work/kind", "");
    home.snapshot(&work).ok();
    std::fs::remove_dir_all(work.join("gone")).unwrap();
    home.write("work/changed", "22");
    std::fs::remove_file(work.join("kind")).unwrap();
    std::os::unix::fs::symlink("same", work.join("kind")).unwrap();
    home.write("work/bell\x07\\", "abc");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o4711);
    std::fs::set_permissions(work.join("mode"), mode).unwrap();
    home.snapshot(&work).ok();
    let ran = home.run(["diff", "latest~1", "latest"]).ok().says_nothing();
    let path = work.display();
    let lines = [
        format!("m  {path}/  (mtime)"),
        format!("+  {path}/bell\\x07\\\\"),
        format!("M  {path}/changed"),
        format!("-  {path}/gone/"),
        format!("T  {path}/kind  (file, now symlink)"),
        format!("m  {path}/mode  (mode)"),
        format!("-  {path}/gone/x"),
        "1 added (3 B), 2 removed (5 B), 1 of another kind, 1 with other content (2 B, was 1 B), 2 \
         with other metadata"
            .to_owned(),
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), lines);
    let without = home.run(["diff", "latest~1", "latest", "--ignore-metadata", "-q"]).ok();
    assert_eq!(without.out.lines().count(), 5, "{}", without.out);
    let one = home.run(["diff", "latest~1", "latest", &format!("{path}/gone")]).ok();
    assert_eq!(one.out.lines().count(), 3, "{}", one.out);
    let what = format!("latest:{path}/gone/x");
    let same = home.run(["diff", "latest~1", &what]).ok();
    assert_eq!(same.out, format!("-  {path}/gone/x\n1 removed (5 B)\n"));
}

#[test]
fn differences_are_no_error_unless_the_exit_code_is_asked_for() {
    let home = Home::new();
    let file = home.write("work/file", "1");
    home.snapshot(home.path("work")).ok();
    std::fs::write(file, "2").unwrap();
    home.snapshot(home.path("work")).ok();
    home.run(["diff", "latest", "latest~1"]).ok();
    home.run(["diff", "latest", "latest~1", "--exit-code"]).exit(1).says_nothing();
    assert_eq!(home.run(["diff", "latest", "latest", "--exit-code"]).ok().out, "no differences\n");
    for (words, says) in [
        (&["diff", "latest"][..], "one snapshot alone"),
        (&["diff", "latest", "latest", "--live", "/x"], "takes the place"),
        (&["diff", "latest", "latest", "relative"], "is no path in a snapshot"),
        (&["diff", "latest", "latest", "/nowhere"], "/nowhere is not in snapshot"),
        (&["diff", "latest", "--live", "/nowhere"], "/nowhere is not in snapshot"),
        (&["diff", "latest:/a", "latest:/b"], "two paths"),
        (&["diff", "latest", "nothing"], "no snapshot nothing"),
        (&["diff", "latest", "--live=/nowhere/at/all"], "cannot look at /nowhere/at/all"),
        (&["diff", "latest", "latest", "--content"], "--live"),
    ] {
        home.run(words).exit(1).says(&["error: ", says]);
    }
}

#[test]
fn what_cannot_be_read_is_named_and_is_no_difference() {
    let home = Home::new();
    let work = home.path("work");
    (0..3000).for_each(|n| drop(home.write(&format!("work/{n}"), n.to_string())));
    home.snapshot(&work).ok();
    let first: Vec<_> = packs(&home);
    home.write("work/1500", "other");
    home.snapshot(&work).ok();
    // The pages that only the second snapshot has.
    for pack in packs(&home).into_iter().filter(|pack| !first.contains(pack)) {
        std::fs::remove_file(pack).unwrap();
    }
    let ran = home.run(["diff", "latest~1", "latest"]).exit(4);
    let ran = ran.says(&["cannot be compared, lost in snapshot", "is missing"]);
    assert!(ran.out.starts_with("3") && ran.out.ends_with(" lost\n"), "{}", ran.out);
    assert!(!ran.out.contains("removed") && !ran.out.contains("added"), "{}", ran.out);
    let ran = home.run(["find", "1500", "--json"]).exit(4);
    let ran = ran.says(&["are lost in snapshot"]);
    assert_eq!(ran.json().len(), 1);
}

fn packs(home: &Home) -> Vec<std::path::PathBuf> {
    let mut packs = Vec::new();
    for folder in std::fs::read_dir(home.repository().join("pack")).unwrap() {
        let files = std::fs::read_dir(folder.unwrap().path()).unwrap();
        packs.extend(files.map(|file| file.unwrap().path()));
    }
    packs
}
