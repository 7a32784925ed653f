//! Snapshots of other writers and other scopes: listed, told apart, forgotten and tagged.

use super::{Host, owned, tree};
use crate::support::{Home, Ran};
use serde_json::Value;
use std::path::PathBuf;

/// The owner and a writer in a scope of its own have saved the same tree twice, by the same names, the
/// writer last and dated ahead.
fn shadowed() -> (Home, PathBuf, [String; 4]) {
    let home = owned();
    let source = tree(&home, "work", 21);
    let names = ["--host", "admin", "--label", "many"];
    let own = || {
        let words = ["snapshot", "--json", source.to_str().unwrap()];
        id(&home.run(words.iter().chain(&names)).ok().json()[0])
    };
    let host = Host::enrolled(&home, "thief", &[]);
    let own = [own(), own()];
    let theirs = [(); 2].map(|()| {
        let dated = ["--time", "2030-01-01"];
        id(&host.save(&source, &[&names[..], &dated].concat()))
    });
    let [a, b] = own;
    let [c, d] = theirs;
    (home, source, [a, b, c, d])
}

fn id(row: &Value) -> String {
    row["snapshot"].as_str().unwrap().to_owned()
}

fn ids(ran: &Ran) -> Vec<String> {
    ran.json().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn another_writers_series_is_named_and_can_be_left_out() {
    let (home, source, [a, b, c, d]) = shadowed();
    let target = home.path("target");
    let target = target.to_str().unwrap();
    let words = ["restore", "many:latest", target, "--host", "admin"];
    home.run(words).ok().says(&["taken: label many, host admin, 2030-01-01", ", by thief"]);
    // What the real one refuses, a dry run does not show as if it went.
    for options in [&["--delete"][..], &["--delete", "--dry-run"]] {
        let ran = home.run(words.iter().chain(options)).exit(1);
        ran.says(&["that of several series", "--label, --host and --writer"]);
    }
    let by_owner = ["--writer", "owner", "--delete"];
    home.run(words.iter().chain(&by_owner)).ok().says_nothing();
    home.run(["forget", "many:latest"]).exit(1).says(&["several series", "--writer"]);
    let listed = |writer: &str| {
        ids(&home.run(["snapshots", "--json", "--label", "many", "--writer", writer]).ok())
    };
    assert_eq!((listed("owner"), listed("thief")), (vec![a.clone(), b], vec![c, d]));
    let rows = home.run(["snapshots", "--json", "--label", "many"]).ok().json();
    let names: Vec<&Value> = rows.iter().map(|row| &row["writer_name"]).collect();
    assert_eq!(names, ["owner", "owner", "thief", "thief"]);
    let writer = rows[3]["writer"].as_str().unwrap();
    assert_eq!(listed(&writer[..12]).len(), 2);
    home.run(["snapshots", "--writer", "nobody"]).exit(1).says(&["no writer nobody"]);
    let table = home.run(["forget", "--keep-last", "1", "--dry-run", "--label", "many"]).ok().out;
    assert!(table.contains("many, host admin, by owner: 1 of 2"), "{table}");
    assert!(table.contains("many, host admin, by thief: 0 of 2"), "{table}");
    let rows = home.run(["forget", "--keep-last", "1", "-n", "--json", "--writer", "thief"]).ok();
    assert_eq!(rows.json()[0]["writer_name"], "thief");
    // That it was revoked is told wherever it is named.
    let told = home.run(["revoke", "thief"]).ok().out;
    assert!(told.contains("esker snapshots --writer "), "{told}");
    home.run(words).ok().says(&[", by thief (revoked)"]);
    let table = home.run(["snapshots"]).ok().out;
    assert!(table.contains("  by thief (revoked)"), "{table}");
    let series = home.run(["stats", "--json", "--label", "many"]).ok().json();
    assert_eq!(series.len(), 3);
    drop((source, a));
}

#[test]
fn the_owner_tags_holds_and_forgets_snapshots_of_all_scopes() {
    let (home, _, [_, _, c, d]) = shadowed();
    let tagged = home.run(["tag", &c, "--add", "theirs", "--json"]).ok().json();
    assert_eq!(tagged[0]["tags"], serde_json::json!(["theirs"]));
    assert_eq!(
        ids(&home.run(["snapshots", "--json", "--tag", "theirs"]).ok()),
        std::slice::from_ref(&c)
    );
    home.run(["hold", &d]).ok();
    home.run(["forget", &c]).ok();
    home.run(["forget", &d, "--whole-series"]).exit(1).says(&["is held"]);
    assert_eq!(ids(&home.run(["snapshots", "--json"]).ok()).len(), 4);
}

/// Its roles are about all scopes; what it lists is its own.
#[test]
fn a_maintenance_key_forgets_what_it_does_not_list_by_id_alone() {
    let (home, _, [a, b, c, _]) = shadowed();
    let options = ["--role", "forget", "--role", "collect"];
    let host = Host::enrolled(&home, "keeper", &options);
    let none = "no snapshot is of this key's scope";
    host.run(["snapshots"]).ok().says(&[none, "other scopes have 5 snapshots"]);
    host.run(["forget", "--keep-last", "1"]).ok().says(&[none, "by id alone"]);
    host.run(["forget", &a])
        .exit(1)
        .says(&["is of scope 0, which is not this key's", "--whole-series"]);
    let ran = host.run(["forget", &a[..16], &c, "--whole-series"]).ok().says_nothing();
    let line = format!("forgotten: {}, of scope 0, which is not this key's", &a[..16]);
    assert!(ran.out.contains(&line), "{}", ran.out);
    assert_eq!(ids(&home.run(["snapshots", "--json"]).ok()).len(), 3);
    let row = host.run(["unforget", &c, "--json"]).ok().json().remove(0);
    assert_eq!((&row["changed"], &row["forgotten"]), (&true.into(), &false.into()));
    host.run(["hold", &b]).ok();
    host.run(["forget", &b, "--whole-series"]).exit(1).says(&["is held"]);
    host.run(["hold", &a]).exit(1).says(&["is forgotten"]);
    host.run(["tag", &b, "--add", "x"]).exit(12).says(&["belongs to another scope"]);
    host.run(["forget", &a[..6], "--whole-series"]).exit(1).says(&["no snapshot"]);
    let ran = host.run(["gc", "--grace", "0"]).ok();
    let gone = "removed for good 1 forgotten snapshot:";
    assert!(ran.out.contains(gone) && ran.out.contains(&a[..16]), "{}", ran.out);
    home.run(["check", "--read-data"]).ok();
}

#[test]
fn who_revokes_a_key_that_could_forget_or_collect_is_told_where_to_look() {
    let home = owned();
    Host::enrolled(&home, "keeper", &["--role", "forget,collect"]);
    let told = home.run(["revoke", "keeper"]).ok().says_nothing().out;
    for words in ["right to forget and collect", "esker snapshots --forgotten", "run no `esker gc`"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    Host::enrolled(&home, "web", &[]);
    let told = home.run(["revoke", "web"]).ok().out;
    assert!(!told.contains("--forgotten"), "{told}");
}

/// By the checkpoint a machine that comes anew learns that others are not to be believed.
#[test]
fn a_revocation_without_its_checkpoint_is_said_and_can_be_made_up_for() {
    let home = owned();
    Host::enrolled(&home, "keeper", &["--role", "collect"]);
    let place = home.repository().join("checkpoint");
    let aside = home.path("aside");
    let was_there = std::fs::rename(&place, &aside).is_ok();
    std::fs::write(&place, "in the way").unwrap();
    let ran = home.run(["revoke", "keeper", "--json"]).exit(1);
    let ran =
        ran.says(&["error: it is revoked, but no checkpoint could be written", "hint: until"]);
    let row = ran.json().remove(0);
    assert!(row["sequence"].is_u64() && row["without_checkpoint"].is_string(), "{row}");
    std::fs::remove_file(&place).unwrap();
    if was_there {
        std::fs::rename(&aside, &place).unwrap();
    }
    let row = home.run(["revoke", "keeper", "--json"]).ok().says_nothing().json().remove(0);
    assert_eq!((&row["sequence"], &row["without_checkpoint"]), (&Value::Null, &Value::Null));
    assert!(std::fs::read_dir(&place).unwrap().count() > 0);
    home.run(["check"]).ok();
}
