//! Streams that are given back to a pipe or a command.

use super::{command, stdin};
use crate::support::{Draw, Home, Ran};
use std::process::Stdio;

/// A home with a stream of some parts, and what is in it.
fn home(len: usize) -> (Home, Vec<u8>) {
    let home = Home::new();
    let mut bytes = Draw::new(7).noise(len);
    // Zeros are no chunks.
    bytes[len / 3..len / 2].fill(0);
    let file = home.write("dump", &bytes);
    stdin(&home, "db", &file, &[]).ok();
    (home, bytes)
}

fn feed(home: &Home, script: &str) -> Ran {
    home.run(["restore", "latest:/db", "--to-command", "sh", "--", "-c", script])
}

#[test]
fn a_stream_of_many_parts_is_written_whole_and_in_order() {
    let (home, bytes) = home(40 << 20);
    let mut cat = home.command();
    let out = cat.args(["cat", "latest:/db"]).output().unwrap();
    assert!(out.status.success() && out.stdout == bytes);
    let copy = home.path("copy");
    let ran = feed(&home, &format!("cat >{}", copy.display())).ok();
    ran.says(&["gave /db, 40.0 MiB, to sh"]);
    assert!(std::fs::read(copy).unwrap() == bytes);
}

#[test]
fn a_reader_that_goes_away_is_nobodys_error() {
    let (home, _) = home(20 << 20);
    let mut cat = home.command();
    let mut child = cat.args(["cat", "latest:/db"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(128 + 13));
}

#[test]
fn the_exit_code_of_a_command_counts_and_all_has_to_be_read() {
    let (home, _) = home(20 << 20);
    feed(&home, "cat >/dev/null; exit 3").exit(1).says(&["error: sh ended with exit code 3"]);
    feed(&home, "exec <&-; exit 0").exit(1).says(&["sh ended before it had read everything"]);
    let ran = home.run(["restore", "latest:/db", "--to-command", "/no/such"]);
    ran.exit(1).says(&["/no/such cannot be run"]);
    let ran = home.run(["restore", "latest:/db", "target", "--", "x"]);
    ran.exit(1).says(&["what stands behind `--` is for a command"]);
    home.run(["restore", "latest", "--to-command", "cat"]).exit(1).says(&["no file is named"]);
}

#[test]
fn a_command_never_sees_the_end_of_a_damaged_stream() {
    let (home, _) = home(40 << 20);
    // Pages are in a pack of their own, a small one.
    let folder = home.repository().join("pack");
    let mut packs: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .flat_map(|entry| std::fs::read_dir(entry.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    packs.sort();
    packs.retain(|pack| std::fs::metadata(pack).unwrap().len() > 4 << 20);
    assert!(!packs.is_empty());
    for pack in &packs {
        let mut bytes = std::fs::read(pack).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(pack, bytes).unwrap();
    }
    let done = home.path("done");
    let ran = feed(&home, &format!("cat >/dev/null; touch {}", done.display()));
    ran.exit(4).says(&["sh was ended before it had read everything", "is damaged"]);
    assert!(!done.exists(), "it took what it got for all");
}

#[test]
fn a_small_stream_is_given_too() {
    let home = Home::new();
    command(&home, "db", "printf small", &[]).ok();
    let ran = home.run(["-q", "restore", "latest:/db", "--to-command", "cat"]).ok();
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("small", ""));
}
