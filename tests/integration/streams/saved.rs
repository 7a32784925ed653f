//! What comes out is what went in.

use super::{command, snapshots, stdin};
use crate::support::{Home, Ran};
use std::path::Path;

/// Text of so many lines, with others where `change` says so.
fn lines(number: u64, change: impl Fn(u64) -> bool) -> String {
    let line = |n: u64| {
        format!(
            "INSERT {n} {:x};\n",
            (n + u64::from(change(n))).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        )
    };
    (0..number).map(line).collect()
}

fn cat(home: &Home, what: &str) -> Ran {
    home.run(["cat", what]).ok()
}

#[test]
fn standard_input_is_a_stream_that_only_its_owner_may_read() {
    let home = Home::new();
    let text = lines(100_000, |_| false);
    let file = home.write("dump", &text);
    stdin(&home, "db.sql", &file, &[]).ok();
    assert!(cat(&home, "latest:/db.sql").out == text);
    let row = &home.run(["ls", "--json", "latest"]).ok().json()[0];
    assert_eq!((&row["path"], &row["kind"]), (&"/db.sql".into(), &"stream".into()));
    assert_eq!((&row["mode"], &row["size"]), (&0o600.into(), &text.len().into()));
    let target = home.path("target");
    home.restore("latest", &target).ok();
    assert!(std::fs::read_to_string(target.join("db.sql")).unwrap() == text);
}

#[test]
fn a_change_of_a_few_rows_adds_little_and_equal_bytes_nothing() {
    let home = Home::new();
    let before = home.write("before", lines(200_000, |_| false));
    let after = home.write("after", lines(200_000, |n| n % 20_000 == 7));
    let added = |ran: Ran| ran.ok().json()[0]["counts"]["added_bytes"].as_u64().unwrap();
    let first = added(stdin(&home, "db", &before, &["--json"]));
    assert!(first > 5 << 20, "{first}");
    let second = added(stdin(&home, "db", &after, &["--json"]));
    // Ten places, a chunk or two each, and the list.
    assert!(second < 400 << 10, "{second}");
    let third = added(stdin(&home, "db", &after, &["--json"]));
    assert!(third < 1 << 10, "{third}");
    assert!(cat(&home, "latest:/db").out == lines(200_000, |n| n % 20_000 == 7));
    assert!(cat(&home, "latest~2:/db").out == lines(200_000, |_| false));
    home.run(["check", "--read-data"]).ok();
}

#[test]
fn bytes_that_changed_while_name_and_length_did_not_are_stored() {
    let home = Home::new();
    for text in ["a".repeat(100_000), "b".repeat(100_000)] {
        let file = home.write("dump", &text);
        stdin(&home, "db", &file, &[]).ok();
        assert!(cat(&home, "latest:/db").out == text);
    }
}

#[test]
fn what_a_command_says_and_how_it_ended_is_kept_and_shown_and_no_secret_of_ours_gets_to_it() {
    let home = Home::new();
    let script = "echo first >&2; cat; env; printf 'no line end' >&2; exit 3";
    let mut run = home.command();
    run.env("ESKER_NEW_PASSWORD", "hidden").env("OTHER", "seen");
    run.args(["snapshot", "--command", "out", "--ok-exit", "3", "--", "sh", "-c", script]);
    let ran = Ran::of(&mut run).ok();
    ran.says(&["out: first\n", "out: no line end\n"]);
    let out = cat(&home, "latest:/out").out;
    assert!(out.contains("OTHER=seen") && !out.contains("ESKER_"), "{out}");
    let rows = home.run(["ls", "--json", "latest"]).ok().json();
    let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    let pairs = rows[0]["xattrs"].as_array().unwrap();
    let value = |name: &str| {
        let pair = pairs.iter().find(|pair| pair[0] == name).unwrap();
        pair[1].as_str().unwrap().to_owned()
    };
    assert_eq!(value("esker.command"), hex(&format!("sh\0-c\0{script}")));
    assert_eq!(value("esker.exit"), hex("3"));
    assert_eq!(value("esker.stderr"), hex("first\nno line end"));
    // They are no attributes of the file that is restored.
    home.restore("latest", home.path("target")).ok().says_nothing();
}

#[test]
fn several_commands_make_one_snapshot_in_the_order_that_was_asked_for() {
    let home = Home::new();
    let log = home.path("log");
    let script = |name: &str| format!("echo {name} >>{}; echo {name}", log.display());
    let (z, a) = (script("z"), script("a"));
    let words = ["snapshot", "--command", "sub/z", "--command", "a", "--"];
    let both = ["sh", "-c", &z, ";", "sh", "-c", &a];
    home.run(words.iter().chain(&both)).ok();
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "z\na\n");
    assert_eq!(snapshots(&home), 1);
    assert_eq!(cat(&home, "latest:/sub/z").out, "z\n");
    assert_eq!(cat(&home, "latest:/a").out, "a\n");
    let target = home.path("target");
    home.restore("latest:/sub", &target).ok();
    assert_eq!(std::fs::read_to_string(target.join("z")).unwrap(), "z\n");
    home.run(["check"]).ok();
}

#[test]
fn a_stream_that_has_shrunk_to_less_than_half_is_saved_with_a_warning() {
    let home = Home::new();
    command(&home, "db", "seq 10000", &[]).ok();
    command(&home, "db", "seq 9000", &[]).ok().says_nothing();
    let warned = command(&home, "db", "seq 900", &["--json"]).ok();
    let shrunk = &warned.json()[0]["shrunk"];
    assert_eq!(shrunk[0][0], "/db");
    assert_eq!((&shrunk[0][1], &shrunk[0][2]), (&43_893.into(), &3_492.into()));
    warned.says(&["warning: /db has 3.4 KiB; the last time it had 42.9 KiB"]);
    assert_eq!(snapshots(&home), 3);
    // It is known without a cache too.
    std::fs::remove_dir_all(home.path("cache")).unwrap();
    command(&home, "db", "seq 9", &[]).ok().says(&["warning: /db has 18 B"]);
}

#[test]
fn an_empty_stream_is_saved_where_it_may_be() {
    let home = Home::new();
    command(&home, "db", "true", &["--allow-empty"]).ok();
    assert_eq!(cat(&home, "latest:/db").out, "");
    home.restore("latest", home.path("target")).ok();
    assert_eq!(std::fs::read(home.path("target/db")).unwrap(), b"");
}

#[test]
fn a_dry_run_reads_a_stream_and_writes_nothing() {
    let home = Home::new();
    command(&home, "db", "seq 1000", &[]).ok();
    let before = files(&home.repository());
    command(&home, "db", "seq 5000", &["--dry-run"]).ok();
    assert_eq!(files(&home.repository()), before);
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect();
    found.sort();
    found
}

#[test]
fn a_copy_of_a_stream_is_cut_as_streams_are() {
    let home = Home::new();
    let file = home.write("dump", lines(100_000, |_| false));
    stdin(&home, "db", &file, &[]).ok();
    let [other, key] = [home.path("other"), home.path("other.key")];
    let (other, key) = (other.to_str().unwrap(), key.to_str().unwrap());
    home.run(["-r", other, "-k", key, "init", "-q"]).ok();
    home.run(["copy", "--to", other, "--to-key-file", key, "latest"]).ok();
    let chunks = |repo: &str, key: &str| -> (u64, u64) {
        let rows = home.run(["-r", repo, "-k", key, "stats", "--json"]).ok().json();
        let of = |name: &str| rows.last().unwrap()[name].as_u64().unwrap();
        (of("chunks"), of("chunk_bytes"))
    };
    let own = home.path("config/esker/key");
    let here = chunks(home.repository().to_str().unwrap(), own.to_str().unwrap());
    // Some 300 or more, by the key; a file of that size is cut into some six.
    assert!(here.0 > 100, "{here:?}");
    let there = chunks(other, key);
    assert!(there.0 > 100 && there.1 == here.1, "{here:?} {there:?}");
}
