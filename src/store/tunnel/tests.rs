//! Links to far ends that are honest, silent, slow, or lie.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::link::Whose;
use super::*;

const FRAMING: Framing = Framing { big_endian: false, max: 100, whose };

/// Frames of the tests: an id of four bytes, 1 for the last answer, and anything.
fn whose(frame: &[u8]) -> Option<Whose> {
    let id = u32::from_le_bytes(*frame.first_chunk()?);
    match (id, frame.get(4)?) {
        (0, _) => Some(Whose::Nobody),
        (_, 9) => None,
        (id, last) => Some(Whose::Request { id, last: *last == 1 }),
    }
}

fn frame(id: u32, last: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = (5 + bytes.len() as u32).to_le_bytes().to_vec();
    frame.extend(id.to_le_bytes());
    frame.push(last);
    frame.extend(bytes);
    frame
}

/// A link, and the stream of its far end.
fn linked(timeout: Duration) -> (Link, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    let input = near.try_clone().unwrap();
    (Link::new(None, input, near, FRAMING, timeout), far)
}

const LONG: Duration = Duration::from_secs(600);

fn read_frame(far: &mut UnixStream) -> Vec<u8> {
    let mut length = [0; 4];
    far.read_exact(&mut length).unwrap();
    let mut frame = vec![0; u32::from_le_bytes(length) as usize];
    far.read_exact(&mut frame).unwrap();
    frame
}

#[test]
fn answers_find_their_requests_in_any_order() {
    let (link, mut far) = linked(LONG);
    let asked: Vec<_> = (0..3).map(|n| link.ask(|id| frame(id, 1, &[n])).unwrap()).collect();
    let mut seen: Vec<_> = (0..3).map(|_| read_frame(&mut far)).collect();
    seen.reverse();
    far.write_all(&frame(0, 1, b"alive")).unwrap();
    for request in &seen {
        let id = u32::from_le_bytes(*request.first_chunk().unwrap());
        far.write_all(&frame(id, 0, b"more")).unwrap();
        far.write_all(&frame(id, 1, &request[5..])).unwrap();
    }
    for (n, pending) in asked.iter().enumerate() {
        assert_eq!(pending.answer().unwrap()[5..], *b"more");
        assert_eq!(pending.answer().unwrap()[5..], [n as u8]);
    }
}

#[test]
fn a_far_end_that_goes_away_fails_what_waits_and_what_comes() {
    let (link, far) = linked(LONG);
    let pending = link.ask(|id| frame(id, 1, b"")).unwrap();
    drop(far);
    assert!(matches!(pending.answer().unwrap_err(), Trouble::Lost(_)));
    assert!(link.is_lost());
    assert!(matches!(link.ask(|id| frame(id, 1, b"")).unwrap_err(), Trouble::Lost(_)));
}

#[test]
fn a_far_end_that_lies_ends_the_link_before_memory_is_taken() {
    let lies: [(&[u8], &str); 4] = [
        (&u32::MAX.to_le_bytes(), "too long"),
        (&frame(77, 1, b""), "nobody asked"),
        (&frame(1, 9, b""), "no answer"),
        (&[0; 4], "no answer"),
    ];
    for (lie, words) in lies {
        let (link, mut far) = linked(LONG);
        let pending = link.ask(|id| frame(id, 1, b"")).unwrap();
        far.write_all(lie).unwrap();
        match pending.answer().unwrap_err() {
            Trouble::Fault(_, text) => assert!(text.contains(words), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn silence_ends_a_link_also_for_who_has_yet_to_send() {
    let (link, far) = linked(Duration::from_millis(50));
    let pending = link.ask(|id| frame(id, 1, b"")).unwrap();
    assert!(
        matches!(pending.answer().unwrap_err(), Trouble::Lost(text) if text.contains("nothing"))
    );
    drop(far);
    let (link, far) = linked(Duration::from_millis(50));
    let failed = (0..1000).find_map(|_| link.ask(|_| vec![0; 64 << 10]).err());
    assert!(matches!(failed, Some(Trouble::Lost(text)) if text.contains("nothing")));
    drop(far);
}

#[test]
fn an_abandoned_request_keeps_its_id_until_it_is_answered() {
    let (link, mut far) = linked(LONG);
    drop(link.ask(|id| frame(id, 1, b"")).unwrap());
    let pending = link.ask(|id| frame(id, 1, b"")).unwrap();
    for id in [1, 2] {
        far.write_all(&frame(id, 1, b"")).unwrap();
    }
    pending.answer().unwrap();
    assert!(!link.is_lost());
}

#[test]
fn a_lost_connection_is_made_anew_and_given_up_in_the_end() {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let made = || MADE.load(Ordering::Relaxed);
    let keeper = Keeper::new(2, || {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        if number < 3 { Ok(number) } else { Err(Trouble::Lost("off".to_owned())) }
    })
    .unwrap();
    let lost = |text: &str| Err(Trouble::Lost(text.to_owned()));
    let worked = keeper.run(|number| if *number < 1 { lost("gone") } else { Ok(*number) });
    assert_eq!((worked.unwrap(), made()), (1, 2));
    let failed: Result<u32, _> = keeper.run(|_| lost("gone"));
    assert!(matches!(failed, Err(Trouble::Lost(text)) if text == "off"));
    assert_eq!(made(), 4, "the one there was, a new one, and one that failed");
    let refused: Result<(), _> =
        Keeper::new(9, || Err::<(), _>(Trouble::Lost("off".to_owned()))).map(|_| ());
    assert!(refused.is_err(), "the first connection is tried once");
}

#[test]
fn an_error_that_stays_is_not_tried_again() {
    let keeper = Keeper::new(9, || Ok(AtomicU32::new(0))).unwrap();
    let failed: Result<(), _> = keeper.run(|calls| {
        calls.fetch_add(1, Ordering::Relaxed);
        Err(Trouble::Status(4, String::new()))
    });
    assert!(matches!(failed, Err(Trouble::Status(4, _))));
    assert_eq!(keeper.connection().load(Ordering::Relaxed), 1);
}

#[test]
fn many_threads_share_one_link() {
    let (link, mut far) = linked(LONG);
    thread::spawn(move || {
        for _ in 0..400 {
            let request = read_frame(&mut far);
            let mut answer = (request.len() as u32).to_le_bytes().to_vec();
            answer.extend(request);
            far.write_all(&answer).unwrap();
        }
    });
    thread::scope(|scope| {
        for thread in 0..4 {
            let link = &link;
            scope.spawn(move || {
                for n in 0..100 {
                    let pending = link.ask(|id| frame(id, 1, &[thread, n])).unwrap();
                    assert_eq!(pending.answer().unwrap()[5..], [thread, n]);
                }
            });
        }
    });
}
