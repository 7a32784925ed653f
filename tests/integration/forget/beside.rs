//! Half of all snapshots forgotten and collected while others keep saving.
//!
//! `ESKER_MANY_SNAPSHOTS=400` makes so many of them.
#![expect(clippy::print_stdout, reason = "numbers are what this is run for")]

use super::*;
use crate::support::Draw;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const WRITERS: usize = 4;
/// Files of each source, one of which changes before each snapshot.
const FILES: usize = 4;

/// Bytes of all objects below a folder.
fn bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| match entry.metadata().unwrap() {
            stat if stat.is_dir() => bytes(&entry.path()),
            stat => stat.len(),
        })
        .sum()
}

/// Saves a tree that has changed a little, on a machine of its own; returns what it stored.
fn save(home: &Home, writer: usize, turn: usize, len: usize) -> u64 {
    let noise = Draw::new((writer << 32 | turn) as u64).noise(len);
    let file = home.write(&format!("source/{writer}/{}", turn % FILES), noise);
    let cache = home.path(format!("cache/{writer}"));
    let label = writer.to_string();
    let mut command = home.command();
    command.env("XDG_CACHE_HOME", cache).env("XDG_STATE_HOME", home.path("state").join(&label));
    command.arg("snapshot").arg(file.parent().unwrap());
    let ran = Ran::of(command.args(["--label", &label, "--host", "h", "--json"])).ok();
    let rows = ran.json();
    rows.last().unwrap()["counts"]["stored_bytes"].as_u64().unwrap()
}

#[test]
fn half_of_all_snapshots_is_collected_beside_writers_and_frees_what_was_said() {
    let count = std::env::var("ESKER_MANY_SNAPSHOTS");
    let turns = count.map_or(48, |count| count.parse::<usize>().unwrap()) / WRITERS;
    let home = Home::new();
    home.run(["init", "-q"]).ok();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let home = &home;
            scope.spawn(move || {
                (0..turns).for_each(|turn| {
                    save(home, writer, turn, 600_000);
                })
            });
        }
    });
    let packs = home.repository().join("pack");
    let (before, all_before) = (bytes(&packs), bytes(&home.repository()));
    let is_over = AtomicBool::new(false);
    let (rows, added, saved) = std::thread::scope(|scope| {
        let writers = (0..WRITERS).map(|writer| {
            let (home, is_over) = (&home, &is_over);
            scope.spawn(move || {
                let mut saved = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    saved.push(save(home, writer, turns + saved.len(), 20_000));
                }
                saved
            })
        });
        let writers: Vec<_> = writers.collect();
        let keep = (turns / 2).to_string();
        let words = ["--keep-last", &keep, "--gc", "--grace", "0", "--json"];
        let rows = home.run(["forget"].iter().chain(&words));
        is_over.store(true, Ordering::Relaxed);
        let saved: Vec<u64> = writers.into_iter().flat_map(|w| w.join().unwrap()).collect();
        (rows.ok().json(), saved.iter().sum::<u64>(), saved.len())
    });
    let row = |kind: &str| rows.iter().find(|row| row["kind"] == kind).unwrap();
    let (plan, done) = (row("plan"), row("done"));
    let freed = before + added - bytes(&packs);
    let all = all_before + added - bytes(&home.repository());
    let said = plan["frees"].as_u64().unwrap();
    println!("{saved} saved beside it, {added} stored; before {before} of {all_before}");
    println!("said {said}; freed {freed} of packs, {all} of all\n{plan}\n{done}");
    assert!(saved >= WRITERS && row("summary")["forgotten"].as_u64() >= Some((turns * 2) as u64));
    assert!(freed.abs_diff(said) <= said / 100, "{said} said, {freed} freed: {plan} {done}");
    let told = done["freed"].as_u64().unwrap();
    assert!(told.abs_diff(said) <= said / 100, "{said} said, {told} told: {plan} {done}");
    home.run(["check", "--read-data", "-q"]).ok().says_nothing();
}
