//! Whatever was changed since a tree was saved: a restore over it makes it as it was, and a dry
//! run says what that changes.

use super::listing::{listing, unescape};
use super::mutate::{change_unseen, mutate};
use super::{counts, is_litter, latest, restore, summary};
use crate::support::tree::{Refused, Tree};
use crate::support::{Draw, Home, differences, needs, skipped};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

/// One of these trees alone: `ESKER_TREE=17 cargo test --test integration restore_over`.
const ONE: &str = "ESKER_TREE";

fn come_back(numbers: Range<u64>, file_system: &Path) {
    if !rustix::process::geteuid().is_root() {
        return skipped("needs root");
    }
    if !needs("rsync") || !needs("find") {
        return;
    }
    let Ok(home) = Home::within(file_system) else {
        return skipped(&format!("no folder can be made in {}", file_system.display()));
    };
    let one = std::env::var(ONE).ok().map(|number| number.parse::<u64>().unwrap());
    for number in numbers.filter(|number| one.is_none_or(|one| one == *number)) {
        let found = once(&home, number).join("\n");
        assert!(found.is_empty(), "tree {number} ({ONE}={number} runs it alone):\n{found}");
    }
}

fn once(home: &Home, number: u64) -> Vec<String> {
    let source = home.path(format!("trees/{number}"));
    Tree::grow(number, std::slice::from_ref(&source), &mut Refused::default());
    home.snapshot(&source).ok();
    let pristine = home.path(format!("pristine/{number}"));
    restore(home, &latest(&source), &pristine, &[]).ok();
    let mut draw = Draw::new(number ^ 0xdead);
    mutate(&mut draw, &source, [1, 3, 10][number as usize % 3]);
    let before = listing(&source);

    let dry = restore(home, &latest(&source), &source, &["--delete", "--dry-run"]);
    if dry.code != 0 {
        return vec![format!("a dry run ended with {}: {}", dry.code, dry.err)];
    }
    if listing(&source) != before {
        return vec!["the dry run changed something".to_owned()];
    }
    let ran = restore(home, &latest(&source), &source, &["--delete"]);
    if ran.code != 0 {
        return vec![format!("restore ended with {}: {}", ran.code, ran.err)];
    }
    let mut found = differences(&pristine, &source);
    if counts(&dry) != counts(&ran) {
        found.push(format!("dry run {:?}, run {:?}", counts(&dry), counts(&ran)));
    }
    found.extend(check_rows(&dry.json(), &before, &source));
    let again = restore(home, &latest(&source), &source, &["--delete"]).ok();
    let [added, changed, _, kept, deleted] = counts(&again);
    if (added, changed, kept, deleted) != (0, 0, 0, 0) || summary(&again)["fetched_bytes"] != 0 {
        found.push(format!("and again: {}", again.out));
    }
    if found.is_empty() {
        std::fs::remove_dir_all(&source).unwrap();
        std::fs::remove_dir_all(&pristine).unwrap();
    }
    found
}

/// The rows of a dry run are what has changed since.
fn check_rows(
    rows: &[serde_json::Value],
    before: &std::collections::BTreeMap<Vec<u8>, super::listing::Entry>,
    source: &Path,
) -> Vec<String> {
    let after = listing(source);
    let prefix = format!("{}/", source.display()).into_bytes();
    let told = |word: &str| -> BTreeSet<Vec<u8>> {
        let of = rows.iter().filter(|row| row["row"] == word);
        of.map(|row| {
            let path = unescape(row["path"].as_str().unwrap());
            path.strip_prefix(&prefix[..]).unwrap_or_default().to_vec()
        })
        .collect()
    };
    let only = |a: &std::collections::BTreeMap<Vec<u8>, _>,
                b: &std::collections::BTreeMap<_, _>| {
        a.keys().filter(|key| !b.contains_key(*key)).cloned().collect::<BTreeSet<Vec<u8>>>()
    };
    let mut found = Vec::new();
    let mut expect = |word: &str, is: BTreeSet<Vec<u8>>| {
        let told = told(word);
        for path in told.symmetric_difference(&is) {
            let path = String::from_utf8_lossy(path).into_owned();
            found.push(format!("{word} {path:?}: told or done, not both"));
        }
    };
    expect("add", only(&after, before));
    expect("delete", only(before, &after));
    let changed = told("change");
    for (path, now) in &after {
        let Some(was) = before.get(path) else { continue };
        let differs = was.state != now.state;
        // Names of one file: which of them counts as changed is a matter of order.
        let is_shared = was.names > 1 || now.names > 1;
        if changed.contains(path) != differs && (differs || !is_shared) {
            found.push(format!("change of {:?}: {was:?} {now:?}", String::from_utf8_lossy(path)));
        }
    }
    found
}

#[test]
fn changed_trees_on_a_disk_become_what_they_were() {
    come_back(0..60, &std::env::temp_dir());
}

#[test]
fn changed_trees_in_memory_become_what_they_were() {
    come_back(60..140, Path::new("/dev/shm"));
}

/// A tree of about 30 MiB whose files do not compress.
fn noise(home: &Home) -> std::path::PathBuf {
    let mut draw = Draw::new(5);
    for number in 0..60 {
        home.write(&format!("work/{}/{number}", number % 7), draw.noise(100 << 10));
    }
    home.write("work/large", draw.noise(24 << 20));
    home.path("work")
}

#[test]
fn a_restore_reads_only_what_differs() {
    let home = Home::new();
    let work = noise(&home);
    home.snapshot(&work).ok();
    let same = restore(&home, &latest(&work), &work, &[]).ok();
    assert_eq!(summary(&same)["fetched_bytes"], 0);
    // A byte in each of two large ranges, a file that is gone, and one that is shorter.
    for at in [3 << 20, 20 << 20] {
        change_unseen(&work.join("large"), at);
    }
    std::fs::remove_file(work.join("3/10")).unwrap();
    let unseen = restore(&home, &latest(&work), &work, &["--overwrite", "if-newer"]).ok();
    assert_eq!(counts(&unseen)[..3], [1, 1, 67], "the folder of the file got its time back");
    let ran = restore(&home, &latest(&work), &work, &["--overwrite", "always"]).ok();
    assert_eq!(counts(&ran)[..3], [0, 1, 68]);
    let fetched = summary(&ran)["fetched_bytes"].as_u64().unwrap();
    assert!((1..5 << 20).contains(&fetched), "{fetched}");
    home.run(["restore", &latest(&work), home.path("twin").to_str().unwrap()]).ok();
    assert_eq!(differences(&home.path("twin"), &work), Vec::<String>::new());
}

#[test]
fn nothing_of_a_restore_is_left_behind() {
    let home = Home::new();
    let work = noise(&home);
    home.snapshot(&work).ok();
    mutate(&mut Draw::new(1), &work, 2);
    restore(&home, &latest(&work), &work, &["--delete"]).ok();
    for path in listing(&work).keys() {
        let path = String::from_utf8_lossy(path).into_owned();
        assert!(!path.split('/').any(is_litter), "{path}");
    }
}
