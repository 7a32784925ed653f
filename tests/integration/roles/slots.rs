//! Passphrases: changed, added and removed, and never the last way in.

use super::{export, owned};
use crate::support::{Home, Ran};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

/// A repository that a passphrase opens, and its recovery key.
fn with_passphrase() -> (Home, String) {
    let home = Home::new();
    let mut command = home.command();
    let made = Ran::of(command.args(["init", "--json"]).env("ESKER_PASSWORD", "first")).ok();
    let recovery = made.json()[0]["recovery_key"].as_str().unwrap().to_owned();
    (home, recovery)
}

fn run(home: &Home, password: &str, new: &str, words: &[&str]) -> Ran {
    let mut command = home.command();
    command.env("ESKER_PASSWORD", password).env("ESKER_NEW_PASSWORD", new);
    Ran::of(command.args(words))
}

fn slots(home: &Home) -> usize {
    std::fs::read_dir(home.repository().join("keys")).unwrap().count()
}

/// Recovers with what is typed; a passphrase that is asked for is `new`.
fn recover(home: &Home, typed: &str, words: &[&str]) -> Ran {
    let mut command = home.command();
    command.args(["key", "recover"]).args(words).env("ESKER_NEW_PASSWORD", "new");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that does not ask may be gone already.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    Ran::from_output(child.wait_with_output().unwrap())
}

fn with_key(home: &Home, key: &Path, words: &[&str]) -> Ran {
    let mut command = home.command();
    Ran::of(command.env("ESKER_KEY_FILE", key).args(words))
}

#[test]
fn a_changed_passphrase_takes_the_place_of_the_one_in_use_alone() {
    let (home, _) = with_passphrase();
    let json = run(&home, "first", "second", &["key", "add", "--json"]).ok().json();
    assert_eq!((json[0]["slot"].as_str().unwrap().len(), slots(&home)), (32, 2));
    let told = run(&home, "first", "third", &["key", "passwd"]).ok().says_nothing();
    assert!(told.out.contains("the old one does not any more"), "{}", told.out);
    assert!(told.out.contains("1 other passphrase can open it"), "{}", told.out);
    run(&home, "first", "", &["snapshots"]).exit(12).says(&["opens none of its 2 key slots"]);
    run(&home, "second", "", &["snapshots"]).ok();
    run(&home, "third", "", &["snapshots"]).ok();
    let json = run(&home, "third", "fourth", &["key", "passwd", "--only", "--json"]).ok().json();
    assert_eq!((json[0]["removed"].as_array().unwrap().len(), slots(&home)), (2, 1));
    for gone in ["first", "second", "third"] {
        run(&home, gone, "", &["snapshots"]).exit(12);
    }
    run(&home, "fourth", "", &["check"]).ok();
}

#[test]
fn a_passphrase_opens_one_slot() {
    let (home, _) = with_passphrase();
    let taken = ["opens the repository already, with key slot", "choose another"];
    run(&home, "first", "first", &["key", "add"]).exit(1).says(&taken);
    run(&home, "first", "second", &["key", "add"]).ok();
    run(&home, "first", "second", &["key", "passwd"]).exit(1).says(&taken);
    assert_eq!(slots(&home), 2);
    run(&home, "first", "third", &["key", "passwd"]).ok();
    run(&home, "first", "", &["snapshots"]).exit(12);
}

/// Whoever can write to the store cannot keep a passphrase that is removed, nor keep others out.
#[test]
fn a_slot_under_another_name_opens_nothing_and_a_damaged_one_is_passed_over() {
    let (home, _) = with_passphrase();
    run(&home, "first", "second", &["key", "add"]).ok();
    let list = run(&home, "second", "", &["key", "list", "--json"]).ok().json();
    let is_other = |row: &&serde_json::Value| row["kind"] == "slot" && row["in_use"] == false;
    let first = list.iter().find(is_other).unwrap()["slot"].as_str().unwrap().to_owned();
    let folder = home.repository().join("keys");
    std::fs::copy(folder.join(&first), folder.join("0".repeat(32))).unwrap();
    // These come first too: too large, and no slot at all.
    std::fs::write(folder.join("1".repeat(32)), vec![0; 1 << 20]).unwrap();
    std::fs::write(folder.join("2".repeat(32)), "no slot").unwrap();
    run(&home, "second", "", &["key", "remove", &first]).ok();
    run(&home, "first", "", &["snapshots"]).exit(12).says(&["opens none of its"]);
    run(&home, "second", "", &["snapshots"]).ok();
}

#[test]
fn a_passphrase_that_cannot_be_had_changes_nothing() {
    let (home, _) = with_passphrase();
    run(&home, "first", "", &["key", "passwd"]).exit(1).says(&["the passphrase is empty"]);
    let mut command = home.command();
    command.args(["key", "passwd"]).env("ESKER_PASSWORD", "first");
    Ran::of(&mut command).exit(1).says(&["no new passphrase", "ESKER_NEW_PASSWORD"]);
    let mut command = home.command();
    command.args(["key", "add"]).env("ESKER_PASSWORD", "first").env("ESKER_NEW_PASSWORD", "a");
    Ran::of(command.env("ESKER_NEW_PASSWORD_FILE", "b")).exit(1).says(&["one of them only"]);
    run(&home, "wrong", "second", &["key", "passwd"]).exit(12);
    run(&home, "first", "", &["snapshots"]).ok();
    assert_eq!(slots(&home), 1);
    let file = home.write("passphrase", "from a file\n");
    let mut command = home.command();
    command.args(["key", "passwd"]).env("ESKER_PASSWORD", "first");
    Ran::of(command.env("ESKER_NEW_PASSWORD_FILE", file)).ok();
    run(&home, "from a file", "", &["snapshots"]).ok();
}

#[test]
fn the_passphrase_in_use_stays_and_the_last_goes_only_when_another_way_in_was_used() {
    let (home, recovery) = with_passphrase();
    let list = run(&home, "first", "", &["key", "list", "--json"]).ok().json();
    let first = list[0]["slot"].as_str().unwrap().to_owned();
    assert_eq!((&list[0]["kind"], &list[0]["in_use"]), (&"slot".into(), &true.into()));
    let ran = run(&home, "first", "", &["key", "remove", &first]).exit(1);
    ran.says(&["opened the repository just now", "esker key passwd", "--recovery-key"]);
    run(&home, "first", "second", &["key", "add"]).ok();
    run(&home, "second", "", &["key", "remove", "none"]).exit(1).says(&["no key slot none"]);
    run(&home, "second", "", &["key", "remove", ""]).exit(1).says(&["no key slot"]);
    run(&home, "second", "", &["key", "remove", &first[..16]]).ok();
    run(&home, "first", "", &["snapshots"]).exit(12).says(&["passphrase is wrong"]);
    // A key file shows that there is another way in.
    let key = home.path("keys/owner");
    recover(&home, &recovery, &[key.to_str().unwrap()]).ok();
    let list = with_key(&home, &key, &["key", "list", "--json"]).ok().json();
    assert_eq!(list[0]["in_use"], false);
    let last = list[0]["slot"].as_str().unwrap();
    let told = with_key(&home, &key, &["key", "remove", last]).ok();
    assert!(told.out.contains("no passphrase is left"), "{}", told.out);
    run(&home, "second", "", &["snapshots"]).exit(12).says(&["it has no passphrase"]);
    let told = Ran::of(
        home.command()
            .args(["key", "passwd"])
            .env("ESKER_KEY_FILE", &key)
            .env("ESKER_NEW_PASSWORD", "again"),
    );
    assert!(told.ok().out.contains("none was removed"));
    run(&home, "again", "", &["snapshots"]).ok();
    with_key(&home, &key, &["snapshots"]).ok();
}

#[test]
fn the_recovery_key_gives_a_key_file_or_a_passphrase() {
    let (home, recovery) = with_passphrase();
    let key = home.path("new/key");
    let name = key.to_str().unwrap();
    let wrong = if recovery.starts_with('0') { "1" } else { "0" };
    let wrong = format!("{wrong}{}", &recovery[1..]);
    recover(&home, &wrong, &[name]).exit(1).says(&["that is no recovery key"]);
    let (_other, strange) = with_passphrase();
    recover(&home, &strange, &[name]).exit(12).says(&["does not open this repository"]);
    assert!(!key.exists());
    recover(&home, &recovery, &[name]).ok();
    with_key(&home, &key, &["snapshots"]).ok();
    let ran = recover(&home, &recovery, &[name]).exit(1).says(&["exists already"]);
    ran.says(&["name another file;"]);
    let words = ["key", "recover", "new"];
    with_key(&home, &key, &words).exit(1).says(&["unset ESKER_KEY_FILE", "argument FILE"]);
    let json = recover(&home, &recovery, &["--passphrase", "--json"]).ok().json();
    assert_eq!((&json[0]["key_file"], slots(&home)), (&serde_json::Value::Null, 2));
    run(&home, "new", "", &["snapshots"]).ok();
    // Without words, the default repository gets its key in the default place.
    recover(&home, &recovery, &[]).ok();
    home.run(["snapshots"]).ok();
}

#[test]
fn a_writers_passphrase_opens_what_its_key_opens_and_takes_nothing_from_the_owner() {
    let home = owned();
    let mut command = home.command();
    Ran::of(command.args(["key", "add"]).env("ESKER_NEW_PASSWORD", "owner's")).ok();
    let key = export(&home, "web", &[]);
    let mut command = home.command();
    command.env("ESKER_KEY_FILE", &key).env("ESKER_NEW_PASSWORD", "web's");
    Ran::of(command.args(["key", "add"])).ok();
    run(&home, "web's", "", &["ls", "latest"]).exit(12).says(&["owner's key"]);
    run(&home, "web's", "mine", &["key", "passwd", "--only"]).exit(12);
    run(&home, "web's", "mine", &["key", "passwd"]).ok();
    run(&home, "web's", "", &["snapshots"]).exit(12).says(&["none of its 2 key slots"]);
    run(&home, "mine", "", &["snapshots"]).ok();
    run(&home, "owner's", "", &["ls", "latest"]).ok();
}
