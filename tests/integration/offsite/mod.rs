//! A second copy: sync, mirrors, promote, copies under other keys; through the program.

mod beside;
mod copied;
mod killed;
mod mirror;
mod refused;

use crate::support::{Draw, Home, Ran};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A home with a repository, whose source `work` has some MiB.
fn home(seed: u64) -> Home {
    let home = Home::within(Path::new("/dev/shm")).unwrap_or_else(|_| Home::new());
    let mut draw = Draw::new(seed);
    for number in 0..30 {
        home.write(&format!("work/{number:02}"), draw.noise(200 << 10));
    }
    home
}

/// Saves the source with one more file.
#[track_caller]
fn save(home: &Home, name: &str) -> String {
    home.write(&format!("work/{name}"), name);
    let ran = home.run(["snapshot", "--json", home.path("work").to_str().unwrap()]).ok();
    ran.json()[0]["snapshot"].as_str().unwrap().to_owned()
}

fn copy(home: &Home) -> PathBuf {
    home.path("copy")
}

/// Syncs to the copy.
fn sync(home: &Home, options: &[&str]) -> Ran {
    let copy = copy(home);
    home.run(["sync", copy.to_str().unwrap()].iter().chain(options))
}

/// Runs the program on the copy, with the owner's key and caches of its own.
fn there(home: &Home, words: &[&str]) -> Ran {
    let (copy, key, cache) = (copy(home), home.path("config/esker/key"), home.path("other cache"));
    let with: Vec<&str> = [("-r", &copy), ("-k", &key), ("--cache-dir", &cache)]
        .into_iter()
        .flat_map(|(option, path)| [option, path.to_str().unwrap()])
        .collect();
    home.run(with.iter().chain(words))
}

/// The ids that a run of `snapshots --json` lists.
#[track_caller]
fn ids(ran: &Ran) -> Vec<String> {
    ran.json().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// Says something that whoever looks at one test alone wants to know.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The last line of JSON.
#[track_caller]
fn last(ran: &Ran) -> Value {
    ran.json().pop().unwrap()
}

/// Names of all files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for path in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Fails unless two trees have the same files with the same bytes.
#[track_caller]
fn assert_same(left: &Path, right: &Path) {
    assert_eq!(files(left), files(right));
    for name in files(left) {
        let bytes = [left, right].map(|folder| std::fs::read(folder.join(&name)).unwrap());
        assert!(bytes[0] == bytes[1], "{name}");
    }
}

/// Restores the source as a snapshot of the copy has it, and holds that it is `tree`.
#[track_caller]
fn restores(home: &Home, snapshot: &str, tree: &Path) {
    let target = home.path("target");
    let what = format!("{snapshot}:{}", home.path("work").display());
    there(home, &["restore", &what, target.to_str().unwrap()]).ok();
    assert_same(tree, &target);
    std::fs::remove_dir_all(target).unwrap();
}
