//! A store that may only be read: reading works, and leaves no trace.

use crate::support::{Home, Ran};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// All entries below a folder, with length and time of the last change.
fn entries(folder: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stat = path.symlink_metadata().unwrap();
        if stat.is_dir() {
            out.extend(entries(&path));
        }
        out.insert(path, (stat.size(), stat.mtime(), stat.mtime_nsec()));
    }
    out
}

fn forbid_writing(folder: &Path, paths: impl Iterator<Item = PathBuf>) {
    for path in paths.chain([folder.to_owned()]) {
        let mode = if path.is_dir() { 0o555 } else { 0o444 };
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
}

#[test]
fn everything_that_reads_works_on_a_read_only_store_and_writes_nothing_there() {
    let home = Home::new();
    let file = home.write("work/file", vec![7; 300_000]);
    let run = |arguments: &[&str]| Ran::of(home.command_without_root().args(arguments));
    let work = home.path("work");
    let work = work.to_str().unwrap();
    run(&["snapshot", work]).ok();
    let repository = home.repository();
    let before = entries(&repository);
    forbid_writing(&repository, before.keys().cloned());
    let target = home.path("target");
    let what = format!("latest:{work}");
    let cat = format!("latest:{}", file.display());
    for round in 0..2 {
        run(&["snapshots"]).ok();
        run(&["ls", "latest"]).ok();
        assert_eq!(run(&["cat", &cat]).ok().out.len(), 300_000);
        run(&["check", "--read-data"]).ok();
        run(&["restore", &what, target.join(round.to_string()).to_str().unwrap()]).ok();
        // Once with the index database, and once without.
        std::fs::remove_dir_all(home.path("cache")).unwrap();
    }
    let ran = run(&["snapshot", work]).exit(1);
    ran.says(&["error: ", repository.to_str().unwrap(), "hint: this needs write access"]);
    assert_eq!(entries(&repository), before);
    // A cache that cannot be written is no reason not to read.
    std::fs::create_dir_all(home.path("cache")).unwrap();
    let mut command = home.command_without_root();
    forbid_writing(&home.path("cache"), std::iter::empty());
    Ran::of(command.arg("snapshots")).ok();
}
