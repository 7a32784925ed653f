//! Which snapshot a command takes.

use crate::support::Home;

/// Four snapshots: of hosts a, b and a again with the label `/etc`, and of a with the label
/// `db: main`, a day apart from 2026-01-01 on. Each holds a file with its number.
fn home() -> Home {
    let home = Home::new();
    let runs = [("a", "/etc", "x"), ("b", "/etc", "y"), ("a", "/etc", "x"), ("a", "db: main", "y")];
    for (number, (host, label, tag)) in runs.iter().enumerate() {
        home.write("source/number", number.to_string());
        let time = format!("2026-01-0{} 12:00", number + 1);
        let source = home.path("source");
        let options = ["--host", host, "--label", label, "--tag", tag, "--time", &time];
        let paths = ["snapshot", source.to_str().unwrap()];
        home.run(paths.iter().chain(&options)).ok();
    }
    home
}

/// What `cat` gives of the file in the snapshot that the words name, and what it says.
fn number(home: &Home, what: &str, options: &[&str]) -> (String, String) {
    let what = format!("{what}:{}", home.path("source/number").display());
    let ran = home.run(["cat", &what].iter().chain(options)).ok();
    (ran.out, ran.err)
}

#[test]
fn latest_of_several_series_is_taken_and_standard_error_says_which() {
    let home = home();
    let (out, err) = number(&home, "latest", &[]);
    assert_eq!(out, "3");
    let named =
        "note: latest of several series, taken: label db: main, host a, 2026-01-04 12:00:00, ";
    assert!(err.starts_with(named), "{err}");
    let rows = home.run(["snapshots", "--json"]).ok().says_nothing().json();
    assert!(err.contains(&rows[3]["id"].as_str().unwrap()[..16]), "{err}");
    assert_eq!(number(&home, "latest", &["--quiet"]).1, "");
    let target = home.path("target");
    let ran = home.restore("/etc:latest", &target).ok();
    ran.says(&["note: latest of several series, taken: label /etc, host a, 2026-01-03"]);
}

#[test]
fn a_label_options_and_times_choose_without_a_word() {
    let home = home();
    for (what, options, expected) in [
        ("db: main:latest", &[][..], "3"),
        ("/etc:latest", &["--host", "b"], "1"),
        ("latest", &["--label", "/etc", "--host", "a"], "2"),
        ("latest~1", &["--label", "/etc", "--host", "a"], "0"),
        ("/etc:latest~1", &["--host", "a"], "0"),
        ("latest", &["--tag", "x"], "2"),
        ("latest", &["--at", "2026-01-01 12:00", "--label", "/etc"], "0"),
        ("latest", &["--at", "2026-01-02T12:00:00Z", "--host", "b"], "1"),
        ("/etc:latest", &["--at", "2026-01-03", "--host", "a"], "0"),
    ] {
        assert_eq!(number(&home, what, options), (expected.to_owned(), String::new()), "{what}");
    }
    let listed = |options: &[&str]| {
        home.run(["snapshots", "--json"].iter().chain(options)).ok().json().len()
    };
    assert_eq!(listed(&["--host", "a"]), 3);
    assert_eq!(listed(&["--host", "a", "--host", "b", "--tag", "y"]), 2);
    assert_eq!(listed(&["--at", "2026-01-02 12:00:00"]), 2);
    let none = home.run(["snapshots", "--host", "c"]).ok();
    none.says(&["no snapshot is like that"]);
}

#[test]
fn what_the_options_leave_out_is_an_error_that_says_so() {
    let home = home();
    let rows = home.run(["snapshots", "--json"]).ok().json();
    let id = rows[0]["id"].as_str().unwrap();
    for what in [id, "latest~2", "db: main:latest"] {
        let ran = home.run(["ls", what, "--label", "/etc", "--host", "a", "--tag", "y"]).exit(1);
        ran.says(&["is not among those that were asked for", "hint: --label, --host, --writer"]);
    }
    home.run(["ls", "/var:latest"]).exit(1).says(&["error: no snapshot /var:latest"]);
    home.run(["ls", "latest", "--at", "soon"]).exit(1).says(&["no point in time"]);
}
