//! The golden repository: what its generator writes, and what this version reads from it.
//!
//! `ESKER_BLESS=1 cargo test golden -- --test-threads=1` makes all of tests/golden again. The commit
//! that changes the format does that, and no other.

use crate::support::{Home, Ran, skipped};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[allow(dead_code, reason = "its main function is for the command line")]
#[path = "../../format/examples/golden_repository.rs"]
mod generator;

/// The snapshot with something in it.
const SNAPSHOT: &str = "4ab2494ab81428f2";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn blesses() -> bool {
    std::env::var_os("ESKER_BLESS").is_some()
}

/// Compares lines with a file of tests/golden, or makes it again. The file leaves out the many
/// files that are all alike, and ends with the hash of all lines.
#[track_caller]
fn expect(name: &str, all: &str) {
    let special = all.lines().filter(|line| !line.contains("many/"));
    let mut found: String = special.flat_map(|line| [line, "\n"]).collect();
    found.push_str(&format!("{}\n", blake3::hash(all.as_bytes())));
    let path = golden().join(name);
    if blesses() {
        std::fs::write(&path, &found).unwrap();
    }
    let wanted = std::fs::read_to_string(path).unwrap();
    for (found, wanted) in found.lines().zip(wanted.lines()) {
        assert_eq!(found, wanted, "in {name}");
    }
    assert_eq!(found.len(), wanted.len(), "length of {name}");
}

fn run(home: &Home, arguments: &[&str]) -> Ran {
    let (repository, key) = (golden().join("repository"), golden().join("owner.key"));
    let mut all: Vec<OsString> = vec!["--repo".into(), repository.into()];
    all.extend(["--key-file".into(), key.into()]);
    all.extend(arguments.iter().map(Into::into));
    home.run(all)
}

#[test]
fn the_golden_repository_is_what_its_generator_writes() {
    let home = Home::new();
    let made = if blesses() { golden() } else { home.path("golden") };
    if blesses() {
        std::fs::remove_dir_all(golden().join("repository")).unwrap();
    }
    generator::Golden::new(&made).write().unwrap();
    let both = [made.join("repository"), golden().join("repository")].map(|folder| files(&folder));
    assert_eq!(both[0].keys().collect::<Vec<_>>(), both[1].keys().collect::<Vec<_>>());
    for (name, bytes) in &both[0] {
        assert!(*bytes == both[1][name], "{} differs", name.display());
    }
    let packs = both[0].keys().filter(|name| name.starts_with("pack")).count();
    assert!(packs >= 2, "several packs");
}

#[test]
fn its_list_is_the_one_that_was_checked_in() {
    let ran = run(&Home::new(), &["ls", "--json", SNAPSHOT]).ok();
    expect("ls.jsonl", &ran.out);
    let kinds: std::collections::BTreeSet<String> =
        ran.json().iter().map(|row| row["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds.len(), 9, "every kind of node: {kinds:?}");
}

#[test]
fn it_is_restored_to_the_bytes_that_were_checked_in() {
    if !rustix::process::geteuid().is_root() {
        return skipped("device nodes take root");
    }
    let home = Home::new();
    let target = home.path("target");
    let ran = run(&home, &["restore", SNAPSHOT, "--json", target.to_str().unwrap()]).exit(3);
    let named: Vec<String> = ran.json()[0]["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem[0].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(named, ["/data/big", "/data/secret"]);
    let mut lines: Vec<String> = files(&target)
        .iter()
        .map(|(name, bytes)| format!("{} {}\n", blake3::hash(bytes), shown(name)))
        .collect();
    lines.sort();
    expect("contents.txt", &lines.concat());
}

#[test]
fn it_holds_no_damage() {
    run(&Home::new(), &["check", "--read-data"]).ok();
}

/// A name as Python writes it with `unicode_escape`.
fn shown(name: &Path) -> String {
    let byte = |b: &u8| match b {
        b'\\' => "\\\\".to_owned(),
        b' '..=b'~' => char::from(*b).to_string(),
        _ => format!("\\x{b:02x}"),
    };
    name.as_os_str().as_bytes().iter().map(byte).collect()
}

/// All regular files below a folder, by their names in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            let path = entry.path();
            if kind.is_dir() {
                todo.push(path);
            } else if kind.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}
