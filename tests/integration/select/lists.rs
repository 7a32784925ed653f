//! `--files-from`, `--files-from0`, `--allow-missing`, and the series that lists make.

use super::{saved, set};
use crate::support::{Home, Ran};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

fn run(home: &Home, arguments: &[&str]) -> Ran {
    home.run([&["snapshot", "--json"], arguments].concat())
}

#[test]
fn the_lines_of_a_list_are_paths_as_they_stand_there() {
    let home = Home::new();
    let names = ["*", "# a", " b ", "\"c\"", "d\\n", "e\r", "plain", "given"];
    for name in names {
        home.write(&format!("work/{name}"), name);
    }
    home.write("work/not in the list", "");
    let work = home.path("work");
    let lines: Vec<String> =
        names[..7].iter().map(|name| format!("{}/{name}", work.display())).collect();
    // The last line needs no end, and empty ones are nothing.
    let list = home.write("list", format!("\n{}", lines.join("\n\n")));
    let given = home.path("work/given");
    run(&home, &["--files-from", list.to_str().unwrap(), given.to_str().unwrap()]).ok();
    assert_eq!(
        saved(&home, &work),
        set(&["*", "# a", " b ", "\"c\"", "d\\\\n", "e\r", "plain", "given"])
    );
}

#[test]
fn a_list_with_nul_bytes_can_have_every_name_and_comes_from_standard_input() {
    let home = Home::new();
    home.write("work/two\nlines", "");
    home.write("work/other", "");
    let mut command = home.command();
    // Paths of a list are looked for from the current directory on, like others.
    command.current_dir(home.path("work")).args(["snapshot", "--files-from0", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"two\nlines\0./other\0").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(saved(&home, &home.path("work")), set(&["two\nlines", "other"]));
}

#[test]
fn a_list_of_everything_is_the_same_as_its_top() {
    let home = Home::new();
    let work = home.path("work");
    let mut list = format!("{}\n", work.display());
    for number in 0..3000 {
        let path = home.write(&format!("work/{}/{}", number % 7, number), "");
        list.push_str(&format!("{}\n{}\n", path.parent().unwrap().display(), path.display()));
    }
    let list = home.write("list", list);
    let shown = run(&home, &["--files-from", list.to_str().unwrap()]).ok().json().remove(0);
    assert_eq!(shown["label"], work.to_str().unwrap());
    assert_eq!(shown["counts"]["files"], 3000);
    let again = run(&home, &[work.to_str().unwrap()]).ok().json().remove(0);
    let unchanged = (&again["base"], &again["counts"]["new"]);
    assert_eq!(unchanged, (&shown["snapshot"], &0.into()));
}

#[test]
fn a_list_that_cannot_be_one_is_refused_before_anything_is_done() {
    let home = Home::new();
    let nuls = home.write("nuls", "/etc\n/usr\0/bin\n");
    let lines = home.write("lines", "/etc\n/usr\n");
    let empty = home.write("empty", "\n\n");
    let [nuls, lines, empty] = [&nuls, &lines, &empty].map(|path| path.to_str().unwrap());
    run(&home, &["--files-from", nuls]).exit(1).says(&["line 2 of", nuls, "--files-from0"]);
    run(&home, &["--files-from0", lines]).exit(1).says(&[lines, "no NUL", "--files-from reads"]);
    run(&home, &["--files-from", "/nowhere/list"]).exit(1).says(&["/nowhere/list", "No such file"]);
    let twice = ["--files-from", "-", "--files-from0", "-"];
    run(&home, &twice).exit(1).says(&["standard input can be only one"]);
    let both = ["--files-from", "-", "--recovery-key"];
    run(&home, &both).exit(1).says(&["standard input cannot be", "\"hint\":\""]);
    run(&home, &["--files-from", empty]).exit(1).says(&["\"error\":\"no path to save"]);
    assert!(!home.repository().exists());
}

#[test]
fn a_path_that_is_not_there_is_no_problem_when_that_is_allowed() {
    let home = Home::new();
    let good = home.write("work/good", "");
    let gone = home.path("work/gone/deep");
    let [good, gone] = [&good, &gone].map(|path| path.to_str().unwrap());
    let shown = run(&home, &["--allow-missing", good, gone]).ok().json().remove(0);
    assert_eq!(shown["complete"], true);
    assert_eq!(shown["left_out"], serde_json::json!([[gone, "not there"]]));
    run(&home, &[good, gone]).exit(3).says(&[gone, "No such file"]);
    let ran = run(&home, &["--allow-missing", gone]).exit(1);
    ran.says(&["\"error\":\"nothing to save: ", gone]);
}

#[test]
fn a_source_that_is_missing_for_once_begins_no_other_series() {
    let home = Home::new();
    let [one, two] = ["work/one", "work/two/three"].map(|name| home.write(name, name));
    let paths = [one.to_str().unwrap(), two.to_str().unwrap()];
    let first = run(&home, &paths).ok().json().remove(0);
    let away = home.path("away");
    std::fs::rename(two.parent().unwrap(), &away).unwrap();
    let second = run(&home, &paths).exit(3).json().remove(0);
    assert_eq!((&second["label"], &second["base"]), (&first["label"], &first["snapshot"]));
    std::fs::rename(away, two.parent().unwrap()).unwrap();
    let third = run(&home, &paths).ok().json().remove(0);
    assert_eq!((&third["label"], &third["base"]), (&first["label"], &second["snapshot"]));
    let excluded = [&paths[..], &["--exclude", "three"]].concat();
    assert_eq!(run(&home, &excluded).ok().json()[0]["label"], first["label"]);
    let snapshots = home.run(["snapshots", "--json"]).ok().json();
    assert_eq!(snapshots[0]["series"], snapshots[3]["series"]);
    assert!(Path::new(paths[1]).exists());
}
