//! The files of the house.

use std::path::{Path, PathBuf};

/// A text file.
pub struct Source {
    /// Its path from the top, with `/` between the parts.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// All Rust files below some folders, by path.
pub fn rust(folders: &[&str]) -> Vec<Source> {
    let mut found = all(folders);
    found.retain(|file| file.path.ends_with(".rs"));
    assert!(!found.is_empty(), "no Rust files in {folders:?}");
    found
}

/// All text files below some folders, by path. What is built, fuzzed or fetched is not ours.
pub fn all(folders: &[&str]) -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| top.join(folder)).collect();
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let name = entry.file_name();
            if kind.is_dir() {
                if !["target", "corpus", "artifacts", "__pycache__"].iter().any(|n| name == *n) {
                    waiting.push(path);
                }
            } else if kind.is_file()
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                let path = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
