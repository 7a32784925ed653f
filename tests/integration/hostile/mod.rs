//! What hosts, thieves, clocks and disks do to a repository that many share: each is told clearly,
//! and nothing is lost.

mod clocks;
mod collections;
mod entries;
mod thieves;

use crate::support::Home;
use std::path::{Path, PathBuf};

/// A home with these many snapshots of one source, which grows by a file each time; returns the ids.
fn saved(count: u64) -> (Home, PathBuf, Vec<String>) {
    let home = Home::new();
    let source = home.path("source");
    let mut ids = Vec::new();
    for number in 0..count {
        let noise = crate::support::Draw::new(number).noise(100_000);
        home.write(&format!("source/{number}"), noise);
        ids.push(save(&home, &source, &[]));
    }
    (home, source, ids)
}

/// Saves a source; returns the id of the snapshot.
#[track_caller]
fn save(home: &Home, source: &Path, options: &[&str]) -> String {
    let words = ["snapshot", "--json", source.to_str().unwrap()];
    let ran = home.run(words.iter().copied().chain(options.iter().copied())).ok();
    ran.json()[0]["snapshot"].as_str().unwrap().to_owned()
}

/// Ids of what is listed.
#[track_caller]
fn listed(home: &Home) -> Vec<String> {
    let rows = home.run(["snapshots", "--json"]).ok().json();
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// That a snapshot restores to so many files, each as the source has it.
#[track_caller]
fn expect_restored(home: &Home, id: &str, source: &Path, files: u64) {
    let target = home.path("target");
    let _ = std::fs::remove_dir_all(&target);
    home.restore(&format!("{id}:{}", source.display()), &target).ok();
    assert_eq!(std::fs::read_dir(&target).unwrap().count() as u64, files);
    for number in 0..files {
        let name = number.to_string();
        let [was, is] = [source, &target].map(|folder| std::fs::read(folder.join(&name)).unwrap());
        assert!(was == is, "{name} differs");
    }
}

/// Makes this machine one that has never seen the repository.
fn forget_all(home: &Home) {
    for folder in ["cache", "state"] {
        let _ = std::fs::remove_dir_all(home.path(folder));
    }
}
