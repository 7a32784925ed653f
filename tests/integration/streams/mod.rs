//! Streams: standard input and the output of commands, saved and given back.

mod archives;
mod bad;
mod databases;
mod given;
mod saved;

use crate::support::{Home, Ran};
use std::fs::File;
use std::path::PathBuf;

/// Saves what a command of the shell writes, as `name`.
fn command(home: &Home, name: &str, script: &str, options: &[&str]) -> Ran {
    let mut words = vec!["snapshot", "--command", name];
    words.extend(options);
    words.extend(["--", "sh", "-c", script]);
    home.run(words)
}

/// Saves a file as standard input, as `name`.
fn stdin(home: &Home, name: &str, file: &PathBuf, options: &[&str]) -> Ran {
    let mut command = home.command();
    command.args(["snapshot", "--stdin", name]).args(options);
    Ran::of(command.stdin(File::open(file).unwrap()))
}

/// How many snapshots there are.
fn snapshots(home: &Home) -> usize {
    home.run(["snapshots", "--json"]).ok().out.lines().count()
}
