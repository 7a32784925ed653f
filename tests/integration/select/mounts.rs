//! `--one-file-system`.

use super::{save, saved};
use crate::bad_input::mounted::Mounted;
use crate::support::{Home, Ran, needs};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn find(root: &Path) -> BTreeSet<String> {
    let output =
        Command::new("find").arg(root).args(["-xdev", "-printf", "%P\\n"]).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn where_another_file_system_is_mounted_an_empty_directory_is_saved() {
    let home = Home::new();
    let work = home.path("work");
    home.write("work/file", "here");
    home.write("work/a/file", "here");
    let Some(mounted) = Mounted::new(home.path("work/a/mounted"), 4) else { return };
    home.write("work/a/mounted/file", "there");
    home.write("work/a/mounted/folder/file", "there");
    if !needs("find") {
        return;
    }
    let shown = save(&home, &work, &["--one-file-system"]);
    let told = find(&work);
    assert!(told.contains("a/mounted") && !told.contains("a/mounted/file"), "{told:?}");
    assert_eq!(saved(&home, &work), told);
    let excluded = &shown["excluded"]["file_systems"];
    assert_eq!((excluded, &shown["complete"]), (&1.into(), &true.into()));
    // The file system of each path is its own.
    save(&home, mounted.path(), &["-x"]);
    assert!(saved(&home, mounted.path()).contains("folder/file"));
    // Without the option it is one tree.
    let shown = save(&home, &work, &[] as &[&str]);
    assert!(saved(&home, &work).contains("a/mounted/folder/file"));
    assert_eq!(shown["excluded"]["file_systems"], 0);
}

#[test]
fn a_mounted_directory_that_is_named_as_well_is_saved_with_the_tree_around_it() {
    let home = Home::new();
    let work = home.path("work");
    home.write("work/a/file", "here");
    let Some(named) = Mounted::new(home.path("work/a/named"), 4) else { return };
    let Some(_other) = Mounted::new(home.path("work/a/other"), 4) else { return };
    let Some(_inner) = Mounted::new(home.path("work/a/other/inner/most"), 4) else { return };
    for name in ["named", "other", "other/inner/most"] {
        home.write(&format!("work/a/{name}/file"), "there");
    }
    let inner = home.path("work/a/other/inner");
    let mut command = home.command();
    command.args(["snapshot", "-x"]).args([&work, named.path(), &inner]);
    Ran::of(&mut command).ok();
    let found = saved(&home, &work);
    let wanted = ["a", "a/file", "a/named", "a/named/file", "a/other", "a/other/inner"];
    let mut wanted = super::set(&wanted);
    wanted.insert("a/other/inner/most".to_owned());
    assert_eq!(found, wanted);
}
