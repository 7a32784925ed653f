//! The server itself. That there is a test also makes cargo build it together with the other tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

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

#[test]
fn a_proxy_breaks_what_it_is_told_to_and_tells_what_was_asked() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", server.local_addr().unwrap());
    thread::spawn(move || {
        for client in server.incoming().flatten() {
            let mut lines = BufReader::new(&client).lines().map_while(Result::ok);
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            (&client).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody").unwrap();
        }
    });
    let mut proxy = Command::new(env!("CARGO_BIN_EXE_esker-test-proxy"))
        .arg(address)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(proxy.stdout.take().unwrap()).lines().map_while(Result::ok);
    let at = told.next().unwrap().strip_prefix("http://").unwrap().to_owned();
    let ask = |what: &str| {
        let mut stream = TcpStream::connect(&at).unwrap();
        write!(stream, "GET /bucket/{what} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let mut input = proxy.stdin.take().unwrap();
    let mut order = |line: &str| {
        writeln!(input, "{line}").unwrap();
        told.next().unwrap()
    };
    assert!(ask("1").ends_with("\r\n\r\nbody"));
    assert_eq!(order("* /2 answer 503 SlowDown"), "ok");
    assert_eq!(order("* /3 cut"), "ok");
    assert!(ask("2").starts_with("HTTP/1.1 503 ") && ask("2").contains("<Code>SlowDown</Code>"));
    let cut = ask("3");
    assert!(cut.contains("content-length: 4\r\n") && cut.ends_with("\r\n\r\nbo"), "{cut}");
    assert!(order("nonsense").starts_with("error "));
    assert_eq!(order("clear"), "ok");
    assert!(ask("3").ends_with("body"));
    let asked = [order("report"), order(""), order("")];
    assert_eq!(
        asked,
        [
            "GET /bucket/1 - pass 200 0",
            "GET /bucket/2 - answer 503 0",
            "GET /bucket/2 - answer 503 0"
        ]
    );
    drop(input);
    assert!(proxy.wait().unwrap().success());
}
