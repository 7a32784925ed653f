//! Owners, writers and scopes: who may do what with which key.

mod forged;
pub mod forging;
mod keys;
mod others;
mod reader;
mod scopes;
mod slots;
mod writers;

use crate::support::{Home, Ran};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A home whose owner has saved something, so that there is a repository.
pub fn owned() -> Home {
    let home = Home::new();
    home.snapshot(home.write("owned/file", "the owner's own\n".repeat(40))).ok();
    home
}

/// Exports the key of a writer with this name.
#[track_caller]
pub fn export(home: &Home, name: &str, options: &[&str]) -> PathBuf {
    let path = home.path(format!("keys/{name}"));
    let mut command = home.command();
    command.args(["key", "export-writer", "--name", name]).args(options).arg(&path);
    Ran::of(&mut command).ok().says_nothing();
    path
}

/// A host of its own, with nothing but a key.
pub struct Host<'h> {
    home: &'h Home,
    pub key: PathBuf,
    name: String,
}

impl<'h> Host<'h> {
    /// A host with the key of a new writer of this name.
    #[track_caller]
    pub fn enrolled(home: &'h Home, name: &str, options: &[&str]) -> Self {
        Self { home, key: export(home, name, options), name: name.to_owned() }
    }

    /// The program there: no cache and no other key is shared with the owner.
    pub fn command(&self) -> Command {
        let mut command = self.home.command();
        command
            .env("XDG_CACHE_HOME", self.home.path(format!("{}/cache", self.name)))
            .env("XDG_CONFIG_HOME", self.home.path(format!("{}/config", self.name)))
            .env("XDG_STATE_HOME", self.home.path(format!("{}/state", self.name)))
            .env("ESKER_KEY_FILE", &self.key);
        command
    }

    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran::of(self.command().args(arguments))
    }

    /// Saves a path, and returns what was said about it.
    #[track_caller]
    pub fn save(&self, path: &Path, options: &[&str]) -> serde_json::Value {
        let mut command = self.command();
        let ran = Ran::of(command.args(["snapshot", "--json"]).args(options).arg(path)).ok();
        ran.says_nothing().json().remove(0)
    }
}

/// All objects of a repository with their bytes.
pub fn objects(repository: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![repository.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(
                    path.strip_prefix(repository).unwrap().to_owned(),
                    std::fs::read(&path).unwrap(),
                );
            }
        }
    }
    found
}

/// A tree of some files at `name`, with bytes that follow from `seed`.
pub fn tree(home: &Home, name: &str, seed: u64) -> PathBuf {
    let mut draw = crate::support::Draw::new(seed);
    for number in 0..6 {
        home.write(&format!("{name}/some/{number}"), draw.noise(40_000));
        home.write(&format!("{name}/text/{number}"), draw.text(3000));
    }
    home.path(name)
}

/// Whether a restored tree has what the source has.
#[track_caller]
pub fn expect_equal(source: &Path, target: &Path) {
    let restored = target.join(source.strip_prefix("/").unwrap());
    let (was, is) = (objects(source), objects(&restored));
    assert_eq!(was.keys().collect::<Vec<_>>(), is.keys().collect::<Vec<_>>());
    assert!(was == is, "the bytes differ");
}
