//! Clients that do what they should not, beside one that does what it should.

use super::client::{Client, greeted, option, request};
use super::{LEN, Server, image};
use crate::support::{Draw, Home};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Says these words and no more, and listens until the server has had enough.
fn say(mut stream: UnixStream, words: &[u8]) -> Vec<u8> {
    // A server that has had enough reads no further.
    let _ = stream.write_all(words);
    let _ = stream.shutdown(Shutdown::Write);
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    heard
}

/// Agrees the old way, and says these words then.
fn say_later(socket: &Path, words: &[u8]) -> Vec<u8> {
    say(Client::new(socket).stream, words)
}

#[test]
fn clients_that_talk_nonsense_disturb_nobody() {
    let home = Home::new();
    let (_, bytes) = image(&home);
    let server = Server::of(&home, &["latest", "--overlay", home.path("over").to_str().unwrap()]);
    let socket = home.path("socket");
    let mut good = Client::new(&socket);
    let mut draw = Draw::new(5);
    let mut still = || assert!(good.read(100, 5000).unwrap() == bytes[100..5100]);
    for round in 0..20 {
        let noise = draw.noise(500);
        say(UnixStream::connect(&socket).unwrap(), &noise);
        say(greeted(&socket), &noise);
        say_later(&socket, &noise);
        say_later(&socket, &[&request(1, 0, 1, 1 << 20, 1000)[..], &noise].concat());
        still();
        // Words that are cut off.
        let go = option(7, &[0; 6]);
        say(greeted(&socket), &go[..round.min(go.len())]);
        say_later(&socket, &request(0, 0, 1, 0, 4096)[..round]);
        still();
    }
    // Lengths that nobody has room for.
    for words in [&b"IHAVEOPT\0\0\0\x07\xff\xff\xff\xff"[..], b"IHAVEOPT\0\0\0\x63\x7f\0\0\0"] {
        assert!(say(greeted(&socket), words).is_empty());
    }
    for (command, len) in [(1, 33 << 20), (1, u32::MAX)] {
        assert!(say_later(&socket, &request(command, 0, 1, 0, len)).is_empty());
    }
    // Somebody who asks for much, and does not listen.
    let mut deaf = Client::new(&socket);
    for cookie in 0..200 {
        let _ = deaf.stream.set_nonblocking(true);
        let _ = deaf.stream.write(&request(0, 0, cookie, 0, 9 << 20));
    }
    still();
    let (said, code) = server.end();
    assert_eq!((said.as_str(), code), ("", 0));
}

#[test]
fn requests_that_make_no_sense_are_answered_and_the_next_one_is_done() {
    let home = Home::new();
    let (_, bytes) = image(&home);
    let overlay = home.path("over").display().to_string();
    let _server = Server::of(&home, &["latest", "--overlay", &overlay]);
    let mut client = Client::new(&home.path("socket"));
    let mut number = |command, flags, offset, len| {
        client.other(command, flags, offset, len).unwrap_err().raw_os_error().unwrap()
    };
    for command in [5, 7, 8, 99, u16::MAX] {
        assert_eq!(number(command, 0, 0, 4096), 22, "{command}");
    }
    assert_eq!(number(0, 0, 0, (32 << 20) + 1), 22);
    assert_eq!(number(0, 0, LEN - 1, 2), 22);
    assert_eq!(number(0, 0, u64::MAX, 2), 22);
    assert_eq!(number(0, 1 << 9, 0, 2), 22, "a flag that nobody knows");
    assert_eq!(number(6, 0, LEN, 1), 28);
    assert_eq!(number(4, 0, u64::MAX - 5, 100), 28);
    assert_eq!(client.write(LEN - 1, &[1, 2]).unwrap_err().raw_os_error(), Some(28));
    assert_eq!(client.write(u64::MAX - 1, &[1; 70_000]).unwrap_err().raw_os_error(), Some(28));
    assert!(client.read(0, 5000).unwrap() == bytes[..5000]);
}

#[test]
fn options_that_make_no_sense_are_answered_and_the_next_one_is_done() {
    let home = Home::new();
    image(&home);
    let _server = Server::of(&home, &["latest"]);
    let mut stream = greeted(&home.path("socket"));
    let mut ask = |number: u32, data: &[u8]| {
        stream.write_all(&option(number, data)).unwrap();
        let mut head = [0; 20];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(head[8..12], number.to_be_bytes());
        let len = u32::from_be_bytes(head[16..].try_into().unwrap());
        stream.read_exact(&mut vec![0; len as usize]).unwrap();
        u32::from_be_bytes(head[12..16].try_into().unwrap())
    };
    let no = 1 << 31;
    assert_eq!(ask(77, b"?"), no | 1, "unknown");
    assert_eq!(ask(5, b""), no | 1, "no TLS here");
    assert_eq!(ask(7, b"\0"), no | 3, "makes no sense");
    assert_eq!(ask(7, b"\0\0\0\x05other\0\0"), no | 6, "another export");
    assert_eq!(ask(10, &[0; 8]), no | 3, "without structured replies");
    assert_eq!(ask(3, b"x"), no | 3);
    assert_eq!(ask(8, b"x"), no | 3);
    assert_eq!(ask(7, &vec![0; 100_000]), no | 9, "too long");
    assert_eq!(ask(8, b""), 1);
    assert_eq!(ask(6, &[0; 6]), 3);
}

#[test]
fn two_who_read_at_once_get_the_same() {
    let home = Home::new();
    let (_, bytes) = image(&home);
    let _server = Server::of(&home, &["latest"]);
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (socket, bytes) = (home.path("socket"), &bytes);
            scope.spawn(move || {
                let (mut client, mut draw) = (Client::new(&socket), Draw::new(seed));
                for _ in 0..300 {
                    let at = draw.below(LEN);
                    let len = draw.below(100_000).min(LEN - at);
                    let right = &bytes[at as usize..(at + len) as usize];
                    assert!(client.read(at, len as u32).unwrap() == right);
                }
            });
        }
    });
}
