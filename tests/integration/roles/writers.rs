//! What a host with a writer's key can do, and what it cannot.

use super::{Host, expect_equal, export, objects, owned, tree};
use crate::crash::traced::{Moment, can_trace};
use crate::support::{Home, Ran};
use std::process::{Command, Stdio};

#[test]
fn a_writer_saves_incrementally_and_lists_what_it_saved() {
    let home = owned();
    let host = Host::enrolled(&home, "web", &[]);
    let source = tree(&home, "work", 1);
    // What was just written could change again within one tick of the clock.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let first = host.save(&source, &[]);
    let second = host.save(&source, &[]);
    let counts = |row: &serde_json::Value, name: &str| row["counts"][name].as_u64().unwrap();
    assert_eq!((counts(&first, "unchanged"), counts(&second, "new")), (0, 0));
    assert_eq!(counts(&second, "unchanged"), counts(&first, "new"));
    assert_eq!(counts(&second, "added_bytes"), 0, "{second}");
    assert_eq!(second["base"], first["snapshot"]);
    let listed = host.run(["snapshots", "--json"]).ok().says_nothing().json();
    let ids: Vec<_> = listed.iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, [&first["snapshot"], &second["snapshot"]]);
    let unchanged = host.save(&source, &["--skip-if-unchanged"]);
    assert_eq!(unchanged["snapshot"], serde_json::Value::Null);
    let stats = host.run(["stats", "--json"]).ok().says_nothing().json();
    let totals = stats.last().unwrap();
    assert_eq!(
        (&totals["snapshots"], &totals["unknown_packs"]),
        (&2.into(), &1.into()),
        "{totals}"
    );
    let check = host.run(["check"]).ok().says_nothing();
    assert!(check.out.contains("that needs the owner's key"), "{}", check.out);
    let saved = host.run(["snapshot", source.to_str().unwrap()]).ok();
    assert!(saved.out.contains("with the owner's key: esker restore"), "{}", saved.out);
    // Everything is there for the owner.
    home.restore(second["snapshot"].as_str().unwrap(), home.path("target")).ok();
    expect_equal(&source, &home.path("target"));
    home.run(["check", "--read-data"]).ok().says_nothing();
    let listed = home.run(["snapshots"]).ok();
    assert_eq!(listed.out.matches("  by web").count(), 3, "{}", listed.out);
}

#[test]
fn content_and_keys_need_the_owners_key() {
    let home = owned();
    let host = Host::enrolled(&home, "web", &["--role", "append,forget,collect"]);
    let source = tree(&home, "work", 2);
    host.save(&source, &[]);
    let (target, file) = (home.path("target"), source.join("text/1"));
    let (target, file) = (target.to_str().unwrap(), file.to_str().unwrap());
    let what = format!("latest:{file}");
    let new_key = home.path("another");
    let words: [&[&str]; 13] = [
        &["ls", "latest"],
        &["ls", "nothing"],
        &["find", "*"],
        &["diff", "latest", "latest"],
        &["diff", "latest", "--live"],
        &["cat", &what],
        &["restore", "latest", target],
        &["restore", "latest", target, "--swap"],
        &["check", "--read-data"],
        &["stats", "--exclusive", "latest"],
        &["key", "export-writer", "--name", "b", new_key.to_str().unwrap()],
        &["key", "remove", "0"],
        &["revoke", "web"],
    ];
    let before = objects(&home.repository());
    for words in words {
        let ran = host.run(words).exit(12);
        ran.says(&["error: this needs the owner's key", "hint: name the owner's key"]);
    }
    assert!(!home.path("target").exists() && !new_key.exists());
    assert!(objects(&home.repository()) == before);
}

#[test]
fn a_key_that_was_never_enrolled_is_told_so_before_anything_is_done() {
    let home = owned();
    let older = home.path("older");
    let copied = Command::new("cp").arg("-r").arg(home.repository()).arg(&older).status().unwrap();
    assert!(copied.success());
    let host = Host::enrolled(&home, "web", &[]);
    let before = objects(&older);
    for words in [&["snapshots"][..], &["snapshot", "/etc/hostname"], &["check"], &["key", "list"]]
    {
        let mut command = host.command();
        let ran = Ran::of(command.env("ESKER_REPOSITORY", &older).args(words)).exit(12);
        ran.says(&["this key was never enrolled", "esker key export-writer"]);
    }
    assert!(objects(&older) == before);
}

#[test]
fn an_export_that_is_killed_leaves_a_key_that_says_so_and_never_a_writer_without_one() {
    if !can_trace() {
        return;
    }
    let home = owned();
    // The entry is put with a link; the key file is there by then.
    for (number, call) in ["linkat", "link", "renameat2", "rename"].into_iter().enumerate() {
        for when in 1..=2 {
            let name = format!("web{number}{when}");
            let path = home.path(format!("keys/{name}"));
            let moment = Moment { call, what: "signal=KILL", when };
            let mut command = crate::crash::traced::struck(&home, moment);
            command.args(["key", "export-writer", "--name", &name]).arg(&path);
            let ran = Ran::of(&mut command);
            let listed = home.run(["key", "list", "--json"]).ok().json();
            let is_enrolled = listed.iter().any(|row| row["name"] == name.as_str());
            if is_enrolled {
                let host = Host { home: &home, key: path, name };
                host.run(["snapshots"]).ok();
            } else if path.exists() {
                assert_eq!(ran.code, 137);
                let host = Host { home: &home, key: path, name };
                host.run(["snapshots"]).exit(12).says(&["never enrolled"]);
            }
        }
    }
}

#[test]
fn a_revoked_key_does_nothing_more_and_what_it_saved_stays() {
    let home = owned();
    let host = Host::enrolled(&home, "web", &[]);
    let other = Host::enrolled(&home, "db", &["--scope", "1"]);
    let source = tree(&home, "work", 3);
    let saved = host.save(&source, &[]);
    let told = home.run(["revoke", "web"]).ok().says_nothing();
    for words in
        ["revoked writer web", "what it saved stays", "scope 1", "db goes on in that scope"]
    {
        assert!(told.out.contains(words), "{words} is not in: {}", told.out);
    }
    let before = objects(&home.repository());
    for words in [&["snapshots"][..], &["snapshot", source.to_str().unwrap()], &["check"]] {
        let ran = host.run(words).exit(12);
        ran.says(&["error: this key was revoked", "writer web", "hint: use another key"]);
    }
    assert!(objects(&home.repository()) == before);
    other.save(&source, &[]);
    home.restore(saved["snapshot"].as_str().unwrap(), home.path("target")).ok();
    expect_equal(&source, &home.path("target"));
    // To revoke it again changes nothing.
    let entries = || home.run(["check", "--json"]).ok().json().last().unwrap()["entries"].clone();
    let before = entries();
    let again = home.run(["revoke", "web"]).ok().says_nothing();
    assert!(again.out.contains("was revoked before"), "{}", again.out);
    assert_eq!(entries(), before);
}

#[test]
fn a_writer_is_revoked_by_name_or_id_and_the_owner_never() {
    let home = owned();
    let keys = ["a", "b", "c"].map(|name| Host::enrolled(&home, name, &[]));
    let writers = || home.run(["key", "list", "--json"]).ok().json();
    let id = |name: &str| {
        let rows = writers();
        let row = rows.iter().find(|row| row["name"] == name && row["revoked"] == false);
        row.unwrap()["writer"].as_str().unwrap().to_owned()
    };
    home.run(["revoke", "nobody"]).exit(1).says(&["no writer nobody", "esker key list"]);
    home.run(["revoke", ""]).exit(1).says(&["no writer"]);
    home.run(["revoke", "owner"]).exit(1).says(&["cannot be revoked"]);
    let json = home.run(["revoke", "--json", &id("a")[..20]]).ok().says_nothing().json().remove(0);
    assert_eq!((&json["name"], &json["writer"].as_str().unwrap().len()), (&"a".into(), &32));
    assert_eq!(json["others_in_scope"], serde_json::json!([]));
    keys[0].run(["snapshots"]).exit(12);
    keys[1].run(["snapshots"]).ok();
    // A name can be used again, and means whoever has it now.
    let again = export_again(&home, "a");
    again.run(["snapshots"]).ok();
    home.run(["revoke", "a"]).ok();
    again.run(["snapshots"]).exit(12);
    home.run(["revoke", "a"]).exit(1).says(&["several writers", "give more of the id"]);
}

fn export_again<'h>(home: &'h Home, name: &str) -> Host<'h> {
    std::fs::rename(home.path(format!("keys/{name}")), home.path("keys/before")).unwrap();
    Host { home, key: export(home, name, &[]), name: format!("{name}-again") }
}

#[test]
fn a_key_without_the_right_to_append_is_refused_before_anything_is_written() {
    let home = owned();
    let source = tree(&home, "work", 4);
    for role in ["forget", "collect", "forget,collect"] {
        let host = Host::enrolled(&home, &role.replace(',', "-"), &["--role", role]);
        let before = objects(&home.repository());
        for options in [&[][..], &["--dry-run"], &["--skip-if-unchanged"]] {
            let mut command = host.command();
            let ran = Ran::of(command.arg("snapshot").args(options).arg(&source)).exit(12);
            ran.says(&[
                "may not save snapshots",
                &role.replace(',', ", "),
                "needs append",
                "hint: ",
            ]);
        }
        assert!(objects(&home.repository()) == before);
        host.run(["snapshots"]).ok();
        host.run(["check"]).ok();
    }
}

#[test]
fn a_writers_key_in_the_default_place_is_used() {
    let home = owned();
    let host = Host::enrolled(&home, "web", &[]);
    let place = home.path("web/config/esker/key");
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::copy(&host.key, &place).unwrap();
    let source = tree(&home, "work", 5);
    let mut command = host.command();
    Ran::of(command.env_remove("ESKER_KEY_FILE").arg("snapshot").arg(&source)).ok().says_nothing();
    let listed = host.run(["snapshots", "--json"]).ok().json();
    assert_eq!((listed.len(), &listed[0]["scope"]), (1, &1.into()));
    // It makes no repository where there is none.
    let mut command = host.command();
    command.env_remove("ESKER_KEY_FILE").env("XDG_DATA_HOME", home.path("elsewhere"));
    Ran::of(command.arg("snapshot").arg(&source)).exit(1).says(&["writer's key"]);
    assert!(!home.path("elsewhere/esker/repository/config").exists());
}

#[test]
fn a_run_of_a_writer_that_was_killed_is_carried_on() {
    if !can_trace() {
        return;
    }
    let home = owned();
    let host = Host::enrolled(&home, "web", &[]);
    let source = tree(&home, "work", 6);
    std::thread::sleep(std::time::Duration::from_millis(100));
    // Packs are uploaded, and the entry is not there.
    let mut command = Command::new("strace");
    let inject = ["-e", "trace=syncfs", "-e", "inject=syncfs:signal=KILL:when=1"];
    command.args(["-f", "-qq", "-o", "/dev/null"]).args(inject);
    let program = host.command();
    command.arg(program.get_program()).arg("snapshot").arg(&source).stdin(Stdio::null());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Ran::of(&mut command).exit(137);
    // Nothing of a killed run is taken over with another key, even where it shares the cache.
    let beside = export(&home, "beside", &[]);
    let mut command = host.command();
    command.env("ESKER_KEY_FILE", beside).args(["snapshot", "--json"]).arg(&source);
    assert_eq!(Ran::of(&mut command).ok().json()[0]["adopted_packs"], 0);
    let saved = host.save(&source, &[]);
    assert!(saved["adopted_packs"].as_u64().unwrap() > 0, "{saved}");
    home.restore(saved["snapshot"].as_str().unwrap(), home.path("target")).ok();
    expect_equal(&source, &home.path("target"));
    // The killed run had put a manifest that nobody needs, and is told of as long as it is there.
    home.run(["check", "--read-data"]).ok().says(&["of session"]);
    home.run(["gc", "--abort-after", "0"]).ok();
    home.run(["check", "--read-data"]).ok().says_nothing();
}
