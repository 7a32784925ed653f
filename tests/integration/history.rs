//! A repository that is not what this machine has seen of it.

use crate::support::Home;
use std::path::{Path, PathBuf};

/// A home with two snapshots of a folder, and the repository as it was after the first.
fn saved_twice() -> (Home, PathBuf) {
    let home = Home::new();
    home.write("work/one", "one");
    home.snapshot(home.path("work")).ok();
    let older = home.path("older");
    copy(&home.repository(), &older);
    home.write("work/two", "two");
    home.snapshot(home.path("work")).ok();
    (home, older)
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Puts the older repository in the place of the one in use.
fn roll_back(home: &Home, older: &Path) {
    std::fs::remove_dir_all(home.repository()).unwrap();
    copy(older, &home.repository());
}

fn entries(repository: &Path) -> usize {
    std::fs::read_dir(repository.join("log/0")).unwrap().count()
}

#[test]
fn an_old_copy_is_restored_from_and_not_written_to() {
    for loses_cache in [false, true] {
        let (home, older) = saved_twice();
        let before = entries(&older);
        roll_back(&home, &older);
        if loses_cache {
            std::fs::remove_dir_all(home.path("cache")).unwrap();
        }
        let seen = ["the log was rolled back or changed: entry ", " was seen here before"];
        home.run(["snapshots"]).ok().says(&seen);
        home.restore("latest", home.path("target")).ok().says(&seen);
        let work = home.path("work");
        let hint = ["hint: was it put back from a copy on purpose?", "--accept-history"];
        home.snapshot(&work).exit(4).says(&seen).says(&hint);
        home.run(["hold", "latest"]).exit(4).says(&seen);
        home.run(["gc", "--grace", "0"]).exit(4).says(&seen);
        // Once is enough, and it is damage to whoever checks.
        let held = home.run(["hold", "latest"]).exit(4);
        assert_eq!(held.err.matches(seen[0]).count(), 1, "{}", held.err);
        held.says(&["error: nothing was written, for the reason that was warned of"]);
        let text = home.run(["check"]).exit(4).says(&["error: the log was rolled back"]);
        assert_eq!(text.err.matches(seen[0]).count(), 1, "{}", text.err);
        assert!(text.out.contains("1 finding of damage"), "{}", text.out);
        let rows = home.run(["check", "--json"]).exit(4).json();
        assert_eq!(rows[0]["kind"], "history");
        assert_eq!(rows.last().unwrap()["sound"], false);
        assert_eq!(entries(&home.repository()), before);
        // A run that writes nothing shows what one would do.
        home.run(["snapshot", "--dry-run", work.to_str().unwrap()]).ok().says(&seen);
        // The owner knows.
        let accept = ["--accept-history", "snapshot", work.to_str().unwrap()];
        let undone = format!("enrolled or revoked after entry {} of the log is undone", before - 1);
        let accepted = home.run(accept).ok();
        accepted.says(&["warning: accepted the log as it is now: entry ", &undone, "key list"]);
        home.run(["check"]).ok();
        home.snapshot(&work).ok().says_nothing();
        assert_eq!(home.run(["snapshots", "--json"]).ok().json().len(), 3);
    }
}

#[test]
fn a_log_that_went_on_otherwise_is_not_written_to() {
    let (home, older) = saved_twice();
    // Another machine goes on from the older one.
    let other = Home::new();
    other.write("more/one", "more");
    let key = home.path("config/esker/key");
    let save = ["--repo", older.to_str().unwrap(), "--key-file", key.to_str().unwrap(), "snapshot"];
    for _ in 0..2 {
        let more = other.path("more");
        other.run(save.iter().copied().chain([more.to_str().unwrap()])).ok();
    }
    roll_back(&home, &older);
    home.run(["snapshots"]).ok().says(&["when it was seen here before, and is"]);
    let refused = home.run(["--json", "snapshot", home.path("work").to_str().unwrap()]).exit(4);
    let last = refused.err.lines().last().unwrap();
    let told: serde_json::Value = serde_json::from_str(last).unwrap();
    assert!(told["error"].as_str().unwrap().starts_with("the log was rolled back or changed"));
    // What the other machine has seen is what is there.
    other.run(save.iter().copied().chain([other.path("more").to_str().unwrap()])).ok();
}

#[test]
fn a_copy_that_is_marked_may_be_behind() {
    let (home, older) = saved_twice();
    std::fs::write(older.join("mirror"), "").unwrap();
    let key = home.path("config/esker/key");
    let with = ["--repo", older.to_str().unwrap(), "--key-file", key.to_str().unwrap()];
    let behind = ["behind what was seen here before"];
    let listed = home.run(with.iter().copied().chain(["snapshots"])).ok().says(&behind);
    assert!(!listed.err.contains("rolled back"), "{}", listed.err);
    let work = home.path("work");
    home.run(with.iter().copied().chain(["snapshot", work.to_str().unwrap()]))
        .exit(1)
        .says(&["is a copy of a repository: nothing may be appended to it"]);
}

/// Who may put objects and do nothing else can put one with any name.
#[test]
fn an_entry_with_a_huge_number_is_named_and_passed_over_by_who_says_so() {
    let home = Home::new();
    home.write("work/one", "one");
    let work = home.path("work");
    home.snapshot(&work).ok();
    let far = home.repository().join("log/922337203685477");
    std::fs::create_dir(&far).unwrap();
    std::fs::write(far.join("9223372036854775807"), "x").unwrap();
    // A machine that comes anew.
    for folder in ["cache", "state"] {
        std::fs::remove_dir_all(home.path(folder)).unwrap();
    }
    let gap = ["is missing, and log/922337203685477/9223372036854775807 is there"];
    home.run(["snapshots"]).ok().says(&gap);
    home.snapshot(&work).exit(4).says(&gap).says(&["--accept-history"]);
    home.run(["--accept-history", "snapshot", work.to_str().unwrap()]).ok();
    home.snapshot(&work).ok().says_nothing();
    home.run(["check"]).exit(4).says(&["breaks the log", "9223372036854775807"]);
}

#[test]
fn the_place_of_the_memory_can_be_told() {
    let (home, older) = saved_twice();
    assert_eq!(std::fs::read_dir(home.path("state/esker/history")).unwrap().count(), 1);
    roll_back(&home, &older);
    // Another memory has seen nothing: this one begins where the log is.
    std::fs::remove_dir_all(home.path("cache")).unwrap();
    let place = home.path("elsewhere");
    home.run(["--state-dir", place.to_str().unwrap(), "snapshots"]).ok().says_nothing();
    let named = home.command().env("ESKER_STATE_DIR", &place).arg("snapshots").output().unwrap();
    assert!(named.status.success() && named.stderr.is_empty());
    assert_eq!(std::fs::read_dir(place.join("history")).unwrap().count(), 1);
    home.run(["snapshots"]).ok().says(&["rolled back"]);
}

#[test]
fn a_home_that_cannot_be_written_keeps_no_memory_and_says_so_to_who_writes() {
    let home = Home::new();
    home.write("work/one", "one");
    let work = home.path("work");
    home.snapshot(&work).ok();
    std::fs::remove_dir_all(home.path("state")).unwrap();
    std::fs::write(home.path("state"), "no folder").unwrap();
    home.run(["snapshots"]).ok().says_nothing();
    let told = ["warning: cannot remember the history of the repository in"];
    home.snapshot(&work).ok().says(&told);
    // What a command meets after it has opened the repository is told by all of them.
    home.run(["hold", "latest"]).ok().says(&told);
    home.run(["unhold", "latest", "--json"]).ok().says(&told);
}
