//! Exported keys, and lists of them.

use super::{Host, export, objects, owned};
use crate::support::Ran;
use std::os::unix::fs::PermissionsExt;

#[test]
fn an_exported_key_is_its_owners_alone_and_no_file_is_overwritten_for_it() {
    let home = owned();
    let key = export(&home, "web", &[]);
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o7777, 0o600);
    let (text, before) = (std::fs::read(&key).unwrap(), objects(&home.repository()));
    let mut command = home.command();
    let ran = Ran::of(command.args(["key", "export-writer", "--name", "db"]).arg(&key)).exit(1);
    ran.says(&["exists already", "never overwritten"]);
    assert_eq!(std::fs::read(&key).unwrap(), text);
    assert!(objects(&home.repository()) == before);
}

#[test]
fn an_export_says_what_the_key_can_do_and_with_whom_it_shares() {
    let home = owned();
    let run = |name: &str, options: &[&str]| {
        let mut command = home.command();
        command.args(["key", "export-writer", "--name", name]).args(options);
        Ran::of(command.arg(home.path(format!("keys/{name}")))).ok().says_nothing()
    };
    let says = |ran: &Ran, all: &[&str]| {
        all.iter().for_each(|words| assert!(ran.out.contains(words), "{words}: {}", ran.out));
    };
    let alone = run("web", &[]);
    says(&alone, &["it can:    save snapshots", "cannot: read any content", "scope 1:   its own"]);
    says(&alone, &["remove or change what is saved"]);
    let shared = run("db", &["--scope", "0", "--role", "append", "--role", "forget"]);
    says(
        &shared,
        &["shared with owner", "forget and hold snapshots, those of other scopes by id alone"],
    );
    assert!(!shared.out.contains("remove or change"));
    let json = run("gc", &["--json", "--role", "collect"]).json().remove(0);
    assert_eq!((&json["scope"], &json["roles"]), (&2.into(), &serde_json::json!(["collect"])));
    assert_eq!(json["shared_with"], serde_json::json!([]));
    let json = run("mail", &["--json", "--scope", "2"]).json().remove(0);
    assert_eq!((&json["scope"], &json["shared_with"]), (&2.into(), &serde_json::json!(["gc"])));
}

#[test]
fn names_and_scopes_of_writers_that_make_no_sense_are_refused_before_a_key_is_made() {
    let home = owned();
    export(&home, "web", &[]);
    let path = home.path("keys/new");
    let run = |words: &[&str]| {
        let mut command = home.command();
        Ran::of(command.args(["key", "export-writer"]).args(words).arg(&path)).exit(1)
    };
    run(&["--name", "web"]).says(&["called web is enrolled already", "choose another name"]);
    run(&["--name", " "]).says(&["needs a name of one line"]);
    run(&["--name", "a\nb"]).says(&["needs a name of one line"]);
    run(&[]).says(&["--name"]);
    run(&["--name", "b", "--scope", "old"]).says(&["`new`"]);
    run(&["--name", "b", "--scope", "99"]).says(&["no writer has the scope 99", "--scope new"]);
    let listed = home.run(["key", "list", "--json"]).ok().json();
    let web = listed.iter().find(|row| row["name"] == "web").unwrap()["writer"].as_str().unwrap();
    run(&["--name", &web[..9]]).says(&["the id of a writer begins with", "choose another name"]);
    run(&["--name", "b", "--role", "admin"]).says(&["admin"]);
    run(&["--name", "b", "--role", ""]).says(&["role"]);
    assert!(!path.exists());
}

#[test]
fn lists_have_writers_with_their_scopes_roles_and_snapshots() {
    let home = owned();
    let host = Host::enrolled(&home, "web", &[]);
    export(&home, "gc", &["--role", "collect,forget"]);
    let source = home.write("work/file", "x".repeat(300));
    host.save(&source, &[]);
    host.save(&source, &[]);
    home.run(["revoke", "gc"]).ok();
    let rows = |ran: Ran| {
        let rows = ran.ok().says_nothing().json();
        let told = rows.iter().map(|row| {
            let text = |name: &str| row[name].to_string();
            ["kind", "name", "scope", "owner", "roles", "revoked", "snapshots"].map(text).join(" ")
        });
        told.collect::<Vec<_>>()
    };
    let expected = [
        r#""writer" "owner" 0 true ["append","forget","collect","admin"] false 1"#,
        r#""writer" "web" 1 false ["append"] false 2"#,
        r#""writer" "gc" 2 false ["forget","collect"] true 0"#,
    ];
    assert_eq!(rows(home.run(["key", "list", "--json"])), expected);
    assert_eq!(rows(host.run(["key", "list", "--json"])), expected);
    let text = home.run(["key", "list"]).ok().out;
    assert!(text.starts_with("no passphrases\n"), "{text}");
    assert!(text.contains("forget,collect               gc  REVOKED\n"), "{text}");
}
