//! `--swap` and `undo`.

use super::{latest, restore, summary};
use crate::support::{Home, differences, needs};
use std::path::{Path, PathBuf};

fn beside(home: &Home) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(home.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("work"))
        .collect();
    names.sort();
    names
}

fn changed(home: &Home) -> PathBuf {
    home.write("work/folder/file", "saved");
    let work = home.path("work");
    home.snapshot(&work).ok();
    std::fs::write(work.join("folder/file"), "changed").unwrap();
    std::fs::write(work.join("mine"), "mine").unwrap();
    work
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_directory_is_exchanged_as_a_whole_and_taken_back_by_undo() {
    if !needs("rsync") || !needs("find") {
        return;
    }
    let home = Home::new();
    let work = changed(&home);
    home.run(["restore", &latest(&work), home.path("twin").to_str().unwrap()]).ok();
    let ran = restore(&home, &latest(&work), &work, &["--swap"]).ok();
    let kept = PathBuf::from(summary(&ran)["kept_as"].as_str().unwrap());
    assert_eq!(differences(&home.path("twin"), &work), Vec::<String>::new());
    assert_eq!((read(&kept.join("mine")), beside(&home).len()), ("mine".into(), 2));
    let undone = home.run(["undo", "--json", work.to_str().unwrap()]).ok();
    let restored = PathBuf::from(summary(&undone)["kept_as"].as_str().unwrap());
    assert_eq!(
        (read(&work.join("mine")), read(&work.join("folder/file"))),
        ("mine".into(), "changed".into())
    );
    assert_eq!(read(&restored.join("folder/file")), "saved");
    assert!(!kept.exists());
    let ran = home.run(["undo", work.to_str().unwrap()]).exit(1);
    ran.says(&["error: there is nothing to undo", "hint: "]);
}

#[test]
fn a_swap_that_fails_leaves_the_directory_and_nothing_beside_it() {
    let home = Home::new();
    let work = changed(&home);
    for (what, options) in [
        ("latest:/nowhere".to_owned(), &["--swap"][..]),
        (latest(&work), &["--swap", "--delete"]),
        (latest(&work), &["--swap", "--overwrite", "never"]),
    ] {
        let ran = restore(&home, &what, &work, options);
        assert_ne!(ran.code, 0, "{options:?}");
        assert_eq!(
            (read(&work.join("mine")), beside(&home)),
            ("mine".into(), vec!["work".to_owned()])
        );
    }
    let mut inside = home.command();
    inside.args(["restore", &latest(&work), ".", "--swap"]).current_dir(&work);
    crate::support::Ran::of(&mut inside)
        .exit(1)
        .says(&["current directory", "hint: go to another"]);
    let ran = restore(&home, &latest(&work), Path::new("/proc"), &["--swap"]).exit(1);
    ran.says(&["/proc", "mount point", "hint: restore without --swap"]);
}

#[test]
fn a_target_that_is_not_there_is_simply_made() {
    let home = Home::new();
    let work = changed(&home);
    let ran = restore(&home, &latest(&work), &home.path("new"), &["--swap"]).ok();
    assert_eq!(summary(&ran)["kept_as"], serde_json::Value::Null);
    assert_eq!(read(&home.path("new/folder/file")), "saved");
}

#[test]
fn a_directory_with_the_repository_the_cache_or_the_key_in_it_is_not_exchanged() {
    let home = Home::new();
    let work = changed(&home);
    for (place, what) in
        [("data", "the repository"), ("cache", "the cache"), ("config", "the key file")]
    {
        let target = home.path(place);
        let ran = restore(&home, &latest(&work), &target, &["--swap"]).exit(1);
        ran.says(&["cannot be exchanged", what, "hint: restore without --swap"]);
        assert!(!target.join("folder").exists());
    }
    home.run(["check"]).ok();
}
