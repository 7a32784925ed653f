//! `--exclude`, `--iexclude`, `--exclude-file`, `--exclude-larger-than`.

use super::{save, saved, set};
use crate::support::{Home, Ran};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

fn home() -> Home {
    let home = Home::new();
    for name in
        ["a/x.log", "a/keep.log", "a/b/x.o", "a/b/Thumbs.db", "target/debug/x", "src/target"]
    {
        home.write(&format!("work/{name}"), name);
    }
    home
}

#[test]
fn what_matches_is_left_out_and_counted_and_is_no_problem() {
    let home = home();
    let work = home.path("work");
    let options =
        ["--exclude", "*.log", "-e", "!keep.log", "-e", "target/", "--iexclude", "THUMBS.*"];
    let shown = save(&home, &work, &options);
    let all = ["a", "a/b", "a/b/x.o", "a/keep.log", "src", "src/target"];
    assert_eq!(saved(&home, &work), set(&all));
    assert_eq!((&shown["complete"], &shown["excluded"]["patterns"]), (&true.into(), &3.into()));
    assert_eq!(shown["unmatched"], serde_json::json!([]));
    let ran = home.run([&["snapshot"], &options[..], &[work.to_str().unwrap()]].concat()).ok();
    assert!(ran.says_nothing().out.contains("excluded: 3 by patterns\n"));
}

#[test]
fn a_leading_slash_is_the_root_of_the_file_system_and_not_the_given_path() {
    let home = home();
    let work = home.path("work");
    let absolute = format!("{}/a", work.display());
    let shown = save(&home, &work, &["--exclude", "/a", "--exclude", &absolute]);
    assert_eq!(
        saved(&home, &work),
        set(&["src", "src/target", "target", "target/debug", "target/debug/x"])
    );
    assert_eq!(shown["unmatched"], serde_json::json!(["/a"]));
}

#[test]
fn the_command_line_has_the_last_word_over_files() {
    let home = home();
    let list = home.write("list", "# what nobody needs\n\n*.log\ntarget/\n*.o  \n");
    let work = home.path("work");
    let options = ["--exclude", "!x.log", "--exclude-file", list.to_str().unwrap()];
    save(&home, &work, &options);
    let all = ["a", "a/b", "a/b/Thumbs.db", "a/x.log", "src", "src/target"];
    assert_eq!(saved(&home, &work), set(&all));
}

#[test]
fn nothing_comes_back_below_a_directory_that_is_left_out() {
    let home = home();
    let work = home.path("work");
    let shown = save(&home, &work, &["--exclude", "a/b", "--exclude", "!a/b/x.o"]);
    assert!(!saved(&home, &work).contains("a/b/x.o"));
    assert_eq!(shown["unmatched"], serde_json::json!(["!a/b/x.o"]));
    save(&home, &work, &["--exclude", "a/b/*", "--exclude", "!a/b/x.o"]);
    assert!(saved(&home, &work).contains("a/b/x.o"));
}

#[test]
fn a_directory_that_is_left_out_is_not_even_opened() {
    let home = Home::new();
    home.write("work/file", "saved");
    home.write("work/secret/file", "never seen");
    let secret = home.path("work/secret");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o000)).unwrap();
    let work = home.path("work");
    let run = |options: &[&str]| {
        let mut command = home.command_without_root();
        Ran::of(command.arg("snapshot").args(options).arg(&work))
    };
    run(&[]).exit(3).says(&["work/secret", "ermission denied"]);
    run(&["--exclude", "secret"]).ok().says_nothing();
}

#[test]
fn names_that_are_not_utf8_are_left_out_by_patterns_that_are_not_utf8_either() {
    let home = Home::new();
    let work = home.path("work");
    for name in [&b"\xff.tmp"[..], b"\xff.keep", b"\xfe.keep"] {
        std::fs::create_dir_all(&work).unwrap();
        std::fs::write(work.join(OsStr::from_bytes(name)), "").unwrap();
    }
    let list = home.write("list", b"\xfe.*\n");
    let options: [&OsStr; 4] =
        ["-e".as_ref(), "*.tmp".as_ref(), "--exclude-file".as_ref(), list.as_os_str()];
    save(&home, &work, &options);
    assert_eq!(saved(&home, &work), set(&["\\xff.keep"]));
    let options = [OsStr::new("-e"), OsStr::from_bytes(b"\xff.*")];
    save(&home, &work, &options);
    assert_eq!(saved(&home, &work), set(&["\\xfe.keep"]));
}

#[test]
fn patterns_that_matched_nothing_are_said_once_at_the_end() {
    let home = home();
    let list = home.write("list", "*.log\n\n*.none\n");
    let work = home.path("work");
    let options = ["-e", "*.O", "-e", "target", "--exclude-file", list.to_str().unwrap()];
    let arguments = [&["snapshot"], &options[..], &[work.to_str().unwrap()]].concat();
    let note = format!("note: patterns that matched nothing: {}:3: *.none, *.O\n", list.display());
    home.run(
        ["init", "--key-file", home.path("key").to_str().unwrap(), "--repo"]
            .into_iter()
            .chain([home.path("repo").to_str().unwrap()]),
    )
    .ok();
    let places = [home.path("repo"), home.path("key")];
    let places = ["--repo", places[0].to_str().unwrap(), "--key-file", places[1].to_str().unwrap()];
    let ran = home.run([&arguments[..], &places].concat()).ok();
    assert_eq!(ran.err, note);
    home.run([&arguments[..], &places, &["--quiet"]].concat()).ok().says_nothing();
}

#[test]
fn a_pattern_that_means_nothing_is_refused_before_anything_is_done() {
    let home = home();
    let work = home.path("work");
    let list = home.write("list", "*.o\n[a-\n");
    let list = list.to_str().unwrap();
    for (option, text, words) in [
        ("--exclude", "a[b", ["\"a[b\"", "\\["]),
        ("--iexclude", "x\\", ["\"x\\\\\"", "\\\\"]),
        ("--exclude", "", ["\"\"", "empty"]),
        ("--exclude", "/", ["\"/\"", "names nothing"]),
        ("--exclude", "../x", ["\"../x\"", ".."]),
        ("--exclude-file", list, ["list:2: ", "\"[a-\""]),
        ("--exclude-file", "/nowhere/list", ["/nowhere/list", "No such file"]),
        ("--exclude-if-present", "a/b", ["\"a/b\"", "is a path"]),
        ("--exclude-if-present", "", ["\"\"", "names no file"]),
        ("--exclude-larger-than", "10MB", ["10MB", "powers of 1024"]),
        ("--exclude-larger-than", "0", ["0", "above 0"]),
    ] {
        let argument = format!("{option}={text}");
        let ran = home.run(["snapshot", &argument, work.to_str().unwrap()]).exit(1);
        ran.says(&["error: "]).says(&words);
    }
    assert!(!home.repository().exists());
}

#[test]
fn a_given_path_that_matches_is_left_out_and_named_and_those_above_it_do_not_count() {
    let home = home();
    let [a, b, target] = ["work/a", "work/a/b", "work/target"].map(|name| home.path(name));
    let run = |options: &[&str]| {
        let mut command = home.command();
        Ran::of(command.arg("snapshot").args(options).args([&a, &target]))
    };
    let ran = run(&["--exclude", "target", "--exclude", "work"]).ok();
    let line = format!("left out: {} (excluded by a pattern)", target.display());
    assert!(ran.out.contains(&line), "{}", ran.out);
    assert_eq!(saved(&home, &home.path("work")).len(), 6);
    let ran = run(&["--exclude", "/**"]).exit(1);
    ran.says(&["error: nothing to save: ", a.to_str().unwrap(), "excluded by a pattern"]);
    // Who names what is in a directory that is left out wants it.
    let mut command = home.command();
    Ran::of(command.args(["snapshot", "-e", "/**/a"]).args([&home.path("work"), &b])).ok();
    let all = saved(&home, &home.path("work"));
    let wanted = set(&["a", "a/b", "a/b/Thumbs.db", "a/b/x.o", "src", "src/target"]);
    assert!(all.is_superset(&wanted) && !all.contains("a/x.log"), "{all:?}");
}

#[test]
fn files_above_a_size_are_left_out_whatever_they_hold() {
    let home = Home::new();
    let work = home.path("work");
    for (name, size) in [("even", 2048), ("more", 2049)] {
        home.write(&format!("work/{name}"), vec![7; size]);
    }
    std::fs::File::create(work.join("sparse")).unwrap().set_len(1 << 40).unwrap();
    let shown = save(&home, &work, &["--exclude-larger-than", "2K"]);
    assert_eq!(saved(&home, &work), set(&["even"]));
    assert_eq!(shown["excluded"]["larger"], 2);
}

#[test]
fn what_is_chosen_otherwise_is_saved_otherwise_however_little_has_changed() {
    let home = Home::new();
    let work = home.path("work");
    let mut all = std::collections::BTreeSet::new();
    for folder in 0..9 {
        all.insert(format!("{folder}"));
        for number in 0..150 {
            let name = format!("{folder}/{number}");
            home.write(&format!("work/{name}"), &name);
            all.insert(name);
        }
    }
    let without = |options: &[&str], is_out: &dyn Fn(&str) -> bool| {
        let shown = save(&home, &work, options);
        let wanted = all.iter().filter(|name| !is_out(name)).cloned().collect();
        let found = saved(&home, &work);
        let other: Vec<_> = found.symmetric_difference(&wanted).collect();
        assert!(other.is_empty(), "{options:?}: {other:?}");
        assert_eq!(shown["complete"], true);
        shown
    };
    let seven = format!("{}/7", work.display());
    for _ in 0..2 {
        without(&[], &|_| false);
        without(&["--exclude", "work/*/*7"], &|name| name.contains('/') && name.ends_with('7'));
        without(&["--exclude", "*/149", "-e", "0/0"], &|n| {
            n.ends_with("/149") || n.ends_with("0/0")
        });
        without(&["--exclude", &seven], &|name| name == "7" || name.starts_with("7/"));
        let again = without(&["--exclude", &seven], &|n| n == "7" || n.starts_with("7/"));
        assert_eq!((&again["counts"]["new"], &again["counts"]["changed"]), (&0.into(), &0.into()));
        assert_eq!(again["excluded"]["patterns"], 1);
    }
    home.run(["check", "--read-data"]).ok();
}
