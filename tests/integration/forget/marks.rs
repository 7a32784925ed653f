//! Holds and tags.

use super::*;

#[test]
fn what_is_held_is_not_forgotten_by_name_or_by_rule() {
    let home = home(&["2026-03-01", "2026-03-02", "2026-03-03"]);
    let first = id(&home, 0);
    let ran = home.run(["hold", &first, "--reason", "a trial"]).ok();
    assert!(ran.out.starts_with("held: label a, host h, 2026-03-01"), "{}", ran.out);
    forget(&home, &[&first]).exit(1).says(&["is held", "hint: `esker unhold`"]);
    let plan = plan(&home, &["--keep-last", "1"]);
    assert_eq!((plan[0].1.as_str(), plan[1].1.as_str()), ("held", ""));
    forget(&home, &["--keep-last", "1"]).ok();
    assert_eq!(days(&home, &[]), [1, 3]);
    let text = home.run(["snapshots"]).ok().out;
    assert!(text.lines().nth(1).unwrap().ends_with("a  HELD"), "{text}");
    let row = home.run(["unhold", &first, "--json"]).ok().json().remove(0);
    assert_eq!((&row["changed"], &row["held"]), (&true.into(), &false.into()));
    let before = objects(&home);
    let again = home.run(["unhold", &first]).ok();
    assert!(again.out.starts_with("was not held: "), "{}", again.out);
    assert_eq!(objects(&home), before);
    forget(&home, &[&first]).ok();
    home.run(["hold", &first]).exit(1).says(&["is forgotten", "esker unforget"]);
}

#[test]
fn tags_that_were_changed_choose_keep_and_are_listed() {
    let home = Home::new();
    for day in 1..4 {
        save(&home, &format!("2026-03-0{day} 12:00"), &["--tag", "old"]);
    }
    let first = id(&home, 0);
    let row = home.run(["tag", &first, "--add", "keep", "--remove", "old", "--json"]).ok().json();
    assert_eq!(row[0]["tags"], serde_json::json!(["keep"]));
    assert_eq!(days(&home, &["--tag", "keep"]), [1]);
    assert_eq!(days(&home, &["--tag", "old"]), [2, 3]);
    let text = home.run(["snapshots"]).ok().out;
    assert!(text.lines().nth(1).unwrap().ends_with("a [keep]"), "{text}");
    assert_eq!(home.run(["ls", "latest", "--tag", "keep"]).ok().code, 0);
    assert_eq!(plan(&home, &["--keep-tag", "keep"])[0].1, "tag keep");
    forget(&home, &["--keep-tag", "keep"]).ok();
    assert_eq!(days(&home, &[]), [1, 3]);
}

#[test]
fn tags_that_change_nothing_are_no_entry_and_wrong_ones_are_refused() {
    let home = home(&["2026-03-01"]);
    let before = objects(&home);
    let row = home.run(["tag", "latest", "--remove", "x", "--json"]).ok().json().remove(0);
    assert_eq!(row["changed"], false);
    let both = home.run(["tag", "latest", "--add", "x", "--remove", "x"]).exit(1);
    both.says(&["the tag x is both added and removed"]);
    home.run(["tag", "latest", "--add", ""]).exit(1).says(&["a tag cannot be empty"]);
    home.run(["tag", "latest"]).exit(1).says(&["--add"]);
    assert_eq!(objects(&home), before);
}
