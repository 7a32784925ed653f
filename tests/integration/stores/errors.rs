//! What goes wrong with services, and what is said then.

use crate::support::{Home, Ran, S3Server, write_private};

/// Runs the program with this repository and nothing of the real environment.
fn run(home: &Home, address: &str, words: &[&str]) -> Ran {
    let mut command = home.command();
    for (name, _) in std::env::vars() {
        if name.starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.args(["--repo", address, "--key-file"]).arg(home.path("key")).args(words);
    Ran::of(&mut command)
}

/// A home whose file of stores is the server's.
fn home(stores: &str) -> Home {
    let home = Home::new();
    let path = home.write("config/esker/stores.toml", "");
    write_private(&path, stores);
    home
}

#[test]
fn an_endpoint_that_nobody_answers_at_is_out_of_reach() {
    // Nobody listens on a port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let home = home("[\"s3://bucket\"]\naccess_key_id = \"a\"\nsecret_access_key = \"b\"\n");
    let address = format!("s3://bucket/x?endpoint=http://127.0.0.1:{port}");
    run(&home, &address, &["init"]).exit(5).says(&[
        "s3://bucket/x",
        "cannot be reached",
        "refused",
        "hint:",
    ]);
    assert!(!home.path("key").exists(), "a key that nobody needs");
    run(&home, &address, &["snapshots"]).exit(1).says(&["key"]);
}

#[test]
fn a_missing_bucket_is_named_and_not_made() {
    let server = S3Server::start();
    let home = home(&server.stores("esker", "esker-secret").replace("s3://bucket", "s3://none"));
    run(&home, "s3://none/x", &["init"]).exit(1).says(&["NoSuchBucket", "hint:"]);
    assert!(!server.bucket().parent().unwrap().join("none").exists());
    assert!(!home.path("key").exists());
}

#[test]
fn keys_that_the_service_does_not_take_are_told_in_its_words() {
    let server = S3Server::start();
    let home = home(&server.stores("esker", "wrong"));
    let told = run(&home, "s3://bucket/x", &["init"]).exit(1);
    let told =
        told.says(&["permission denied", "SignatureDoesNotMatch", "hint:", "AWS_ACCESS_KEY_ID"]);
    assert!(!told.err.contains("wrong\""), "the secret is not told: {}", told.err);
}

#[test]
fn missing_keys_are_told_with_where_they_come_from() {
    let server = S3Server::start();
    let address = format!("s3://bucket/x?endpoint={}&timeout=1&retries=0", server.endpoint);
    let told = run(&home(""), &address, &["init"]).exit(1);
    told.says(&["permission denied", "credential", "hint:", "AWS_ACCESS_KEY_ID"]);
}

#[test]
fn a_place_without_a_repository_is_told_as_such() {
    let server = S3Server::start();
    let home = home(&server.stores("esker", "esker-secret"));
    write_private(&home.path("key"), "");
    let mut command = home.command();
    command.env("ESKER_PASSWORD", "x").args(["--repo", "s3://bucket/x", "snapshots"]);
    Ran::of(&mut command).exit(10).says(&["s3://bucket/x", "esker init"]);
}

#[test]
fn addresses_that_make_no_sense_are_refused_with_what_to_do() {
    let home = home("");
    for (address, words) in [
        ("ftp://host/x", ["nothing is known of ftp://", "s3://"]),
        ("s3://bucket?secret_access_key=hush", ["does not belong into an address", "stores.toml"]),
        ("s3://bucket?color=red", ["no option color", "region"]),
    ] {
        let told = run(&home, address, &["snapshots"]).exit(1).says(&words);
        assert!(!told.err.contains("hush"), "{}", told.err);
    }
    write_private(
        &home.path("config/esker/stores.toml"),
        "[\"s3://b\"]\nsecret_access_key = \"x\"",
    );
    use std::os::unix::fs::PermissionsExt;
    let path = home.path("config/esker/stores.toml");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    run(&home, "s3://b", &["init"]).exit(1).says(&["others may read", "chmod 600"]);
}
