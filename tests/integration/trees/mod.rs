//! Trees grown from seeds come back as they were. What is the same is judged by `rsync` and `find`.

mod oracle;
mod sparse;
mod without_root;

use crate::support::tree::{Refused, Tree};
use crate::support::{Home, differences, needs, skipped};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One of these trees alone: `ESKER_TREE=17 cargo test --test integration trees`.
const ONE: &str = "ESKER_TREE";

/// Grows the trees with these numbers on a file system, saves and restores each of them. They
/// share a repository.
fn come_back(numbers: Range<u64>, file_system: &Path) {
    if !needs("rsync") || !needs("find") {
        return;
    }
    let Ok(home) = Home::within(file_system) else {
        return skipped(&format!("no folder can be made in {}", file_system.display()));
    };
    let one = std::env::var(ONE).ok().map(|number| number.parse::<u64>().unwrap());
    let mut refused = Refused::default();
    for number in numbers.filter(|number| one.is_none_or(|one| one == *number)) {
        let found = come_back_once(&home, number, &mut refused);
        let found = found.join("\n");
        assert!(found.is_empty(), "tree {number} ({ONE}={number} runs it alone):\n{found}");
    }
    for (what, times) in refused {
        skipped(&format!("{} on {}, {times} times", what, file_system.display()));
    }
    home.run(["check", "--read-data"]).ok();
}

/// Grows, saves and restores one tree; returns what became different by that.
fn come_back_once(home: &Home, number: u64, refused: &mut Refused) -> Vec<String> {
    let source = home.path(format!("trees/{number}"));
    let target = home.path(format!("targets/{number}"));
    // Two sources in one tree, one of them, or one whose content goes into the target itself.
    let roots: Vec<PathBuf> = match number % 3 {
        0 => vec![source.join("one"), source.join("two")],
        _ => vec![source.join("one")],
    };
    Tree::grow(number, &roots, refused);
    let ran =
        home.run(["snapshot".as_ref()].into_iter().chain(roots.iter().map(|r| r.as_os_str())));
    if ran.code != 0 {
        return vec![format!("snapshot ended with {}: {}", ran.code, ran.err)];
    }
    let (what, saved, restored) = match number % 3 {
        1 => (format!("latest:{}", roots[0].display()), roots[0].clone(), target.clone()),
        _ => ("latest".to_owned(), source.clone(), below(&target, &source)),
    };
    let ran = home.run(["restore".as_ref(), what.as_ref(), target.as_os_str()]);
    if ran.code != 0 {
        return vec![format!("restore ended with {}: {}", ran.code, ran.err)];
    }
    if number % 3 != 1 {
        // What leads to sources is saved with the time of the first of them.
        let time = source.metadata().unwrap().modified().unwrap();
        File::open(&restored).unwrap().set_modified(time).unwrap();
    }
    let found = differences(&saved, &restored);
    if found.is_empty() {
        std::fs::remove_dir_all(&source).unwrap();
        std::fs::remove_dir_all(&target).unwrap();
    }
    found
}

/// Where an absolute path is below a target.
pub fn below(target: &Path, path: &Path) -> PathBuf {
    target.join(path.strip_prefix("/").unwrap())
}

#[test]
fn trees_on_a_disk_come_back_as_they_were() {
    come_back(0..120, &std::env::temp_dir());
}

#[test]
fn trees_in_memory_come_back_as_they_were() {
    come_back(120..330, Path::new("/dev/shm"));
}
