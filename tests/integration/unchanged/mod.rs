//! What did not change is not read again, and what did is never missed.

mod costs;
mod facts;
mod mutate;
mod rounds;

use crate::support::{Home, Ran};
use std::path::Path;

/// Long enough for times of what was written before to differ from those of what comes after.
pub fn let_the_clock_tick() {
    std::thread::sleep(std::time::Duration::from_millis(70));
}

/// Saves `path` with further options; returns what it says of the snapshot.
#[track_caller]
pub fn counts(home: &Home, path: &Path, options: &[&str]) -> serde_json::Value {
    let ran = Ran::of(home.command().args(["snapshot", "--json"]).args(options).arg(path));
    ran.ok().json().pop().unwrap()["counts"].clone()
}

/// What the last snapshot has, entry by entry.
#[track_caller]
pub fn entries(home: &Home) -> String {
    home.run(["ls", "--json", "latest"]).ok().out
}
