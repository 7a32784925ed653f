//! Clocks that are a year off, with the real program.

use super::{expect_restored, listed, save, saved};
use crate::support::{Home, Ran, needs};
use std::process::Command;

/// A clock that is not off.
const RIGHT: &str = "+0";

/// Runs the program under a clock that is so far off.
fn off(home: &Home, shift: &str, words: &[&str]) -> Ran {
    let program = home.command();
    if shift == RIGHT {
        return home.run(words);
    }
    let mut command = Command::new("faketime");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Ran::of(command.args(["-f", shift]).arg(program.get_program()).args(words))
}

#[test]
fn saving_under_a_clock_that_is_a_year_off_loses_nothing() {
    if !needs("faketime") {
        return;
    }
    for shift in ["-1y", "+1y"] {
        let (home, source, mut ids) = saved(3);
        let ran = off(&home, shift, &["snapshot", "--json", source.to_str().unwrap()]).ok();
        ids.push(ran.says_nothing().json()[0]["snapshot"].as_str().unwrap().to_owned());
        ids.push(save(&home, &source, &[]));
        // The order is that of saving, whatever the times are.
        assert_eq!(listed(&home), ids);
        for id in &ids[2..] {
            expect_restored(&home, id, &source, 3);
        }
        home.run(["forget", "--keep-last", "2"]).ok();
        // What is dated ahead goes by name alone.
        assert_eq!(listed(&home), ids[if shift == "+1y" { 2 } else { 3 }..]);
        home.run(["gc", "--grace", "0"]).ok();
        expect_restored(&home, "latest", &source, 3);
        expect_restored(&home, &ids[3], &source, 3);
        home.run(["check", "--read-data"]).ok().says_nothing();
    }
}

/// Right times, and a machine that is a year behind or ahead when it forgets: what is to be kept is
/// counted from the last snapshot of the series.
#[test]
fn forgetting_under_a_clock_that_is_a_year_off_takes_nothing_more() {
    if !needs("faketime") {
        return;
    }
    for shift in ["-1y", "+1y"] {
        let (home, source, ids) = saved(4);
        let rules = ["forget", "--keep-within", "2d", "--keep-daily", "3"];
        let ran = off(&home, shift, &rules).ok();
        assert_eq!(
            ran.err.contains("dated more than a day after now"),
            shift == "-1y",
            "{}",
            ran.err
        );
        assert_eq!(listed(&home), ids);
        off(&home, shift, &["gc", "--grace", "0", "--abort-after", "0"]).ok().says_nothing();
        for (number, id) in ids.iter().enumerate() {
            expect_restored(&home, id, &source, number as u64 + 1);
        }
        home.run(["check", "--read-data"]).ok().says_nothing();
    }
}

#[test]
fn a_grace_that_began_under_another_clock_keeps_nothing_for_ever_and_takes_nothing_in_use() {
    if !needs("faketime") {
        return;
    }
    for (first, then) in [("+1y", RIGHT), (RIGHT, "-1y"), (RIGHT, "+1y"), ("-1y", RIGHT)] {
        let (home, source, ids) = saved(3);
        home.write("source/2", "another");
        let last = save(&home, &source, &[]);
        home.run(["forget", &ids[2]]).ok();
        // Seen for the first time.
        off(&home, first, &["gc"]).ok().says_nothing();
        let bytes = |home: &Home| -> u64 {
            let objects = crate::roles::objects(&home.repository());
            let packs = objects.iter().filter(|(name, _)| name.starts_with("pack"));
            packs.map(|(_, bytes)| bytes.len() as u64).sum()
        };
        let before = bytes(&home);
        off(&home, then, &["gc", "--grace", "0"]).ok().says_nothing();
        assert!(bytes(&home) + 90_000 < before, "{first} {then}: {before} {}", bytes(&home));
        assert_eq!(listed(&home), [&ids[0], &ids[1], &last].map(String::clone));
        expect_restored(&home, &ids[1], &source, 2);
        home.restore(&last, home.path("whole")).ok();
        home.run(["check", "--read-data"]).ok().says_nothing();
    }
}

/// A clock that runs ahead makes a backup look silent: it is told so, and starts over.
#[test]
fn a_collection_a_year_ahead_takes_nothing_from_a_backup_that_runs() {
    if !needs("faketime") {
        return;
    }
    let (home, source, _) = saved(2);
    for number in 2..60 {
        let noise = crate::support::Draw::new(number).noise(400_000);
        home.write(&format!("source/{number}"), noise);
    }
    let mut command = home.command();
    command.args(["snapshot", "--json", source.to_str().unwrap()]);
    let piped = std::process::Stdio::piped;
    let running = command.stdout(piped()).stderr(piped()).spawn().unwrap();
    let mut ended = 0;
    for shift in [RIGHT, "+1y", RIGHT, "+1y"] {
        let ran = off(&home, shift, &["gc", "--grace", "0", "--abort-after", "1h", "--json"]);
        assert!(matches!(ran.code, 0 | 6), "{ran:?}");
        let rows = if ran.code == 0 { ran.json() } else { Vec::new() };
        ended += rows.iter().filter_map(|row| row["sessions_ended"].as_u64()).sum::<u64>();
    }
    let ran = Ran::from_output(running.wait_with_output().unwrap());
    // Fenced three times, it says so; and else that it started over.
    assert!(matches!(ran.code, 0 | 6), "{ran:?}");
    if ran.code == 0 && ended > 0 {
        let row = ran.json().remove(0);
        let why = row["started_over"][0].as_str().unwrap_or_default();
        assert!(why.contains("ended by a collection, which took it for dead"), "{row}");
    }
    let id = save(&home, &source, &[]);
    expect_restored(&home, &id, &source, 60);
    home.run(["check", "--read-data"]).ok();
}
