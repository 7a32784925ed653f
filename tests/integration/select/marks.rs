//! `--exclude-caches`, `--exclude-if-present`.

use super::{save, saved, set};
use crate::support::{Home, needs};
use std::collections::BTreeSet;
use std::process::Command;

const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# This directory holds a cache.\n";

fn home() -> Home {
    let home = Home::new();
    home.write("work/cache/CACHEDIR.TAG", TAG);
    home.write("work/cache/deep/er/file", "again");
    home.write("work/cache/file", "again");
    home.write("work/not a cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc5");
    home.write("work/not a cache/file", "kept");
    home.write("work/empty cache/CACHEDIR.TAG", TAG);
    home.write("work/file", "kept");
    home
}

#[test]
fn of_a_cache_its_tag_is_saved_and_nothing_else_as_tar_does() {
    if !needs("tar") {
        return;
    }
    let home = home();
    let work = home.path("work");
    let shown = save(&home, &work, &["--exclude-caches"]);
    let tar = Command::new("tar")
        .args(["--exclude-caches", "-c", "-f", "-", "-C"])
        .arg(&work)
        .arg(".")
        .output()
        .unwrap();
    let list = home.write("tar", tar.stdout);
    let listed = Command::new("tar").arg("-tf").arg(list).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let told: BTreeSet<String> = listed
        .lines()
        .map(|line| line.trim_start_matches("./").trim_end_matches('/').to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    assert!(told.contains("cache/CACHEDIR.TAG") && !told.contains("cache/file"), "{told:?}");
    assert_eq!(saved(&home, &work), told);
    assert_eq!((&shown["excluded"]["caches"], &shown["complete"]), (&2.into(), &true.into()));
}

#[test]
fn a_directory_with_a_marker_is_saved_with_the_marker_alone() {
    let home = home();
    let work = home.path("work");
    home.write("work/a/.nobackup", "");
    home.write("work/a/file", "");
    home.write("work/b/.skip", "yes, skip it");
    home.write("work/b/.nobackup/file", "a marker can be a directory");
    home.write("work/b/file", "");
    home.write("work/c/.skip", "no");
    home.write("work/c/file", "");
    let options = ["--exclude-if-present", ".nobackup", "--exclude-if-present", ".skip:yes"];
    let shown = save(&home, &work, &options);
    let marked = ["a", "a/.nobackup", "b", "b/.nobackup", "b/.nobackup/file", "b/.skip"];
    let mut wanted = set(&marked);
    wanted.extend(set(&["c", "c/.skip", "c/file", "file"]));
    let found = saved(&home, &work);
    let found: BTreeSet<String> =
        found.into_iter().filter(|path| !path.contains("cache")).collect();
    assert_eq!(found, wanted);
    assert_eq!(
        (&shown["excluded"]["marked"], &shown["excluded"]["caches"]),
        (&2.into(), &0.into())
    );
}

#[test]
fn a_given_directory_can_be_marked_and_what_is_named_in_it_is_saved_all_the_same() {
    let home = home();
    let cache = home.path("work/cache");
    save(&home, &cache, &["--exclude-caches"]);
    assert_eq!(saved(&home, &cache), set(&["CACHEDIR.TAG"]));
    home.write("work/cache/deep/other", "");
    let deeper = home.path("work/cache/deep/er");
    save(&home, &cache, &["--exclude-caches", deeper.to_str().unwrap()]);
    assert_eq!(saved(&home, &cache), set(&["CACHEDIR.TAG", "deep", "deep/er", "deep/er/file"]));
}
