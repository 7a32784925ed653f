//! Sources that are not there, cannot be read, or come twice.

use crate::support::{Home, Ran};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn forbid(path: &Path) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o000)).unwrap();
}

#[test]
fn a_missing_source_is_named_and_the_one_beside_it_is_saved() {
    let home = Home::new();
    let good = home.write("good", "saved");
    let missing = home.path("missing");
    let ran = home.run(["snapshot".as_ref(), missing.as_os_str(), good.as_os_str()]).exit(3);
    ran.says(&[missing.to_str().unwrap(), "No such file"]);
    let listed = home.run(["snapshots", "--json"]).ok().json();
    assert_eq!((&listed[0]["complete"], &listed[0]["problems"]), (&false.into(), &1.into()));
    let cat = home.run(["cat", &format!("latest:{}", good.display())]).ok();
    assert_eq!(cat.out, "saved");
}

#[test]
fn without_any_source_there_is_no_snapshot() {
    let home = Home::new();
    home.snapshot(home.path("missing")).exit(1).says(&["error: ", "missing"]);
    home.run(["snapshot"]).exit(1).says(&["PATH"]);
    home.run(["snapshots"]).exit(10);
    // And where there is a repository, nothing is added to it.
    home.snapshot(home.write("there", "")).ok();
    home.snapshot(home.path("missing")).exit(1).says(&["error: ", "missing"]);
    assert_eq!(home.run(["snapshots", "--json"]).ok().json().len(), 1);
}

#[test]
fn what_may_not_be_read_is_named_and_everything_else_is_saved() {
    let home = Home::new();
    home.write("work/good", "saved");
    home.write("work/folder/hidden", "never seen");
    home.write("work/folder of mode 0/hidden", "never seen");
    let (file, folder) = (home.path("work/folder/hidden"), home.path("work/folder of mode 0"));
    forbid(&file);
    forbid(&folder);
    let run = |arguments: &[&str]| Ran::of(home.command_without_root().args(arguments));
    let work = home.path("work");
    let work = work.to_str().unwrap();
    let told = ["folder/hidden", "folder of mode 0", "ermission denied"];
    run(&["snapshot", work]).exit(3).says(&told);
    // The next one does not think that it has what this one has not.
    run(&["snapshot", work]).exit(3).says(&told);
    let target = home.path("target");
    let target = target.to_str().unwrap();
    run(&["restore", &format!("latest:{work}"), target]).exit(3).says(&told[..2]);
    assert_eq!(std::fs::read_to_string(home.path("target/good")).unwrap(), "saved");
    assert!(!home.path("target/folder/hidden").exists());
    run(&["check", "--read-data"]).ok();
}

#[test]
fn a_path_given_twice_or_within_another_is_saved_once_and_makes_no_other_series() {
    let home = Home::new();
    home.write("work/a/file", "");
    let paths = ["work", "work/a", "work/../work/a/file", "work/a/.."].map(|p| home.path(p));
    let [work, a, file, again] = paths.each_ref().map(|p| p.to_str().unwrap());
    let run = |paths: &[&str]| {
        let mut command = home.command();
        let shown = Ran::of(command.args(["snapshot", "--json"]).args(paths)).ok().json().remove(0);
        assert_eq!((&shown["label"], &shown["counts"]["files"]), (&work.into(), &1.into()));
        shown
    };
    let first = run(&[work]);
    for paths in [&[work, again][..], &[work, a], &[file, a, work]] {
        assert_eq!(run(paths)["counts"]["unchanged"], first["counts"]["new"]);
    }
    home.run(["snapshot", work, ""]).exit(1).says(&["PATH"]);
}

#[test]
fn the_repository_the_cache_and_the_key_are_left_out_and_named() {
    let home = Home::new();
    home.write("data/file", "saved");
    let ran = home.snapshot(home.path("")).ok();
    for (path, what) in [
        ("data/esker/repository", "the repository"),
        ("cache/esker", "the cache"),
        ("config/esker/key", "the key file"),
    ] {
        let path = home.path(path);
        let line = format!("left out: {} ({what})", path.display());
        assert!(ran.out.contains(&line), "{line} is not in: {}", ran.out);
        let missing = home.run(["ls", &format!("latest:{}", path.display())]).exit(1);
        missing.says(&["is not in snapshot"]);
    }
    home.run(["cat", &format!("latest:{}", home.path("data/file").display())]).ok();
}

#[test]
fn two_thousand_paths_are_one_series_whatever_order_they_come_in() {
    let home = Home::new();
    let name = |number: u32| format!("work/a folder with a long name/{number:05}");
    let mut paths: Vec<_> = (0..2000).map(|n| home.write(&name(n), n.to_string())).collect();
    let run = |paths: &[PathBuf]| {
        let mut command = home.command();
        Ran::of(command.args(["snapshot", "--json"]).args(paths)).ok().json().remove(0)
    };
    let first = run(&paths);
    let label = first["label"].as_str().unwrap();
    let begin = format!("{} and 1999 more (", paths[0].display());
    assert!(label.starts_with(&begin), "{label}");
    paths.reverse();
    let second = run(&paths);
    assert_eq!((&second["label"], &second["base"]), (&first["label"], &first["snapshot"]));
    assert_eq!(second["counts"]["new"], 0);
    assert_ne!(run(&paths[1..])["label"], first["label"]);
}

#[test]
fn a_label_that_no_snapshot_can_have_is_refused_before_anything_is_saved() {
    let home = Home::new();
    let file = home.write("work/file", "saved");
    let label = "x".repeat(65_537);
    let run = |label: &str| home.run(["snapshot", "--label", label, file.to_str().unwrap()]);
    run(&label).exit(1).says(&["error: the label has 65537 bytes", "65536"]);
    assert!(!home.repository().join("pack").exists());
    run(&label[1..]).ok();
}
