//! Snapshots and paths that are not there, or not told apart.

use crate::support::Home;

#[test]
fn no_such_snapshot_is_an_error_that_says_where_they_are_listed() {
    let home = Home::new();
    let file = home.write("file", "");
    home.snapshot(&file).ok();
    for name in ["ffffffff", "latest~1", "latest~x", "latestt", "", "zz"] {
        for command in [&["ls", name][..], &["restore", name, "target"], &["cat", name]] {
            let ran = home.run(command).exit(1);
            ran.says(&[&format!("error: no snapshot {name}"), "hint: ", "esker snapshots"]);
        }
    }
    assert!(!home.path("target").exists());
}

#[test]
fn the_beginning_of_several_ids_names_them_all() {
    let home = Home::new();
    let file = home.write("file", "");
    // Among 17 ids, two begin with the same digit.
    (0..17).for_each(|_| drop(home.snapshot(&file).ok()));
    let rows = home.run(["snapshots", "--json"]).ok().json();
    let mut ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let pair = ids.windows(2).find(|pair| pair[0][..1] == pair[1][..1]).unwrap();
    let ran = home.run(["ls", &pair[0][..1]]).exit(1);
    ran.says(&["names several snapshots", &pair[0][..16], &pair[1][..16], "hint: give more"]);
    home.run(["ls", &pair[0][..20]]).ok();
    home.run(["ls", &pair[0].to_uppercase()]).exit(1).says(&["no snapshot"]);
}

#[test]
fn a_path_that_is_not_in_the_snapshot_is_named_with_it() {
    let home = Home::new();
    let file = home.write("work/file", "");
    home.snapshot(home.path("work")).ok();
    for path in
        ["/nowhere", "relative", "", "/../etc", "/a\\x00b", file.join("x").to_str().unwrap()]
    {
        let what = format!("latest:{path}");
        home.run(["ls", &what]).exit(1).says(&["is not in snapshot", "absolute"]);
        home.restore(&what, home.path("target")).exit(1).says(&["is not in snapshot"]);
    }
    let folder = format!("latest:{}", home.path("work").display());
    home.run(["cat", &folder]).exit(1).says(&["a directory"]);
    home.run(["cat", "latest"]).exit(1).says(&["no file is named"]);
}
