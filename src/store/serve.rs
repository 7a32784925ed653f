//! The far end of an `ssh://` store: answers over two pipes what a client asks of a store.

pub(super) mod hello;
pub(super) mod message;
mod reply;
mod root;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

pub use self::root::ServedRoot;

use self::hello::Hello;
use self::message::{Arrived, FRAME_MAX, Frame, OBJECT_MAX, answer, ask};
use self::reply::{error_frame, reply};
use super::{Store, StoreError};

/// Requests that are worked on at a time.
const WORKERS: usize = 4;
/// How often a sign of life is given: a client must not take a slow disk for a dead server.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// What a client may ask of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Everything that a store does.
    All,
    /// To read and to put; nothing is deleted, and nothing is overwritten anyway.
    Append,
}

/// One request, whole.
struct Request {
    frame: Vec<u8>,
    /// The bytes of an object to put.
    object: Vec<u8>,
}

/// Serves one client until its input ends. `open` gives it the store that it greets with.
///
/// # Errors
/// When the client does not keep to the protocol, or goes away in the middle of a frame.
pub fn serve<S: Store>(
    mut input: impl Read,
    output: impl Write + Send,
    grant: Grant,
    open: impl FnOnce(&Hello) -> Result<S, StoreError>,
) -> io::Result<()> {
    let output = Mutex::new(output);
    let send = |frame: Vec<u8>| -> io::Result<()> {
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(&frame)?;
        output.flush()
    };
    let (stop, stopped) = bounded::<()>(0);
    thread::scope(|scope| {
        scope.spawn(|| give_signs_of_life(&stopped, &send));
        let served = (|| {
            let Some(first) = read_frame(&mut input)? else { return Ok(()) };
            let first = Arrived::read(&first).ok_or_else(|| nonsense("a frame has no head"))?;
            let hello = Hello::read(&first).map_err(nonsense)?;
            let store = match open(&hello) {
                Ok(store) => store,
                Err(error) => return send(error_frame(first.id, &error)),
            };
            send(Frame::new(first.id, answer::WELCOME).done())?;
            let (requests, queue) = bounded(0);
            thread::scope(|scope| {
                for _ in 0..WORKERS {
                    scope.spawn(|| work(&queue, &store, grant, &send));
                }
                let requests = requests; // ends the workers
                read_requests(&mut input, |request| _ = requests.send(request))
            })
        })();
        drop(stop);
        served
    })
}

/// Reads requests until the input ends.
fn read_requests(input: &mut impl Read, mut take: impl FnMut(Request)) -> io::Result<()> {
    // The object whose parts are arriving; they come one after the other.
    let mut arriving: Option<(u32, Vec<u8>)> = None;
    while let Some(frame) = read_frame(input)? {
        let arrived = Arrived::read(&frame).ok_or_else(|| nonsense("a frame has no head"))?;
        match (arrived.kind, &mut arriving) {
            (ask::PART, None) => arriving = Some((arrived.id, arrived.body.to_vec())),
            (ask::PART, Some((id, object))) if *id == arrived.id => {
                if object.len() + arrived.body.len() > OBJECT_MAX {
                    return Err(nonsense("an object is too long"));
                }
                object.extend_from_slice(arrived.body);
            }
            (ask::PART, _) => return Err(nonsense("the parts of two objects are mixed")),
            (ask::PUT, Some((id, _))) if *id != arrived.id => {
                return Err(nonsense("the parts of two objects are mixed"));
            }
            (ask::PUT, _) => {
                let object = arriving.take().map_or_else(Vec::new, |(_, object)| object);
                take(Request { frame, object });
            }
            _ => take(Request { frame, object: Vec::new() }),
        }
    }
    Ok(())
}

/// Reads a frame without its length; none at the end of the input.
fn read_frame(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read(&mut length[..1])? {
        0 => return Ok(None),
        _ => input.read_exact(&mut length[1..])?,
    }
    let length = u32::from_le_bytes(length);
    if length > FRAME_MAX {
        return Err(nonsense("a frame is too long"));
    }
    let mut frame = vec![0; length as usize];
    input.read_exact(&mut frame)?;
    Ok(Some(frame))
}

/// Answers requests until there are no more. An answer that cannot be sent is of no use to anybody: the
/// input ends, too.
fn work(
    queue: &Receiver<Request>,
    store: &impl Store,
    grant: Grant,
    send: &(impl Fn(Vec<u8>) -> io::Result<()> + Sync),
) {
    for request in queue {
        let Some(arrived) = Arrived::read(&request.frame) else { continue };
        let answered = reply(store, grant, &arrived, &request.object, send);
        let _ = match answered {
            Ok(last) => send(last),
            Err(error) => send(error_frame(arrived.id, &error)),
        };
    }
}

fn give_signs_of_life(stopped: &Receiver<()>, send: &impl Fn(Vec<u8>) -> io::Result<()>) {
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(ALIVE_EVERY) {
        if send(Frame::new(0, answer::ALIVE).done()).is_err() {
            return;
        }
    }
}

fn nonsense(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
