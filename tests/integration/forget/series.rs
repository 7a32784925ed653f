//! Each series alone, and what always stays of it.

use super::*;

#[test]
fn rules_look_at_each_series_alone_and_options_choose_which() {
    let home = Home::new();
    for day in 1..4 {
        for (label, tag) in [("a", "x"), ("b", "y")] {
            save_as(&home, label, &format!("2026-03-0{day} 12:00"), &["--tag", tag]);
        }
    }
    assert_eq!(stay(&home, &["--keep-last", "1"]), [3, 3]);
    forget(&home, &["--keep-last", "1", "--label", "a"]).ok();
    assert_eq!(days(&home, &["--label", "a"]), [3]);
    assert_eq!(days(&home, &["--label", "b"]), [1, 2, 3]);
    // A tag alone leaves the others out, whatever the rules say.
    assert_eq!(plan(&home, &["--keep-last", "1", "--tag", "x"]).len(), 1);
    let none = forget(&home, &["--keep-last", "1", "--host", "other"]).ok();
    none.says(&["no snapshot is like that"]);
    assert_eq!(days(&home, &[]).len(), 4);
}

#[test]
fn the_last_of_a_series_stays_unless_told() {
    let home = home(&["2026-03-01", "2026-03-02"]);
    assert_eq!(stay(&home, &["--keep-tag", "none"]), [2]);
    let (first, last) = (id(&home, 0), id(&home, 1));
    let both = forget(&home, &[&first, &last]).exit(1);
    both.says(&["is the last of its series, a", "hint:", "--whole-series"]);
    assert_eq!(days(&home, &[]), [1, 2]);
    forget(&home, &["latest"]).ok();
    forget(&home, &["latest"]).exit(1).says(&["is the last of its series, a"]);
    forget(&home, &["--keep-tag", "none", "--whole-series"]).ok();
    assert_eq!(days(&home, &[]), [0; 0]);
    home.run(["snapshots"]).ok().says(&["all snapshots are forgotten", "--forgotten"]);
    home.run(["ls", "latest"]).exit(1).says(&["snapshot latest is forgotten", "esker unforget"]);
}

#[test]
fn a_series_goes_on_when_all_of_it_is_forgotten() {
    let home = home(&["2026-03-01", "2026-03-02"]);
    forget(&home, &["--keep-tag", "none", "--whole-series"]).ok();
    let file = home.write("source/file", "new");
    let words = ["snapshot", file.to_str().unwrap(), "--label", "a", "--host", "h", "--json"];
    let row = home.run(words).ok().json().remove(0);
    // Nothing to compare with, and still the same series.
    assert_eq!(row["base"], Value::Null);
    let rows = home.run(["snapshots", "--forgotten", "--json"]).ok().json();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row["series"] == rows[0]["series"]));
    home.run(["check", "--read-data"]).ok();
}

#[test]
fn a_run_is_compared_with_the_last_one_that_is_not_forgotten() {
    let home = home(&["2026-03-01", "2026-03-02"]);
    let first = id(&home, 0);
    forget(&home, &["latest"]).ok();
    let file = home.path("source/file");
    let words = [
        "snapshot",
        file.to_str().unwrap(),
        "--label",
        "a",
        "--host",
        "h",
        "--json",
        "--skip-if-unchanged",
    ];
    let row = home.run(words).ok().json().remove(0);
    assert_eq!(row["base"], first.as_str());
    // It is as it was in the one that is forgotten: that is no reason to save nothing.
    assert_ne!(row["snapshot"], Value::Null);
    let restored = home.run(["cat", &format!("latest:{}", file.display())]).ok();
    assert_eq!(restored.out, "2026-03-02");
}

#[test]
fn a_complete_snapshot_never_gives_way_to_a_partial_one() {
    let home = home(&["2026-03-01 12:00", "2026-03-02 06:00"]);
    save_partial(&home, "2026-03-02 12:00");
    save_partial(&home, "2026-03-03 12:00");
    // Of the 2nd the complete one; the 3rd takes no place from it.
    let plan = plan(&home, &["--keep-daily", "1"]);
    assert_eq!(plan[0].1, "");
    assert_eq!(plan[1].1, "daily 2026-03-02, newest complete one");
    assert_eq!(plan[2].1, "");
    assert_eq!(plan[3].1, "daily 2026-03-03, newest of the series");
    assert_eq!(stay(&home, &["--keep-last", "1"]), [2, 3]);
    let last = super::plan(&home, &["--keep-last", "2"]);
    assert_eq!(last[0].1, "last complete 2");
}
