//! What is shown is what was saved: the tools of others say so.

use super::client::Client;
use super::{LEN, Server, image, save};
use crate::support::loops::{disk, does};
use crate::support::{Home, Ran, needs};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Consecutive bytes, and whether they are zero, as `nbdinfo --map` tells it.
fn map(uri: &str) -> Vec<(u64, bool)> {
    let text = does(Command::new("nbdinfo").args(["--map", "--json", uri]));
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut found: Vec<(u64, bool)> = Vec::new();
    for stretch in list.as_array().unwrap() {
        let (len, kind) = (stretch["length"].as_u64().unwrap(), stretch["type"].as_u64().unwrap());
        assert!(kind == 0 || kind == 3, "{kind}");
        match found.last_mut() {
            Some(last) if last.1 == (kind == 3) => last.0 += len,
            _ => found.push((len, kind == 3)),
        }
    }
    found
}

#[test]
fn the_tools_of_others_read_what_was_saved_and_where_nothing_is() {
    let home = Home::new();
    let (path, bytes) = image(&home);
    let server = Server::of(&home, &["latest"]);
    let uri = &server.uri;
    if !["nbdinfo", "nbdcopy", "qemu-img"].iter().all(|program| needs(program)) {
        return;
    }
    does(Command::new("qemu-img").args(["compare", "-f", "raw", "-F", "raw", uri]).arg(&path));
    does(Command::new("nbdcopy").arg(uri).arg(home.path("copy")));
    assert!(std::fs::read(home.path("copy")).unwrap() == bytes);
    does(Command::new("nbdcopy").args(["--synchronous", uri]).arg(home.path("again")));
    assert!(std::fs::read(home.path("again")).unwrap() == bytes);
    let mut at = 0;
    for (len, is_zero) in map(uri) {
        let here = &bytes[at..at + len as usize];
        // What is told as zero is, and what is not is no long row of zeros.
        let longest = here.split(|byte| *byte != 0).map(<[u8]>::len).max().unwrap();
        assert!(if is_zero { longest == here.len() } else { longest < 128 << 10 }, "{len} at {at}");
        at += len as usize;
    }
    assert_eq!(at, bytes.len());
    assert_eq!(map(uri).iter().filter(|(_, is_zero)| *is_zero).count(), 2);
    let told: serde_json::Value =
        serde_json::from_str(&does(Command::new("nbdinfo").args(["--json", uri]))).unwrap();
    let export = &told["exports"][0];
    assert_eq!((&export["export-size"], &export["is_read_only"]), (&LEN.into(), &true.into()));
    assert_eq!(export["can_multi_conn"], true);
}

#[test]
fn who_does_not_want_chunks_gets_the_same_bytes_in_one_piece() {
    let home = Home::new();
    let (_, bytes) = image(&home);
    let _server = Server::of(&home, &["latest"]);
    let mut client = Client::new(&home.path("socket"));
    assert_eq!(client.size, LEN);
    for (at, len) in [(0, LEN), (0, 1), (LEN - 1, 1), (7, 300_000), (1 << 20, 1 << 20), (5, 0)] {
        let right = &bytes[at as usize..(at + len) as usize];
        assert!(client.read(at, len as u32).unwrap() == right, "{len} at {at}");
    }
}

#[test]
fn a_partition_is_a_device_of_its_own() {
    let home = Home::new();
    let path = home.path("disk.img");
    let Some(parts) = disk(&path) else { return };
    save(&home, &path);
    for (number, part) in (1..).zip(&parts).take(2) {
        let server = Server::of(&home, &["latest", "--partition", &number.to_string()]);
        assert_eq!(server.told["size"], part.len);
        let mut client = Client::new(&home.path("socket"));
        for at in (0..part.len).step_by(8 << 20) {
            let len = (part.len - at).min(8 << 20);
            let bytes = crate::support::loops::bytes(
                &path,
                crate::support::loops::Part { start: part.start + at, len },
            );
            assert!(client.read(at, len as u32).unwrap() == bytes, "{number} at {at}");
        }
        assert!(client.read(part.len, 1).is_err());
    }
    let ran = home.run(["nbd", "latest", "--partition", "9"]).exit(1);
    ran.says(&["there is no partition 9", "it has 1, 2, 3, 4"]);
}

#[test]
fn what_is_meant_is_found_or_asked_for() {
    let home = Home::new();
    home.write("tree/one", noise());
    home.snapshot(home.path("tree")).ok();
    let server = Server::of(&home, &["latest"]);
    assert!(server.told["path"].as_str().unwrap().ends_with("/tree/one"));
    assert!(Client::new(&home.path("socket")).read(0, 200_000).unwrap() == noise());
    server.end();
    home.write("tree/two", "");
    home.snapshot(home.path("tree")).ok();
    let tree = home.path("tree").display().to_string();
    home.run(["nbd", "latest"]).exit(1).says(&["several are in it", "tree/one, ", "SNAPSHOT:PATH"]);
    home.run(["nbd", &format!("latest:{tree}")]).exit(1).says(&["several are in it"]);
    home.run(["nbd", &format!("latest:{tree}/three")]).exit(1).says(&["three"]);
    let server = Server::of(&home, &[&format!("latest:{tree}/two")]);
    assert_eq!(server.told["size"], 0);
    assert_eq!(Client::new(&home.path("socket")).size, 0);
    server.end();
    std::fs::remove_dir_all(home.path("tree")).unwrap();
    std::fs::create_dir(home.path("tree")).unwrap();
    home.snapshot(home.path("tree")).ok();
    home.run(["nbd", "latest"]).exit(1).says(&["there is nothing in it"]);
}

#[test]
fn people_are_told_how_to_use_it_and_a_signal_ends_it() {
    let home = Home::new();
    image(&home);
    let mut command = home.command();
    command.args(["nbd", "latest", "--listen", "127.0.0.1:0"]);
    let piped = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("Ctrl-C") {
        assert!(std::io::BufRead::read_line(&mut out, &mut text).unwrap() > 0, "{text}");
    }
    for words in ["read-only", "at nbd://127.0.0.1:", "qemu-img info", "nbd-client 127.0.0.1"] {
        assert!(text.contains(words), "{words} is not in: {text}");
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    Ran::from_output(child.wait_with_output().unwrap()).ok().says_nothing();
}

#[test]
fn a_socket_is_for_its_user_alone_and_goes_with_the_server() {
    let home = Home::new();
    image(&home);
    let socket = home.path("socket");
    let server = Server::of(&home, &["latest"]);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(server.end(), (String::new(), 0));
    assert!(!socket.exists());
    // One that is killed leaves it behind, and the next one takes its place.
    Server::of(&home, &["latest"]).kill();
    assert!(socket.exists());
    let _server = Server::of(&home, &["latest"]);
    assert_eq!(Client::new(&socket).size, LEN);
    let names = std::fs::read_dir(home.path("")).unwrap();
    let left = names
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(left.count(), 0, "nothing else is left");
}

fn noise() -> Vec<u8> {
    crate::support::Draw::new(3).noise(200_000)
}
