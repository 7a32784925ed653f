//! The server itself. That there is a test also makes cargo build it together with the other tests.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn a_server_tells_where_it_is_and_ends_with_its_input() {
    let folder = std::env::temp_dir();
    let mut server = Command::new(env!("CARGO_BIN_EXE_esker-test-s3"))
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut told).unwrap();
    assert!(told.starts_with("http://127.0.0.1:"), "{told}");
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
}
