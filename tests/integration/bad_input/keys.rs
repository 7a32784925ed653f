//! Keys: wrong, missing, twice, and each way to open a repository.

use crate::support::{Home, Ran};
use esker_format::ids::RepositoryId;
use esker_format::key_material::{KeyMaterial, decode_file, encode_file};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

/// A home with a repository elsewhere, its key file, and its recovery key.
fn with_key_file() -> (Home, PathBuf, PathBuf, String) {
    let home = Home::new();
    let (repository, key) = (home.path("repository"), home.path("keys/key"));
    let made = home
        .run([
            "init".as_ref(),
            "--json".as_ref(),
            "--repo".as_ref(),
            repository.as_os_str(),
            "--key-file".as_ref(),
            key.as_os_str(),
        ])
        .ok();
    let recovery = made.json()[0]["recovery_key"].as_str().unwrap().to_owned();
    (home, repository, key, recovery)
}

#[test]
fn a_key_file_is_its_owners_alone_and_an_existing_one_is_never_touched() {
    let (home, _, key, _) = with_key_file();
    let before = std::fs::metadata(&key).unwrap();
    assert_eq!(before.permissions().mode() & 0o7777, 0o600);
    let text = std::fs::read(&key).unwrap();
    let other = home.path("other");
    let ran = home.run([
        "init".as_ref(),
        "-r".as_ref(),
        other.as_os_str(),
        "-k".as_ref(),
        key.as_os_str(),
    ]);
    ran.exit(1).says(&[key.to_str().unwrap(), "exists already", "never overwritten"]);
    assert_eq!(std::fs::read(&key).unwrap(), text);
    assert_eq!(std::fs::metadata(&key).unwrap().modified().unwrap(), before.modified().unwrap());
    assert!(!other.join("config").exists());
    // A link to nowhere is a name that is taken, too.
    let link = home.path("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    let ran = home.run([
        "init".as_ref(),
        "-r".as_ref(),
        other.as_os_str(),
        "-k".as_ref(),
        link.as_os_str(),
    ]);
    ran.exit(1).says(&["exists already"]);
}

#[test]
fn a_wrong_key_is_told_from_damage() {
    let (home, repository, _, _) = with_key_file();
    let (_other, _, strange, recovery) = with_key_file();
    let run = |key: &PathBuf| {
        home.run([
            "snapshots".as_ref(),
            "-r".as_ref(),
            repository.as_os_str(),
            "-k".as_ref(),
            key.as_os_str(),
        ])
    };
    run(&strange).exit(12).says(&["error: the key does not open this repository", "hint: "]);
    // The key of another repository that says that it is the key of this one.
    let id = |path: &PathBuf| {
        let config = std::fs::read(path.join("config")).unwrap();
        <[u8; 16]>::try_from(&config[16..32]).unwrap()
    };
    let text = std::fs::read_to_string(&strange).unwrap();
    let Ok(KeyMaterial::Owner(mut forged)) = decode_file(&text) else { unreachable!() };
    forged.repository = RepositoryId::new(id(&repository));
    let forged = encode_file(&KeyMaterial::Owner(forged));
    run(&home.write("forged", forged.as_bytes())).exit(12).says(&["does not open"]);
    run(&home.write("no key", "hello")).exit(1).says(&["is no key file"]);
    run(&home.path("missing")).exit(1).says(&["cannot read key file", "missing"]);
    open_by_recovery(&home, &repository, &recovery).exit(12).says(&["does not open"]);
}

#[test]
fn two_sources_of_a_key_at_once_are_an_error_that_names_both() {
    let (home, repository, key, _) = with_key_file();
    let mut command = home.command();
    command.args(["snapshots", "-r"]).arg(&repository).arg("-k").arg(&key);
    Ran::of(command.env("ESKER_PASSWORD", "x")).exit(1).says(&[
        "several keys",
        "--key-file",
        "ESKER_PASSWORD",
    ]);
    let mut command = home.command();
    command.args(["snapshots", "--recovery-key", "-r"]).arg(&repository);
    Ran::of(command.env("ESKER_KEY_FILE", &key)).exit(1).says(&["--recovery-key"]);
    let mut command = home.command();
    command.args(["init", "-r"]).arg(home.path("new"));
    command.env("ESKER_PASSWORD_FILE", "a").env("ESKER_PASSWORD_COMMAND", "b");
    Ran::of(&mut command).exit(1).says(&["ESKER_PASSWORD_FILE", "ESKER_PASSWORD_COMMAND"]);
    assert!(!home.path("new/config").exists());
}

#[test]
fn a_passphrase_opens_from_variable_file_and_command_and_a_wrong_one_does_not() {
    let home = Home::new();
    let repository = home.path("repository");
    let file = home.write("passphrase", "a long \u{e9} passphrase\n");
    let run = |arguments: &[&str], name: &str, value: &str| {
        let mut command = home.command();
        Ran::of(command.args(arguments).env("ESKER_REPOSITORY", &repository).env(name, value))
    };
    run(&["init"], "ESKER_PASSWORD_FILE", file.to_str().unwrap()).ok();
    run(&["snapshots"], "ESKER_PASSWORD", "a long \u{e9} passphrase").ok();
    run(&["snapshots"], "ESKER_PASSWORD_FILE", file.to_str().unwrap()).ok();
    let cat = format!("cat '{}'", file.display());
    run(&["snapshots"], "ESKER_PASSWORD_COMMAND", &cat).ok();
    run(&["snapshots"], "ESKER_PASSWORD", "another").exit(12).says(&["passphrase is wrong"]);
    run(&["snapshots"], "ESKER_PASSWORD_COMMAND", "false").exit(1).says(&["command", "failed"]);
    run(&["snapshots"], "ESKER_PASSWORD_FILE", "/nowhere").exit(1).says(&["/nowhere"]);
    run(&["snapshots"], "NOTHING", "").exit(1).says(&[
        "no key is named",
        "hint: ",
        "ESKER_PASSWORD",
    ]);
    let other = home.path("other");
    let mut empty = home.command();
    empty.arg("init").env("ESKER_REPOSITORY", &other).env("ESKER_PASSWORD", "");
    Ran::of(&mut empty).exit(1).says(&["passphrase is empty"]);
    assert!(!other.join("config").exists());
}

fn open_by_recovery(home: &Home, repository: &PathBuf, typed: &str) -> Ran {
    let mut command = home.command();
    command.args(["snapshots", "--json", "--recovery-key", "-r"]).arg(repository);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that does not ask may be gone already.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    Ran::from_output(child.wait_with_output().unwrap())
}

#[test]
fn the_recovery_key_alone_opens_the_repository_however_it_is_typed() {
    let (home, repository, key, recovery) = with_key_file();
    let file = home.write("file", "");
    home.run([
        "snapshot".as_ref(),
        "-r".as_ref(),
        repository.as_os_str(),
        "-k".as_ref(),
        key.as_os_str(),
        file.as_os_str(),
    ])
    .ok();
    std::fs::remove_file(&key).unwrap();
    for lost in ["keys", "cache", "config", "data", "state"] {
        let _ = std::fs::remove_dir_all(home.path(lost));
    }
    let spaced = recovery.to_lowercase().replace('-', " ");
    for typed in [&recovery, &format!("{recovery}\n"), &spaced, &recovery.replace('-', "")] {
        let ran = open_by_recovery(&home, &repository, typed).ok();
        assert_eq!(ran.json().len(), 1);
    }
    let wrong = if recovery.starts_with('0') { "1" } else { "0" };
    for typed in [&format!("{wrong}{}", &recovery[1..]), "", &recovery[5..]] {
        let ran = open_by_recovery(&home, &repository, typed).exit(1);
        ran.says(&["that is no recovery key", "\"hint\":\"it has 14 groups"]);
    }
}
