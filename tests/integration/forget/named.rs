//! Snapshots that are named: forgotten, and brought back.

use super::*;
use std::process::Stdio;

#[test]
fn a_forgotten_snapshot_is_passed_over_and_can_be_read_by_its_id() {
    let home = home(&["2026-03-01", "2026-03-02", "2026-03-03"]);
    let last = id(&home, 2);
    let ran = forget(&home, &["a:latest", "--reason", "a mistake"]).ok().says_nothing();
    assert!(
        ran.out.starts_with("forgotten: label a, host h, 2026-03-03 00:00:00, "),
        "{}",
        ran.out
    );
    assert_eq!(days(&home, &[]), [1, 2]);
    let file = home.path("source/file");
    let content = |what: &str| home.run(["cat", &format!("{what}:{}", file.display())]).ok().out;
    assert_eq!(content("latest"), "2026-03-02");
    assert_eq!(content("a:latest~1"), "2026-03-01");
    assert_eq!(content(&last), "2026-03-03");
    assert_eq!(content(&last[..12]), "2026-03-03");
    let found = home.run(["find", "file", "--json"]).ok().json();
    assert_eq!(found.len(), 2);
    let stats = home.run(["stats", "--json"]).ok().json();
    assert_eq!(stats[0]["snapshots"], 2);
    home.run(["check", "--read-data"]).ok();
}

#[test]
fn lists_have_forgotten_snapshots_when_asked_and_mark_them() {
    let home = home(&["2026-03-01", "2026-03-02"]);
    forget(&home, &[&id(&home, 0)]).ok();
    assert_eq!(days(&home, &["--forgotten"]), [1, 2]);
    let rows = home.run(["snapshots", "--forgotten", "--json"]).ok().json();
    assert_eq!((&rows[0]["forgotten"], &rows[1]["forgotten"]), (&true.into(), &false.into()));
    let text = home.run(["snapshots", "--forgotten"]).ok().out;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].ends_with("a  FORGOTTEN") && lines[2].ends_with("  a"), "{text}");
}

#[test]
fn unforget_brings_back_what_was_forgotten() {
    let home = home(&["2026-03-01", "2026-03-02"]);
    let first = id(&home, 0);
    forget(&home, &[&first]).ok();
    let again = forget(&home, &[&first]).ok();
    assert!(again.out.starts_with("was forgotten before: "), "{}", again.out);
    let ran = home.run(["unforget", &first, "--json"]).ok();
    assert_eq!(
        (&ran.json()[0]["changed"], &ran.json()[0]["forgotten"]),
        (&true.into(), &false.into())
    );
    assert_eq!(days(&home, &[]), [1, 2]);
    let before = objects(&home);
    let ran = home.run(["unforget", &first]).ok();
    assert!(ran.out.starts_with("was not forgotten: "), "{}", ran.out);
    assert_eq!(objects(&home), before);
}

#[test]
fn latest_of_several_series_is_not_forgotten_by_guess() {
    let home = home(&["2026-03-01", "2026-03-02"]);
    save_as(&home, "b", "2026-03-03", &[]);
    for command in ["forget", "unforget", "hold", "unhold"] {
        let ran = home.run([command, "latest"]).exit(1);
        ran.says(&["latest is the latest of several series", "LABEL:latest"]);
    }
    home.run(["tag", "latest", "--add", "x"]).exit(1).says(&["of several series"]);
    forget(&home, &["latest:/etc", "--label", "a"]).exit(1).says(&["names a path"]);
    forget(&home, &[""]).exit(1).says(&["no snapshot \"\""]);
    let same = home.write("source/file", "of another host");
    let words = ["snapshot", same.to_str().unwrap(), "--label", "b", "--host", "other", "-q"];
    home.run(words).ok();
    let ran = forget(&home, &["b:latest"]).exit(1);
    ran.says(&["b:latest is the latest of several series", "--host and --writer"]);
    // That some are forgotten says nothing of others.
    forget(&home, &["b:latest", "--host", "other", "--whole-series"]).ok();
    forget(&home, &["b:latest~1"]).exit(1).says(&["no snapshot b:latest~1"]);
    forget(&home, &["--keep-daily", "-1"]).exit(1).says(&["write a number, or `unlimited`"]);
    home.run(["tag", "a:latest"]).exit(1).says(&["--add TEXT, --remove TEXT"]);
    forget(&home, &["0123456789"]).exit(1).says(&["no snapshot 0123456789"]);
    forget(&home, &["latest", "--label", "a"]).ok();
    assert_eq!(days(&home, &[]), [1, 3]);
}

#[test]
fn several_at_once_never_forget_the_last_of_a_series() {
    let home = home(&["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"]);
    let ids: Vec<String> = (0..4).map(|number| id(&home, number)).collect();
    let mut runs = Vec::new();
    for id in &ids {
        runs.push(home.command().args(["forget", id]).output_of());
    }
    let codes: Vec<i32> = runs.into_iter().map(|run| run.join().unwrap().code).collect();
    // Whoever came last met the guard, whatever it had read before.
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 3, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 1).count(), 1, "{codes:?}");
    assert_eq!(days(&home, &[]).len(), 1);
}

/// Runs a command beside the test.
trait Beside {
    fn output_of(&mut self) -> std::thread::JoinHandle<Ran>;
}

impl Beside for std::process::Command {
    fn output_of(&mut self) -> std::thread::JoinHandle<Ran> {
        let child = self.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::spawn(move || Ran::from_output(child.wait_with_output().unwrap()))
    }
}
