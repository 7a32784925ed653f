//! Repair: what a copy has comes back, what can be made anew is, and what is lost is named.

mod copies;
mod lost;
mod table;

use crate::support::{Draw, Home, Ran};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// All files of a folder, by their names in it.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A home whose repository has two snapshots of a tree with some packs, and a copy of it.
pub fn home(seed: u64) -> Home {
    let home = Home::new();
    let mut draw = Draw::new(seed);
    for n in 0..6 {
        home.write(&format!("work/{n}"), draw.noise(40_000));
    }
    save(&home);
    home.write("work/more", draw.noise(90_000));
    save(&home);
    home
}

/// Saves the tree.
pub fn save(home: &Home) -> Ran {
    home.run(["snapshot", "-q", home.path("work").to_str().unwrap()]).ok()
}

/// Where the copy is.
pub fn copy(home: &Home) -> PathBuf {
    home.path("copy")
}

pub fn sync(home: &Home) -> Ran {
    home.run(["sync", "-q", copy(home).to_str().unwrap()]).ok()
}

/// Repairs, with the caches of a machine that comes anew.
pub fn repair(home: &Home, words: &[&str]) -> Ran {
    let _ = fs::remove_dir_all(home.path("cache"));
    home.run(["repair"].iter().chain(words))
}

/// Repairs from the copy.
pub fn repair_from_copy(home: &Home, words: &[&str]) -> Ran {
    let copy = copy(home);
    repair(home, &[&["--from", copy.to_str().unwrap()], words].concat())
}

/// Everything below a folder.
pub fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read(path).unwrap());
        }
    }
    found
}

/// The names of objects of a kind, such as "pack".
pub fn of_kind(files: &Files, kind: &str) -> Vec<String> {
    let of = files.keys().filter(|name| name.split('/').next() == Some(kind));
    of.cloned().collect()
}

/// Turns one bit over, in the middle.
pub fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 16;
    fs::write(path, bytes).unwrap();
}

/// Holds that a snapshot restores to the tree as it is now.
#[track_caller]
pub fn restores(home: &Home, snapshot: &str) {
    let work = home.path("work");
    let target = tempfile::tempdir().unwrap();
    let _ = fs::remove_dir_all(home.path("cache"));
    home.restore(&format!("{snapshot}:{}", work.display()), target.path().join("to")).ok();
    assert!(files(&work) == files(&target.path().join("to")), "{snapshot} is another tree");
}
