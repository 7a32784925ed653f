//! Snapshots copied under other keys.

use super::{files, home, ids, last, save};
use crate::support::{Home, Ran, differences, needs, tree};
use std::fs;
use std::path::PathBuf;

/// Another repository beside the first, with a key of its own.
fn other(home: &Home) -> [PathBuf; 2] {
    let [place, key] = [home.path("other"), home.path("other.key")];
    home.run(["-r", place.to_str().unwrap(), "-k", key.to_str().unwrap(), "init", "-q"]).ok();
    [place, key]
}

fn copy(home: &Home, [place, key]: &[PathBuf; 2], words: &[&str]) -> Ran {
    let to = ["copy", "--to", place.to_str().unwrap(), "--to-key-file", key.to_str().unwrap()];
    home.run(to.iter().chain(words))
}

fn there(home: &Home, [place, key]: &[PathBuf; 2], words: &[&str]) -> Ran {
    let with = ["-r", place.to_str().unwrap(), "-k", key.to_str().unwrap()];
    home.run(with.iter().chain(words))
}

#[test]
fn a_copied_snapshot_restores_to_the_same_tree() {
    if !needs("rsync") {
        return;
    }
    let home = home(41);
    let work = home.path("work");
    let mut refused = tree::Refused::default();
    tree::Tree::grow(8, &[work.join("tree")], &mut refused);
    home.write("work/large", crate::support::Draw::new(3).noise(9 << 20));
    let sparse = fs::File::create(work.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", 40 << 20).unwrap();
    home.write("work/zeros", vec![0; 6 << 20]);
    home.run(["snapshot", work.to_str().unwrap(), "--tag", "kept", "-q"]);
    let other = other(&home);
    copy(&home, &other, &["latest"]).ok().says_nothing();
    let what = format!("latest:{}", work.display());
    let [mine, theirs] = [home.path("mine"), home.path("theirs")];
    home.restore(&what, &mine).ok();
    there(&home, &other, &["restore", &what, theirs.to_str().unwrap()]).ok();
    assert_eq!(differences(&mine, &theirs), Vec::<String>::new());
    there(&home, &other, &["check", "--read-data"]).ok();
    let rows = [home.run(["snapshots", "--json"]), there(&home, &other, &["snapshots", "--json"])];
    let [mine, theirs] = rows.map(|ran| ran.ok().json().remove(0));
    for field in
        ["series", "host", "label", "tags", "paths", "start", "end", "problems", "files", "bytes"]
    {
        assert_eq!(mine[field], theirs[field], "{field}");
    }
    assert_ne!(mine["id"], theirs["id"]);
}

#[test]
fn later_copies_read_what_is_new_and_pass_over_what_is_there() {
    let home = home(42);
    save(&home, "first");
    let other = other(&home);
    let first = last(&copy(&home, &other, &["--json"]).ok());
    assert!(first["read_bytes"].as_u64().unwrap() > 6_000_000);
    home.write("work/new", vec![b'x'; 5000]);
    save(&home, "second");
    let dry = copy(&home, &other, &["-n"]).ok();
    let words: Vec<&str> = dry.out.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["is", "would"]);
    let rows = copy(&home, &other, &["--json"]).ok().json();
    assert_eq!(
        (rows[0]["was_there"].as_bool(), rows[1]["was_there"].as_bool()),
        (Some(true), Some(false))
    );
    assert_eq!(rows[1]["read_bytes"], 5000);
    let before = files(&other[0]);
    copy(&home, &other, &["-q"]).ok();
    assert_eq!(files(&other[0]), before);
    assert_eq!(ids(&there(&home, &other, &["snapshots", "--json"]).ok()).len(), 2);
    // What is saved there itself is cut and named in the same way: nothing of it is stored again.
    let work = home.path("work");
    let own = there(&home, &other, &["snapshot", "--json", work.to_str().unwrap()]).ok();
    assert!(own.json()[0]["counts"]["added_bytes"] == 0, "{}", own.out);
}

#[test]
fn a_writer_can_take_copies_in_without_reading_them() {
    let home = home(43);
    save(&home, "first");
    let other = other(&home);
    let writer = home.path("writer.key");
    there(&home, &other, &["key", "export-writer", writer.to_str().unwrap(), "--name", "w", "-q"])
        .ok();
    let as_writer = [other[0].clone(), writer];
    copy(&home, &as_writer, &["latest", "-q"]).ok();
    save(&home, "second");
    let row = last(&copy(&home, &as_writer, &["latest", "--json"]).ok());
    // It cannot look into what is there, and stores nothing twice.
    assert!(row["read_bytes"].as_u64().unwrap() > 6_000_000);
    assert!(row["added_bytes"].as_u64().unwrap() < 100_000, "{row}");
    let target = home.path("target");
    let what = format!("latest:{}", home.path("work").display());
    there(&home, &other, &["restore", &what, target.to_str().unwrap()]).ok();
    super::assert_same(&home.path("work"), &target);
}

#[test]
fn places_that_take_no_copy_say_why() {
    let home = home(44);
    save(&home, "first");
    let own = [home.repository(), home.path("config/esker/key")];
    copy(&home, &own, &["latest"]).exit(1).says(&["this is the same repository", "esker sync"]);
    super::sync(&home, &["-q"]).ok();
    copy(&home, &[super::copy(&home), own[1].clone()], &[]).exit(1).says(&["esker sync"]);
    let other = other(&home);
    copy(&home, &[other[0].clone(), own[1].clone()], &[]).exit(12);
    fs::write(other[0].join("mirror"), "").unwrap();
    copy(&home, &other, &[]).exit(1).says(&["is a copy of a repository"]);
    copy(&home, &[home.path("nothing"), own[1].clone()], &[]).exit(10);
}
