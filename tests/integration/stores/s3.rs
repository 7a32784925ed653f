//! A repository in S3, from its first day to its last.

use crate::support::{Home, Ran, S3Server};
use std::ffi::OsStr;
use std::process::Command;

/// The program with a repository at an address, and the key in a file.
fn esker(home: &Home, server: &S3Server, address: &str) -> Command {
    let mut command = home.command();
    command
        .env("ESKER_STORES_FILE", server.stores_file())
        .env("ESKER_REPOSITORY", address)
        .env("ESKER_KEY_FILE", home.path("key"));
    command
}

fn run<A: AsRef<OsStr>>(home: &Home, server: &S3Server, words: impl IntoIterator<Item = A>) -> Ran {
    Ran::of(esker(home, server, "s3://bucket/backups/host").args(words))
}

#[test]
fn a_repository_in_s3_saves_restores_checks_forgets_and_collects() {
    let (home, server) = (Home::new(), S3Server::start());
    let run = |words: &[&str]| run(&home, &server, words);
    let source = home.path("source");
    for n in 0..40_u8 {
        // What does not compress, so that there is something to collect.
        let noise: Vec<u8> =
            (0..40_000_u32).map(|i| (i.wrapping_mul(i | 1) >> 7) as u8 ^ n).collect();
        home.write(&format!("source/{}/{n}", n % 3), noise);
    }
    let made = run(&["init"]).ok();
    assert!(made.out.contains("in s3://bucket/backups/host"), "{}", made.out);
    run(&["init"]).exit(1).says(&["holds an esker repository already"]);

    let source = source.to_str().unwrap();
    run(&["snapshot", source]).ok().says_nothing();
    home.write("source/1/1", b"changed");
    let saved = run(&["snapshot", source, "--json"]).ok();
    let first = run(&["snapshots", "--json"]).ok().json();
    assert_eq!(first.len(), 2, "{saved:?}");

    run(&["check", "--read-data"]).ok();
    let target = home.path("target");
    run(&["restore", "latest", target.to_str().unwrap()]).ok();
    let compare = |a: &str| {
        let same = Command::new("diff").arg("-r").arg(a).arg(target.join(&a[1..])).status();
        assert!(same.unwrap().success());
    };
    compare(source);

    // Nothing is in the caches of another machine: all comes from the store.
    std::fs::remove_dir_all(home.path("cache")).unwrap();
    let one = run(&["cat", &format!("latest:{source}/1/1")]).ok();
    assert_eq!(one.out, "changed");

    run(&["forget", "--keep-last", "1"]).ok();
    run(&["gc"]).ok();
    run(&["check", "--read-data"]).ok();
    assert!(server.bucket().join("backups/host/config").exists());
    assert_eq!(std::fs::read_dir(server.bucket()).unwrap().count(), 1, "nothing beside its folder");
}

#[test]
fn an_address_with_options_and_variables_needs_no_file() {
    let (home, server) = (Home::new(), S3Server::start());
    home.write("source/file", b"something");
    let address =
        format!("s3://bucket/x?endpoint={}&region=us-east-1&path_style=true", server.endpoint);
    let esker = |words: &[&str]| {
        let mut command = esker(&home, &server, &address);
        command
            .env_remove("ESKER_STORES_FILE")
            .env("AWS_ACCESS_KEY_ID", "esker")
            .env("AWS_SECRET_ACCESS_KEY", "esker-secret")
            .args(words);
        Ran::of(&mut command)
    };
    esker(&["init"]).ok();
    let source = home.path("source");
    let told = esker(&["snapshot", source.to_str().unwrap(), "--limit-upload", "100M"]).ok();
    assert!(!told.out.contains("secret"), "{told:?}");
    esker(&["ls", "latest", "--limit-download", "100M"]).ok();
    esker(&["ls", "latest", "--limit-download", "0"]).exit(1).says(&["nothing would ever move"]);
}

#[test]
fn a_passphrase_opens_a_repository_in_s3() {
    let (home, server) = (Home::new(), S3Server::start());
    home.write("source/file", b"something");
    let esker = |words: &[&str]| {
        let mut command = esker(&home, &server, "s3://bucket");
        command.env_remove("ESKER_KEY_FILE").env("ESKER_PASSWORD", "correct horse").args(words);
        Ran::of(&mut command)
    };
    esker(&["init"]).ok();
    esker(&["snapshot", home.path("source").to_str().unwrap()]).ok();
    esker(&["check"]).ok();
}
