//! What of the given paths is saved, and what is left out on purpose.

mod lists;
mod marks;
mod mounts;
mod options;
mod oracle;
mod patterns;

use crate::support::{Home, Ran};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

/// Saves `path` with these options, before which stands nothing else; the run as JSON.
#[track_caller]
fn save<A: AsRef<OsStr>>(home: &Home, path: &Path, options: &[A]) -> serde_json::Value {
    let mut command = home.command();
    command.args(["snapshot", "--json"]).args(options).arg(path);
    Ran::of(&mut command).ok().json().remove(0)
}

/// Everything in the latest snapshot below `root`, by path from there, escaped as in `--json`.
#[track_caller]
fn saved(home: &Home, root: &Path) -> BTreeSet<String> {
    let head = format!("{}/", root.to_str().unwrap());
    let rows = home.run(["ls", "--json", "latest"]).ok().json();
    let paths = rows.iter().map(|row| row["path"].as_str().unwrap());
    paths.filter_map(|path| path.strip_prefix(&head)).map(str::to_owned).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
