//! Targets that cannot be used.

use crate::support::Home;

#[test]
fn a_target_that_holds_something_is_refused_and_stays_as_it_is() {
    let home = Home::new();
    home.snapshot(home.write("work/file", "new")).ok();
    let old = home.write("target/file", "old");
    let target = home.path("target");
    let ran = home.restore("latest", &target).exit(1);
    ran.says(&["error: ", target.to_str().unwrap(), "hint: name a new or an empty directory"]);
    let ran = home.restore("latest", &old).exit(1);
    ran.says(&["error: ", old.to_str().unwrap(), "Not a directory"]);
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "old");
    assert_eq!(std::fs::read_dir(home.path("target")).unwrap().count(), 1);
    let link = home.path("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    home.restore("latest", &link).exit(1);
    assert!(!home.path("nowhere").exists());
}

#[test]
fn a_target_is_made_with_the_folders_above_it_or_said_why_not() {
    let home = Home::new();
    let file = home.write("work/file", "new");
    home.snapshot(&file).ok();
    let what = format!("latest:{}", file.display());
    home.restore(&what, home.path("a/b/c")).ok();
    assert_eq!(std::fs::read_to_string(home.path("a/b/c/file")).unwrap(), "new");
    home.restore("latest", file.join("x")).exit(1).says(&["error: "]);
}
