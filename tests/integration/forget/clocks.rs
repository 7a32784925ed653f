//! Clocks that are wrong: of those who saved, and of who forgets.

use super::*;
use crate::support::needs;

/// Seven days up to yesterday, by this machine's clock.
fn a_week() -> Home {
    let home = Home::new();
    for days in (1..8).rev() {
        save(&home, &ago(days), &[]);
    }
    home
}

/// A time so many days before now, as `--time` takes it.
fn ago(days: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("@{}", now.as_secs() as i64 - days * 24 * 3600)
}

/// Numbers of those that would stay.
#[track_caller]
fn numbers(home: &Home, options: &[&str]) -> Vec<usize> {
    numbers_of(&forget(home, &[options, &["--dry-run", "--json"]].concat()).ok())
}

#[track_caller]
fn numbers_of(ran: &Ran) -> Vec<usize> {
    let rows = ran.json().into_iter().enumerate();
    rows.filter(|(_, row)| row["stays"] == true).map(|(number, _)| number).collect()
}

#[test]
fn a_snapshot_dated_a_year_ahead_pushes_nothing_out() {
    let home = a_week();
    let rules = ["--keep-within", "3d", "--keep-daily", "4", "--keep-within-weekly", "5d"];
    let before = numbers(&home, &rules);
    assert!(before.len() < 7);
    save(&home, &ago(-365), &[]);
    let after = numbers(&home, &rules);
    // It stays beside what stayed, and is none of the four.
    assert_eq!(after, [before, vec![7]].concat());
    let ran = forget(&home, &["--keep-last", "2"]).ok();
    ran.says(&["1 snapshot is dated more than a day after now"]);
    // Later ones come behind it: the order is that of the log.
    save(&home, &ago(0), &[]);
    let rows = home.run(["snapshots", "--json"]).ok().json();
    assert_eq!(rows.len(), 4);
    let latest = home.run(["cat", &format!("latest:{}", home.path("source/file").display())]).ok();
    assert_eq!(latest.out.parse::<f64>().ok(), None);
    assert!(latest.out.starts_with('@'));
    assert_eq!(numbers(&home, &["--keep-last", "1"]), [2, 3]);
    let plan = forget(&home, &["--keep-last", "1", "--dry-run"]).ok();
    assert!(plan.out.contains("stays     dated ahead of now"), "{}", plan.out);
    // By name it goes.
    forget(&home, &[&id(&home, 7)]).ok();
    assert_eq!(numbers(&home, &["--keep-last", "1"]), [2]);
}

#[test]
fn a_clock_that_is_a_year_off_makes_nothing_go_that_a_right_one_keeps() {
    if !needs("faketime") {
        return;
    }
    let home = a_week();
    let rules = ["--keep-within", "3d", "--keep-daily", "4", "--keep-within-weekly", "5d"];
    let right = numbers(&home, &rules);
    for shift in ["-1y", "+1y"] {
        let program = home.command();
        let mut command = std::process::Command::new("faketime");
        for (name, value) in program.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.args(["-f", shift]).arg(program.get_program());
        command.arg("forget").args(rules).args(["--dry-run", "--json"]);
        let ran = Ran::of(&mut command).ok();
        let off = numbers_of(&ran);
        assert!(right.iter().all(|number| off.contains(number)), "{shift}: {right:?} {off:?}");
        assert_eq!(ran.err.contains("dated more than a day after now"), shift == "-1y");
    }
}
