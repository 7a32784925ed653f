//! The first things that a person does.

use crate::support::{Home, needs};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_first_snapshot_makes_a_repository_and_says_where_it_and_its_key_are() {
    let home = Home::new();
    let data = home.write("work/file", "hello");
    let ran = home.run(["snapshot".as_ref(), data.as_os_str()]).ok();
    let key = home.path("config/esker/key");
    for said in [home.repository().to_str().unwrap(), key.to_str().unwrap(), "recovery key"] {
        assert!(ran.err.contains(said), "{said} is not in {}", ran.err);
    }
    assert!(ran.out.contains("restore it with: esker restore "), "{}", ran.out);
    let mode = std::fs::metadata(key).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn unchanged_files_add_nothing_and_deleted_caches_change_nothing() {
    let home = Home::new();
    home.write("work/a/file", vec![7; 100_000]);
    home.write("work/b", "hello");
    let snapshot = || {
        let ran = home.run(["snapshot", "--json", home.path("work").to_str().unwrap()]).ok();
        ran.json().remove(0)
    };
    assert_eq!(snapshot()["counts"]["files"], 2);
    for _ in 0..2 {
        let counts = snapshot()["counts"].take();
        assert_eq!(counts["new"], 0);
        // Directories above the source may have changed; the files have not.
        assert!(counts["added_bytes"].as_u64().unwrap() < 10_000, "{counts}");
        std::fs::remove_dir_all(home.path("cache")).unwrap();
    }
    assert_eq!(home.run(["snapshots", "--json"]).ok().json().len(), 3);
    home.run(["check", "--read-data"]).ok();
}

#[test]
fn a_list_of_a_directory_names_what_find_names() {
    if !needs("find") {
        return;
    }
    let home = Home::new();
    for name in ["work/a/one", "work/a/two", "work/b/three", "work/four"] {
        home.write(name, name);
    }
    std::os::unix::fs::symlink("nowhere", home.path("work/link")).unwrap();
    let work = home.path("work");
    let work = work.to_str().unwrap();
    home.run(["snapshot", work]).ok();
    let ran = home.run(["ls", "--json", &format!("latest:{work}")]).ok();
    let listed = ran.json();
    let listed: BTreeSet<&str> = listed.iter().map(|row| row["path"].as_str().unwrap()).collect();
    let find = std::process::Command::new("find").args([work, "-mindepth", "1"]).output().unwrap();
    let find = String::from_utf8(find.stdout).unwrap();
    assert_eq!(listed, find.lines().collect::<BTreeSet<_>>());
}

#[test]
fn without_a_repository_commands_end_with_exit_code_10() {
    let home = Home::new();
    for command in ["snapshots", "check"] {
        let ran = home.run([command]).exit(10);
        assert!(ran.err.starts_with("error: "), "{}", ran.err);
        assert!(ran.err.contains("\nhint: "), "{}", ran.err);
    }
    home.run(["no-such-command"]).exit(1);
}

#[test]
fn a_default_repository_that_is_gone_is_not_replaced_by_an_empty_one() {
    let home = Home::new();
    let file = home.write("work/file", "content");
    // Nothing is made for a run that saves nothing.
    home.run(["snapshot".as_ref(), "--dry-run".as_ref(), file.as_os_str()]).exit(10);
    home.run(["snapshot", "/is/not/there"]).exit(1).says(&["nothing to save", "/is/not/there"]);
    assert!(!home.repository().exists());
    home.snapshot(&file).ok();
    let away = home.path("away");
    std::fs::rename(home.repository(), &away).unwrap();
    home.snapshot(&file).exit(1).says(&["error: the repository that", "hint: mount or bring back"]);
    // An empty folder in its place is no better.
    std::fs::create_dir(home.repository()).unwrap();
    home.snapshot(&file).exit(1).says(&["is not in"]);
    std::fs::remove_dir(home.repository()).unwrap();
    std::fs::rename(&away, home.repository()).unwrap();
    home.snapshot(&file).ok().says_nothing();
}
