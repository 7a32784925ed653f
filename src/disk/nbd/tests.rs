//! Servers that say what they should, and all else.

use super::*;
use std::io::Read;
use std::net::Shutdown;

const SIZE: u64 = 1 << 20;
const CONTEXT: u32 = 7;

/// A server that says these words, whatever it is asked, and then nothing more.
fn saying(words: Vec<u8>) -> UnixStream {
    let (ours, mut its) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        // A client that has heard enough goes away.
        let _ = its.write_all(&words);
        let _ = its.shutdown(Shutdown::Write);
        let _ = its.read_to_end(&mut Vec::new());
    });
    ours
}

fn option(number: u32, kind: u32, data: &[u8]) -> Vec<u8> {
    let head = [0x0003_e889_0455_65a9_u64.to_be_bytes()].concat();
    let numbers = [number, kind, data.len() as u32].map(u32::to_be_bytes).concat();
    [&head, &numbers, data].concat()
}

fn context(number: u32) -> Vec<u8> {
    option(10, 4, &[&number.to_be_bytes(), &b"base:allocation"[..]].concat())
}

fn export(size: u64, flags: u16) -> Vec<u8> {
    option(7, 3, &[&[0, 0], &size.to_be_bytes()[..], &flags.to_be_bytes()].concat())
}

/// What begins a connection: the parts of it.
fn beginning() -> Vec<Vec<u8>> {
    vec![
        [b"NBDMAGIC", b"IHAVEOPT", &[0, 3][..]].concat(),
        option(8, 1, &[]),
        context(CONTEXT),
        option(10, 1, &[]),
        export(SIZE, 1 | 2 | 1 << 7),
        option(7, 1, &[]),
    ]
}

fn chunk(flags: u16, kind: u16, cookie: u64, data: &[u8]) -> Vec<u8> {
    let mut chunk = 0x668e_33ef_u32.to_be_bytes().to_vec();
    chunk.extend([flags, kind].map(u16::to_be_bytes).concat());
    chunk.extend(cookie.to_be_bytes());
    chunk.extend((data.len() as u32).to_be_bytes());
    chunk.extend(data);
    chunk
}

fn bytes(offset: u64, bytes: &[u8]) -> Vec<u8> {
    [&offset.to_be_bytes(), bytes].concat()
}

fn status(context: u32, stretches: &[(u32, u32)]) -> Vec<u8> {
    let told = stretches.iter().flat_map(|(len, flags)| [*len, *flags]);
    [context].into_iter().chain(told).flat_map(u32::to_be_bytes).collect()
}

fn error(number: u32) -> Vec<u8> {
    [&number.to_be_bytes(), &[0, 2][..], b"no"].concat()
}

/// A client that has begun, and these answers before it.
fn client(answers: &[Vec<u8>]) -> Client {
    Client::begin(saying([beginning().concat(), answers.concat()].concat())).unwrap()
}

#[track_caller]
fn fails_to_begin(parts: &[Vec<u8>], words: &str) {
    let error = Client::begin(saying(parts.concat())).unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
}

/// Reads four bytes at 8, which must break the connection.
#[track_caller]
fn breaks(answers: &[Vec<u8>], words: &str) {
    let mut client = client(answers);
    let error = client.read(8, &mut [0; 4]).unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    assert!(error.raw_os_error().is_none() && client.is_broken());
    let error = client.read(8, &mut [0; 4]).unwrap_err();
    assert!(error.to_string().contains("the connection is broken"), "{error}");
}

/// Asks for the status of all, which must break the connection.
#[track_caller]
fn tells_nonsense(answer: Vec<u8>) {
    let mut client = client(&[answer]);
    assert!(client.status(0, SIZE as u32).is_err() && client.is_broken());
}

#[test]
fn bytes_and_zeros_are_what_the_server_says() {
    let mut client = client(&[
        chunk(1, 1, 1, &bytes(8, b"four")),
        chunk(0, 5, 2, &status(CONTEXT, &[(4096, 0), (8192, 3), (1, 2), (7, 1)])),
        chunk(1, 0, 2, &[]),
    ]);
    assert_eq!(client.size(), SIZE);
    let mut out = [0; 4];
    client.read(8, &mut out).unwrap();
    assert_eq!(&out, b"four");
    let told = client.status(0, 1 << 20).unwrap();
    let told: Vec<_> = told.iter().map(|stretch| (stretch.len, stretch.is_zero)).collect();
    // Where there is only a hole may be anything.
    assert_eq!(told, [(4096, false), (8192, true), (1, true), (7, false)]);
}

#[test]
fn an_error_of_the_server_has_a_number_and_ends_nothing() {
    let mut client = client(&[
        chunk(1, 1 << 15 | 1, 1, &error(5)),
        chunk(0, 1, 2, &bytes(8, b"four")),
        chunk(1, 1 << 15 | 1, 2, &error(4711)),
        chunk(1, 1 << 15 | 2, 3, &[error(12), vec![0; 8]].concat()),
        chunk(1, 1, 4, &bytes(8, b"four")),
    ]);
    // A number that nobody knows is an error of reading.
    for number in [5, 5, 12] {
        let error = client.read(8, &mut [0; 4]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(number));
    }
    client.read(8, &mut [0; 4]).unwrap();
}

#[test]
fn who_does_not_speak_the_protocol_is_not_listened_to() {
    let with = |at: usize, part: Vec<u8>| {
        let mut parts = beginning();
        parts[at] = part;
        parts
    };
    fails_to_begin(&[b"HTTP/1.1 400 Bad Request\r\n".to_vec()], "does not speak NBD");
    fails_to_begin(&with(0, [b"NBDMAGIC", b"IHAVEOPT", &[0, 2][..]].concat()), "too old");
    fails_to_begin(&with(1, option(8, 1 << 31 | 1, b"never heard of")), "never heard of");
    fails_to_begin(&with(1, option(9, 1, &[])), "something else");
    let mut long = option(8, 1, &[]);
    long[16..].copy_from_slice(&u32::MAX.to_be_bytes());
    fails_to_begin(&with(1, long), "answers with 4294967295 bytes");
    fails_to_begin(&with(1, option(8, 5, &[]).repeat(100)), "do not end");
    fails_to_begin(&with(2, option(10, 4, b"\0\0\0\x07qemu:dirty")), "where zeros are");
    fails_to_begin(&with(4, export(1 << 63, 1 | 1 << 7)), "9223372036854775808 bytes");
    fails_to_begin(&with(4, export(SIZE, 1)), "in one piece");
    fails_to_begin(&with(4, option(7, 3, &[0; 11])), "no size");
    fails_to_begin(&with(4, Vec::new()), "no size");
    fails_to_begin(&beginning()[..5], "failed to fill");
}

#[test]
fn bytes_that_nobody_asked_for_are_not_taken() {
    let four = bytes(8, b"four");
    breaks(&[chunk(1, 1, 2, &four)], "something else");
    breaks(&[[0x6744_6698_u32, 0, 0, 1].map(u32::to_be_bytes).concat(), four.clone()], "something");
    breaks(&[chunk(1, 1, 1, &bytes(9, b"four"))], "from elsewhere");
    breaks(&[chunk(1, 1, 1, &bytes(8, b"fives"))], "other bytes");
    breaks(&[chunk(1, 1, 1, &bytes(8, b"two"))], "other bytes");
    breaks(&[chunk(0, 1, 1, &four), chunk(1, 1, 1, &four)], "other bytes");
    breaks(&[chunk(1, 2, 1, &bytes(8, &[0, 0, 0, 4]))], "other bytes");
    breaks(&[chunk(1, 0, 1, &[])], "no bytes");
    breaks(&[chunk(0, 0, 1, &[])], "goes on");
    breaks(&[chunk(1, 1 << 15 | 1, 1, &[0; 5])], "an error with 5 bytes");
    breaks(&[chunk(1, 1, 1, &four)[..20].to_vec()], "failed to fill");
    let mut long = chunk(1, 1 << 15 | 1, 1, &error(5));
    long[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
    breaks(&[long], "4294967295 bytes");
}

#[test]
fn stretches_that_make_no_sense_are_not_believed() {
    tells_nonsense(chunk(1, 5, 1, &status(CONTEXT, &[(0, 3)])));
    tells_nonsense(chunk(1, 5, 1, &status(CONTEXT, &[])));
    tells_nonsense(chunk(1, 5, 1, &status(CONTEXT + 1, &[(4096, 3)])));
    tells_nonsense(chunk(1, 5, 1, &[&status(CONTEXT, &[(4096, 3)])[..], &[0]].concat()));
    tells_nonsense(chunk(1, 0, 1, &[]));
    tells_nonsense(chunk(1, 1, 1, &bytes(0, b"bytes")));
    let mut long = chunk(1, 5, 1, &status(CONTEXT, &[(4096, 3)]));
    long[16..20].copy_from_slice(&(4_u32 + (1 << 30)).to_be_bytes());
    tells_nonsense(long);
}

#[test]
fn whatever_a_server_says_it_ends() {
    let good = [
        beginning().concat(),
        chunk(1, 1, 1, &bytes(8, b"four")),
        chunk(1, 5, 2, &status(CONTEXT, &[(4096, 0), (8192, 3)])),
    ]
    .concat();
    // Each byte changed in turn, and the rest left away behind it.
    for at in 0..good.len() {
        for change in [1, 0x80, 0xff] {
            let mut words = good.clone();
            words[at] ^= change;
            for words in [words.clone(), words[..at].to_vec()] {
                let Ok(mut client) = Client::begin(saying(words)) else { continue };
                let _ = client.read(8, &mut [0; 4]);
                let told = client.status(0, 1 << 20).unwrap_or_default();
                assert!(told.iter().all(|stretch| stretch.len > 0));
            }
        }
    }
}
