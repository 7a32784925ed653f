//! Forget and take it back, hold, tags: through the program.

mod beside;
mod clocks;
mod collecting;
mod marks;
mod named;
mod rules;
mod series;

use crate::support::{Home, Ran};
use serde_json::Value;

/// A home with snapshots of the series `a`, one for each time, oldest first.
fn home(times: &[&str]) -> Home {
    let home = Home::new();
    times.iter().for_each(|time| save(&home, time, &[]));
    home
}

/// One more snapshot of the series `a`.
#[track_caller]
fn save(home: &Home, time: &str, options: &[&str]) {
    save_as(home, "a", time, options);
}

/// One more snapshot of a series. A file has its time in it.
#[track_caller]
fn save_as(home: &Home, label: &str, time: &str, options: &[&str]) {
    let file = home.write("source/file", time);
    let file = file.to_str().unwrap();
    let words = ["snapshot", file, "--label", label, "--host", "h", "--time", time, "-q"];
    home.run(words.iter().chain(options)).ok();
}

/// One more snapshot of the series `a` that is partial, because a path is missing.
#[track_caller]
fn save_partial(home: &Home, time: &str) {
    let file = home.write("source/file", time);
    let missing = home.path("source/missing");
    let (file, missing) = (file.to_str().unwrap(), missing.to_str().unwrap());
    let words = ["snapshot", file, missing, "--label", "a", "--host", "h", "--time", time, "-q"];
    home.run(words).exit(3);
}

/// The day of the month of each listed snapshot.
#[track_caller]
fn days(home: &Home, options: &[&str]) -> Vec<u32> {
    let rows = home.run(["snapshots", "--json"].iter().chain(options)).ok().json();
    rows.iter().map(day).collect()
}

fn day(row: &Value) -> u32 {
    row["start"].as_str().unwrap()[8..10].parse().unwrap()
}

/// The id of a listed snapshot.
#[track_caller]
fn id(home: &Home, number: usize) -> String {
    let rows = home.run(["snapshots", "--forgotten", "--json"]).ok().json();
    rows[number]["id"].as_str().unwrap().to_owned()
}

/// What `forget` would do: the day of each snapshot with its reasons; those that go have none.
#[track_caller]
fn plan(home: &Home, options: &[&str]) -> Vec<(u32, String)> {
    let ran = forget(home, &[options, &["--dry-run", "--json"]].concat()).ok();
    let rows = ran.json();
    let snapshots = rows.iter().filter(|row| row["kind"] == "snapshot");
    snapshots
        .map(|row| {
            let reasons = row["reasons"].as_array().unwrap().iter();
            let reasons: Vec<&str> = reasons.map(|reason| reason.as_str().unwrap()).collect();
            assert_eq!(row["stays"], !reasons.is_empty());
            (day(row), reasons.join(", "))
        })
        .collect()
}

/// The days of those that would stay.
#[track_caller]
fn stay(home: &Home, options: &[&str]) -> Vec<u32> {
    let plan = plan(home, options).into_iter();
    plan.filter(|(_, why)| !why.is_empty()).map(|(day, _)| day).collect()
}

fn forget(home: &Home, options: &[&str]) -> Ran {
    home.run(["forget"].iter().chain(options))
}

/// Objects in the store.
fn objects(home: &Home) -> usize {
    fn count(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
    }
    count(&home.repository())
}
