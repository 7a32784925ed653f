//! Where there can be no server, and bytes that there are not.

use super::client::{Client, WRITE, ZERO};
use super::{LEN, Server, image};
use crate::support::Home;
use std::os::unix::fs::FileExt;

#[test]
fn a_place_that_is_in_use_is_named_with_what_to_do() {
    let home = Home::new();
    image(&home);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ran = home.run(["nbd", "latest", "--listen", &address]).exit(1);
    ran.says(&[&format!("{address} is in use"), "choose another port"]);
    let socket = home.path("socket").display().to_string();
    let _server = Server::of(&home, &["latest"]);
    let ran = home.run(["nbd", "latest", "--socket", &socket]).exit(1);
    ran.says(&["socket is in use by another server", "--socket"]);
    assert_eq!(Client::new(&home.path("socket")).size, LEN, "it was left alone");
    let file = home.write("file", "mine").display().to_string();
    let ran = home.run(["nbd", "latest", "--socket", &file]).exit(1);
    ran.says(&["file is there, and no socket"]);
    assert_eq!(std::fs::read(file).unwrap(), b"mine");
    let long = home.path("x".repeat(120)).display().to_string();
    home.run(["nbd", "latest", "--socket", &long]).exit(1).says(&["too long for a socket"]);
}

#[test]
fn other_machines_do_not_come_in_by_accident_or_unseen() {
    let home = Home::new();
    image(&home);
    let ran = home.run(["nbd", "latest", "--listen", "0.0.0.0:0"]).exit(1);
    ran.says(&["other machines can reach 0.0.0.0:0", "--allow-remote"]);
    let ran = home.run(["nbd", "latest", "--listen", "0.0.0.0:0", "--allow-remote"]).exit(1);
    ran.says(&["without TLS", "--tls-cert"]);
}

#[test]
fn a_place_that_is_none_is_named_with_what_would_be_one() {
    let home = Home::new();
    image(&home);
    let refused = |words: &[&str], says: &[&str]| {
        home.run(["nbd", "latest"].iter().chain(words)).exit(1).says(says);
    };
    let nowhere = home.path("no/where").display().to_string();
    refused(&["--socket", &nowhere], &["there is no directory", "/no"]);
    refused(&["--listen", "127.0.0.1:0", "--overlay", &nowhere], &["there is no directory", "/no"]);
    let ran = home.run(["nbd", "latest", "--listen", "localhost:10809"]);
    assert!(ran.code != 0 && ran.err.contains("such as 127.0.0.1:10809"), "{}", ran.err);
}

#[test]
fn what_was_saved_cannot_be_written_to() {
    let home = Home::new();
    let (_, bytes) = image(&home);
    let _server = Server::of(&home, &["latest"]);
    let mut client = Client::new(&home.path("socket"));
    assert_eq!(client.flags & 2, 2, "read-only");
    for error in [
        client.write(0, &[1; 5000]).unwrap_err(),
        client.other(ZERO, 0, 0, 4096).unwrap_err(),
        client.other(WRITE, 0, 0, 0).unwrap_err(),
    ] {
        assert_eq!(error.raw_os_error(), Some(1), "{error}");
    }
    client.flush().unwrap();
    assert!(client.read(0, 5000).unwrap() == bytes[..5000]);
}

/// The largest pack of a repository, and its length.
fn pack(home: &Home) -> (std::path::PathBuf, u64) {
    let mut waiting = vec![home.repository()];
    let mut found = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => waiting.push(entry.path()),
                false => found.push((entry.metadata().unwrap().len(), entry.path())),
            }
        }
    }
    let (len, path) = found.into_iter().max().unwrap();
    (path, len)
}

#[test]
fn damage_is_an_error_for_its_own_bytes_alone_and_is_told_once() {
    let home = Home::new();
    let (path, bytes) = image(&home);
    let (pack, len) = pack(&home);
    let mut permissions = std::fs::metadata(&pack).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    std::fs::set_permissions(&pack, permissions).unwrap();
    let file = std::fs::File::options().write(true).open(&pack).unwrap();
    file.write_all_at(&[0x55; 64], len / 5).unwrap();
    let server = Server::of(&home, &["latest"]);
    let mut client = Client::new(&home.path("socket"));
    let (mut good, mut bad) = (0, 0);
    for round in 0..2 {
        for at in (0..LEN - 4096).step_by(4096) {
            match client.read(at, 4096) {
                Ok(read) => {
                    assert!(read == bytes[at as usize..at as usize + 4096], "{round}: {at}");
                    good += 1;
                }
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(5), "{round}: {at}");
                    bad += 1;
                }
            }
        }
    }
    assert!(good > 0 && bad > 0, "{good} and {bad}");
    let (said, code) = server.end();
    assert_eq!(code, 4, "{said}");
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(said.contains(name), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_snapshot_that_was_collected_meanwhile_is_told_once() {
    let home = Home::new();
    image(&home);
    home.write("other/file", "x");
    let server = Server::of(&home, &["latest"]);
    let mut client = Client::new(&home.path("socket"));
    home.snapshot(home.path("other")).ok();
    let listed = home.run(["snapshots", "--json"]).ok().json();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    home.run(["forget", "--whole-series", &id]).ok();
    home.run(["gc", "--grace", "0"]).ok();
    let mut failed = 0;
    for at in (0..LEN - 4096).step_by(64 << 10) {
        if let Err(error) = client.read(at, 4096) {
            assert_eq!(error.raw_os_error(), Some(5));
            failed += 1;
        }
    }
    assert!(failed > 1, "{failed}");
    let (said, code) = server.end();
    assert_eq!(code, 0, "that is no damage: {said}");
    assert_eq!(said.matches("was forgotten, and a collection has taken").count(), 1, "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
