//! The table of the guide, line by line.

use super::*;
use std::process::Command;

/// A line of the table: what is damaged, how, and what a repair makes of it without and with a copy.
struct Line {
    object: String,
    damage: String,
    without: Vec<Told>,
    with: Vec<Told>,
}

/// What becomes of it, with an option more where the table names one.
struct Told {
    option: Option<String>,
    result: String,
}

/// The lines of the table in the guide.
fn table() -> Vec<Line> {
    let guide = fs::read_to_string("docs/guide/repair.md").unwrap();
    let rows = guide.lines().filter(|line| line.starts_with("| ")).skip(1);
    let cells = |row: &str| -> Vec<String> {
        row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let told = |cell: &str| -> Vec<Told> {
        let one = |part: &str| match part.trim().split_once(": ") {
            Some((option, result)) => Told {
                option: Some(option.trim_matches('`').to_owned()),
                result: result.to_owned(),
            },
            None => Told { option: None, result: part.trim().to_owned() },
        };
        cell.split(';').map(one).collect()
    };
    let line = |row: &str| {
        let cells = cells(row);
        let [object, damage] = [cells[0].clone(), cells[1].clone()];
        Line { object, damage, without: told(&cells[2]), with: told(&cells[3]) }
    };
    rows.map(line).collect()
}

/// The name of an object that is called so.
fn name_of(object: &str, sound: &Files) -> String {
    let number = |name: &String| name.rsplit('/').next().unwrap().parse::<u64>().unwrap();
    let mut log = of_kind(sound, "log");
    log.sort_by_key(number);
    let first = |kind| of_kind(sound, kind)[0].clone();
    match object {
        "config" => "config".to_owned(),
        "key slot" => first("keys"),
        "log entry" => log[log.len() - 2].clone(),
        "log entry before a checkpoint" => log[1].clone(),
        "last log entry" => log.pop().unwrap(),
        "checkpoint" => first("checkpoint"),
        "segment" => first("index"),
        "manifest" => first("snapshot"),
        "pack" => of_kind(sound, "pack").into_iter().max_by_key(|name| sound[name].len()).unwrap(),
        other => panic!("nothing is known of {other}"),
    }
}

fn damage(how: &str, path: &Path) {
    match how {
        "missing" => fs::remove_file(path).unwrap(),
        "flipped" => flip(path),
        "truncated" => {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }
        other => panic!("nothing is damaged like that: {other}"),
    }
}

/// A home with all kinds of objects, and a copy.
fn prepared() -> Home {
    let home = Home::new();
    let mut draw = Draw::new(40);
    for n in 0..5 {
        home.write(&format!("work/{n}"), draw.noise(50_000));
    }
    save(&home);
    Ran::of(home.command().env("ESKER_NEW_PASSWORD", "secret").args(["key", "add", "-q"])).ok();
    let collector = home.path("collector");
    let words = ["key", "export-writer", "-q", "--name", "c", "--role", "collect"];
    home.run(words.iter().chain(&[collector.to_str().unwrap()])).ok();
    home.run(["revoke", "-q", "c"]).ok();
    save(&home);
    home.write("work/new", draw.noise(50_000));
    save(&home);
    sync(&home);
    home
}

/// The same home again, with all that belongs to it.
fn again(home: &Home) -> Home {
    let other = Home::new();
    for folder in ["data", "config", "state", "copy", "work"] {
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(home.path(folder)).arg(other.path(folder));
        assert!(copy.status().unwrap().success());
    }
    other
}

/// Snapshots, oldest first: id, and whether it is marked.
fn listed(home: &Home) -> Vec<(String, bool)> {
    let rows = home.run(["snapshots", "--json"]).json();
    let of = |row: &serde_json::Value| {
        (row["id"].as_str().unwrap().to_owned(), row["damaged"].as_bool().unwrap())
    };
    rows.iter().map(of).collect()
}

/// Holds that a repair ended as the table says.
fn holds(told: &Told, home: &Home, ran: &Ran, name: &str, damaged: &Files, sound: &Files) {
    let is_unchanged = || assert!(files(&home.repository()) == *damaged, "it was changed");
    let code = match told.result.as_str() {
        "back" | "anew" | "cut" | "noted" | "unseen" => 0,
        _ => 4,
    };
    assert_eq!(ran.code, code, "out: {}\nerr: {}", ran.out, ran.err);
    let is_sound = || drop(home.run(["check", "--read-data"]).ok());
    let whole = |snapshot: &str| {
        let target = tempfile::tempdir().unwrap();
        home.restore(snapshot, target.path().join("to")).code == 0
    };
    match told.result.as_str() {
        "back" => {
            assert!(files(&home.repository()) == *sound, "not all is as it was");
            is_sound();
        }
        "anew" => {
            assert!(files(&home.repository()) != *damaged);
            is_sound();
            assert!(listed(home).iter().all(|(id, marked)| whole(id) && !marked));
        }
        "marked" => {
            assert!(ran.err.contains("has lost") || ran.err.contains("are lost"), "{}", ran.err);
            let before = listed(home);
            assert!(before.iter().any(|(_, marked)| *marked));
            save(home);
            let _ = home.run(["repair", "-q"]);
            let after = listed(home);
            let last = &after[after.len() - 1];
            assert!(!last.1 && whole(&last.0));
            for (id, marked) in &after {
                assert_eq!(whole(id), !marked, "{id}");
            }
        }
        "lost" => {
            assert!(ran.err.contains(name), "{}", ran.err);
            let all = listed(home);
            assert_eq!(all.iter().filter(|(_, marked)| *marked).count(), 1);
            assert!(all.iter().all(|(id, marked)| whole(id) != *marked));
        }
        "passed" => {
            assert!(ran.err.contains(name), "{}", ran.err);
            is_unchanged();
            assert!(listed(home).len() == 3 && listed(home).iter().all(|(id, _)| whole(id)));
        }
        "named" => {
            // An end that is not there has no name.
            let words = [name, "the log was rolled back"];
            assert!(words.iter().any(|word| ran.err.contains(word)), "{}", ran.err);
            is_unchanged();
        }
        "cut" => {
            assert_eq!(files(&home.repository()).len(), sound.len() - 1);
            let rows = home.run(["--accept-history", "snapshots", "--json"]).ok().json();
            assert_eq!(rows.len(), 2);
            save(home);
            is_sound();
        }
        "noted" => {
            assert!(ran.err.contains(name) && ran.err.contains("--key-slots"), "{}", ran.err);
            is_unchanged();
        }
        "unseen" => {
            assert_eq!(ran.out, "nothing to repair was found\n");
            is_unchanged();
        }
        other => panic!("nobody knows what {other} means"),
    }
}

#[test]
fn each_line_of_the_guide_is_so() {
    let (home, table) = (prepared(), table());
    assert_eq!(table.len(), 27, "a line is missing, or one more is not read");
    let sound = files(&home.repository());
    for line in &table {
        let name = name_of(&line.object, &sound);
        let with = line.with.iter().map(|told| (true, told));
        for (has_copy, told) in line.without.iter().map(|told| (false, told)).chain(with) {
            let home = again(&home);
            damage(&line.damage, &home.repository().join(&name));
            let damaged = files(&home.repository());
            let mut words = vec!["--read-data"];
            words.extend(told.option.as_deref());
            let ran = match has_copy {
                true => repair_from_copy(&home, &words),
                false => repair(&home, &words),
            };
            let case =
                format!("{} {}, a copy: {has_copy}: {}", line.object, line.damage, told.result);
            let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                holds(told, &home, &ran, &name, &damaged, &sound);
            }));
            assert!(held.is_ok(), "{case}\nout: {}\nerr: {}", ran.out, ran.err);
        }
    }
}
