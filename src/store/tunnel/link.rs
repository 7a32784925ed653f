//! Requests in flight over two pipes: frames with a length and an id, answered in any order.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded, unbounded};

use super::{Child, Trouble};
use crate::store::StoreErrorKind;

/// Frames that wait to be written, at most: enough to keep a pipe full, little enough for memory.
const QUEUE: usize = 16;
/// Bytes written in one go; each go is a sign of life.
const GO: usize = 32 << 10;

/// How the frames of a protocol look. Each begins with its length as four bytes, not counting them.
#[derive(Clone, Copy, Debug)]
pub struct Framing {
    /// Whether the length has its highest byte first.
    pub big_endian: bool,
    /// The longest frame that is taken, in bytes.
    pub max: u32,
    /// Whom an answer is for; none when it is no answer that we know.
    pub whose: fn(&[u8]) -> Option<Whose>,
}

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A sign of life.
    Nobody,
    /// The request of this id; `last` when no more comes for it.
    Request { id: u32, last: bool },
}

/// One connection. A thread reads, another writes; both end with it.
#[derive(Debug)]
pub struct Link {
    shared: Arc<Shared>,
    /// Closed before the child is waited for: the end of its input is what ends it.
    frames: Option<Sender<Vec<u8>>>,
    child: Option<Child>,
    timeout: Duration,
    trouble: OnceLock<Trouble>,
}

/// An answer to come.
#[derive(Debug)]
pub struct Pending<'a> {
    link: &'a Link,
    answers: Receiver<Vec<u8>>,
    id: u32,
    sent: u64,
}

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    begun: Instant,
    /// The last sign of life of the far end, in milliseconds since the beginning.
    alive: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    next: u32,
    waiting: HashMap<u32, Sender<Vec<u8>>>,
    /// Set when no answer comes any more.
    ended: Option<End>,
}

/// Why no answer comes any more.
#[derive(Clone, Debug)]
enum End {
    Closed,
    Silent,
    Nonsense(&'static str),
}

impl Link {
    /// A connection over two pipes; `child` is the process that holds their other ends.
    pub fn new(
        child: Option<Child>,
        input: impl Write + Send + 'static,
        output: impl Read + Send + 'static,
        framing: Framing,
        timeout: Duration,
    ) -> Self {
        let (frames, queue) = bounded(QUEUE);
        let shared = Arc::new(Shared {
            table: Mutex::default(),
            begun: Instant::now(),
            alive: AtomicU64::new(0),
        });
        let writing = Arc::clone(&shared);
        thread::spawn(move || write_all(&writing, input, &queue));
        let reading = Arc::clone(&shared);
        thread::spawn(move || {
            let end = read_all(&reading, output, framing);
            reading.end(end);
        });
        Self { shared, frames: Some(frames), child, timeout, trouble: OnceLock::new() }
    }

    /// Sends a request. `encode` writes the whole frame, its length included, for the id that it is given.
    pub fn ask(&self, encode: impl FnOnce(u32) -> Vec<u8>) -> Result<Pending<'_>, Trouble> {
        let pending = self.open()?;
        self.send(encode(pending.id))?;
        Ok(pending)
    }

    /// Takes an id for a request of several frames, which [`send`](Self::send) sends.
    pub fn open(&self) -> Result<Pending<'_>, Trouble> {
        let (sender, answers) = unbounded();
        let mut table = self.shared.table();
        if table.ended.is_some() {
            drop(table);
            return Err(self.trouble());
        }
        let id = loop {
            table.next = table.next.wrapping_add(1);
            let next = table.next;
            // An abandoned request keeps its id until it is answered.
            if !table.waiting.contains_key(&next) {
                break next;
            }
        };
        table.waiting.insert(id, sender);
        Ok(Pending { link: self, answers, id, sent: self.shared.now() })
    }

    /// Sends one frame; waits while others are on their way.
    pub fn send(&self, mut frame: Vec<u8>) -> Result<(), Trouble> {
        let Some(frames) = &self.frames else { return Err(self.trouble()) };
        let began = self.shared.now();
        loop {
            match frames.send_timeout(frame, self.patience(began)) {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Disconnected(_)) => return Err(self.trouble()),
                Err(SendTimeoutError::Timeout(again)) => frame = again,
            }
            self.end_if_silent(began)?;
        }
    }

    /// Whether it can be asked no more.
    #[cfg(test)]
    pub fn is_lost(&self) -> bool {
        self.shared.table().ended.is_some()
    }

    /// Ends it: what the far end has said makes no sense.
    pub fn nonsense(&self, what: &'static str) -> Trouble {
        self.shared.end(End::Nonsense(what));
        self.trouble()
    }

    /// The child's number, for tests that end it.
    #[cfg(test)]
    pub fn child_id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Why no answer comes any more.
    fn trouble(&self) -> Trouble {
        let tell = || {
            let end = self.shared.table().ended.clone();
            if let (Some(End::Silent | End::Nonsense(_)), Some(child)) = (&end, &self.child) {
                child.kill();
            }
            match (end, &self.child) {
                (Some(End::Silent), _) => {
                    let seconds = self.timeout.as_secs();
                    Trouble::Lost(format!("the far end has said nothing for {seconds} seconds"))
                }
                (Some(End::Nonsense(what)), _) => Trouble::Fault(
                    StoreErrorKind::Other,
                    format!("the far end does not keep to the protocol: {what}"),
                ),
                (_, Some(child)) => child.verdict("the connection was closed"),
                (_, None) => Trouble::Lost("the connection was closed".to_owned()),
            }
        };
        self.trouble.get_or_init(tell).clone()
    }

    /// How long to go on waiting for somebody who has waited since `began`.
    fn patience(&self, began: u64) -> Duration {
        let since = began.max(self.shared.alive.load(Ordering::Relaxed));
        let silent = Duration::from_millis(self.shared.now().saturating_sub(since));
        self.timeout.saturating_sub(silent)
    }

    fn end_if_silent(&self, began: u64) -> Result<(), Trouble> {
        if !self.patience(began).is_zero() {
            return Ok(());
        }
        self.shared.end(End::Silent);
        Err(self.trouble())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.frames = None;
    }
}

impl Pending<'_> {
    /// The id of the request.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Waits for the next answer.
    pub fn answer(&self) -> Result<Vec<u8>, Trouble> {
        loop {
            match self.answers.recv_timeout(self.link.patience(self.sent)) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => return Err(self.link.trouble()),
                Err(RecvTimeoutError::Timeout) => self.link.end_if_silent(self.sent)?,
            }
        }
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    fn is_alive(&self) {
        self.alive.store(self.now(), Ordering::Relaxed);
    }

    /// The first reason counts. Whoever waits is woken.
    fn end(&self, end: End) {
        let mut table = self.table();
        table.ended.get_or_insert(end);
        table.waiting.clear();
    }
}

fn write_all(shared: &Shared, mut input: impl Write, queue: &Receiver<Vec<u8>>) {
    for frame in queue {
        for go in frame.chunks(GO) {
            if input.write_all(go).is_err() {
                return; // the reader finds out why
            }
            shared.is_alive();
        }
        if input.flush().is_err() {
            return;
        }
    }
}

fn read_all(shared: &Shared, output: impl Read, framing: Framing) -> End {
    let mut output = BufReader::with_capacity(64 << 10, Alive { shared, output });
    loop {
        let mut length = [0; 4];
        if output.read_exact(&mut length).is_err() {
            return End::Closed;
        }
        let length = match framing.big_endian {
            true => u32::from_be_bytes(length),
            false => u32::from_le_bytes(length),
        };
        if length > framing.max {
            return End::Nonsense("a frame is too long");
        }
        let mut frame = vec![0; length as usize];
        if output.read_exact(&mut frame).is_err() {
            return End::Closed;
        }
        let (id, last) = match (framing.whose)(&frame) {
            None => return End::Nonsense("a frame is no answer"),
            Some(Whose::Nobody) => continue,
            Some(Whose::Request { id, last }) => (id, last),
        };
        let mut table = shared.table();
        let waiting = match last {
            true => table.waiting.remove(&id),
            false => table.waiting.get(&id).cloned(),
        };
        let Some(waiting) = waiting else { return End::Nonsense("an answer nobody asked for") };
        drop(table);
        let _ = waiting.send(frame); // it may have been abandoned
    }
}

/// Notes each sign of life.
struct Alive<'a, R> {
    shared: &'a Shared,
    output: R,
}

impl<R: Read> Read for Alive<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.output.read(buffer)?;
        self.shared.is_alive();
        Ok(len)
    }
}
