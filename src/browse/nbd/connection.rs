//! One client, from the first word to the last.

use super::answers::Answers;
use super::handshake::handshake;
use super::requests::{Requests, Work};
use super::socket::{Halves, Socket};
use super::{PIECE, Shown};
use crossbeam_channel::bounded;
use std::io::{self, BufReader};
use std::sync::atomic::{AtomicBool, Ordering};

/// Threads that answer one client: what one of them reads, another one sends.
const THREADS: usize = 4;

/// Requests that wait for them at most; then no more are read.
const WAITING: usize = 16;

/// Makes a connection secret.
pub type Secure<'s> = Box<dyn FnOnce() -> io::Result<Halves> + 's>;

/// Serves a client until it goes. Sets `is_agreed` when requests begin.
///
/// # Errors
/// When it goes away in the middle, or says what makes no sense: nobody needs to know.
pub fn serve(
    shown: &Shown,
    socket: &Socket,
    secure: Option<Secure<'_>>,
    is_agreed: &AtomicBool,
) -> io::Result<()> {
    let halves = Halves::of(socket)?;
    let Some((agreed, halves)) = handshake(shown, halves, secure)? else { return Ok(()) };
    is_agreed.store(true, Ordering::Relaxed);
    let answers = Answers::new(shown, agreed, halves.writer);
    let (sender, receiver) = bounded::<Work>(WAITING);
    std::thread::scope(|scope| {
        // Gone when no more requests come, however that is: the threads end then.
        let sender = sender;
        for _ in 0..THREADS {
            let (receiver, answers) = (receiver.clone(), &answers);
            let work = move || {
                let mut buffer = Vec::with_capacity(PIECE + 64);
                for work in receiver {
                    // Nobody knows any more where in the stream an answer begins.
                    if answers.answer(&work, &mut buffer).is_err() {
                        socket.end();
                    }
                }
            };
            std::thread::Builder::new().name("nbd".to_owned()).spawn_scoped(scope, work)?;
        }
        drop(receiver);
        let reader = BufReader::with_capacity(64 << 10, halves.reader);
        Requests::new(shown, agreed, &answers, reader).run(&sender)
    })
}
