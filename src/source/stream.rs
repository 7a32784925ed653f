//! A stream: what comes out of a pipe or a command, and whether it came to a good end.

use crate::source::command::{Command, Ended};
use crate::source::feed::{Fed, Feed, FeedError, Halt, Part};
use esker_format::node::{NodeKind, ORIGIN, Time, Xattr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// The last bytes, among which a trailer is looked for.
pub const TAIL: usize = 4 << 10;
/// How long to wait for bytes before somebody is asked whether to go on.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// Room in a pipe, where the system gives it: fewer turns between writer and reader.
const PIPE: usize = 1 << 20;

/// What a good end is, beside the end of the bytes.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    /// Whether there may be no bytes at all.
    pub allow_empty: bool,
    /// What has to be among the last 4 KiB.
    pub trailer: Option<Vec<u8>>,
    /// Bytes that there must be.
    pub min_size: u64,
    /// How long it may take.
    pub time_out: Option<Duration>,
}

/// Where the bytes come from.
enum Input {
    Pipe(OwnedFd),
    Command(Command),
}

/// A stream that is read.
pub struct Stream {
    path: Vec<u8>,
    input: Input,
    guards: Guards,
    clock: fn() -> Time,
    begin: Option<Instant>,
    len: u64,
    tail: Vec<u8>,
}

impl Stream {
    /// What an open pipe or file gives. Of this only the end is seen, and not whether it was meant.
    pub fn pipe(path: Vec<u8>, pipe: OwnedFd, guards: Guards, clock: fn() -> Time) -> Self {
        Self::new(path, Input::Pipe(pipe), guards, clock)
    }

    /// What a command writes to its standard output. It is begun when it is its turn.
    pub fn command(path: Vec<u8>, command: Command, guards: Guards, clock: fn() -> Time) -> Self {
        Self::new(path, Input::Command(command), guards, clock)
    }

    fn new(path: Vec<u8>, input: Input, guards: Guards, clock: fn() -> Time) -> Self {
        Self { path, input, guards, clock, begin: None, len: 0, tail: Vec::new() }
    }

    fn fail<T>(&self, why: impl Into<String>) -> Result<T, FeedError> {
        let name = String::from_utf8_lossy(self.path.strip_prefix(b"/").unwrap_or(&self.path));
        Err(FeedError::NotWhole { name: name.into_owned(), why: why.into() })
    }

    fn begin(&mut self) -> Result<(), FeedError> {
        self.begin = Some(Instant::now());
        if let Input::Command(command) = &mut self.input
            && let Err(error) = command.begin()
        {
            let message = format!("{} cannot be run: {error}", command.program());
            return self.fail(message);
        }
        if let Some(output) = self.input.output() {
            // A file or a small limit: it works without, too.
            let _ = rustix::pipe::fcntl_setpipe_size(output, PIPE);
        }
        Ok(())
    }

    /// Fails when somebody wants it to stop, or it takes too long.
    fn go_on(&self, halt: Halt<'_>) -> Result<(), FeedError> {
        if halt() {
            return Err(FeedError::Stopped);
        }
        let taken = self.begin.map_or(Duration::ZERO, |begin| begin.elapsed());
        match self.guards.time_out {
            Some(time_out) if taken > time_out => {
                self.fail(format!("it had not ended after {} s", time_out.as_secs()))
            }
            _ => Ok(()),
        }
    }

    /// Waits for bytes or their end.
    fn wait(&self, halt: Halt<'_>) -> Result<(), FeedError> {
        let Some(output) = self.input.output() else { return Ok(()) };
        loop {
            self.go_on(halt)?;
            let mut polled = [PollFd::new(&output, PollFlags::IN)];
            match poll(&mut polled, Some(&WAIT)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                // What is wrong with it, reading tells.
                Ok(_) | Err(_) => return Ok(()),
            }
        }
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        if self.guards.trailer.is_none() {
            return;
        }
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
        let extra = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..extra);
    }

    /// Fails unless the bytes themselves look whole.
    fn check(&self) -> Result<(), FeedError> {
        let Guards { allow_empty, trailer, min_size, .. } = &self.guards;
        if self.len == 0 && !allow_empty {
            return self.fail("it is empty");
        }
        if self.len < *min_size && !(self.len == 0 && *allow_empty) {
            return self.fail(format!("it has {} bytes, and should have {min_size}", self.len));
        }
        let Some(trailer) = trailer else { return Ok(()) };
        let found = self.tail.windows(trailer.len().max(1)).any(|window| window == trailer);
        if found || (self.len == 0 && *allow_empty) {
            return Ok(());
        }
        let trailer = String::from_utf8_lossy(trailer);
        self.fail(format!("its last 4 KiB do not have {trailer:?} in them"))
    }
}

impl Input {
    fn output(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        match self {
            Self::Pipe(pipe) => Some(pipe.as_fd()),
            Self::Command(command) => command.output(),
        }
    }
}

impl Feed for Stream {
    fn path(&self) -> &[u8] {
        &self.path
    }

    fn kind(&self) -> NodeKind {
        NodeKind::Stream
    }

    fn next(&mut self, space: &mut [u8], halt: Halt<'_>) -> Result<Part, FeedError> {
        if self.begin.is_none() {
            self.begin()?;
        }
        loop {
            self.wait(halt)?;
            let Some(output) = self.input.output() else { return Ok(Part::End) };
            match rustix::io::read(output, &mut *space) {
                Ok(0) => return Ok(Part::End),
                Ok(len) => {
                    self.len += len as u64;
                    self.keep_tail(&space[..len]);
                    return Ok(Part::Data(len));
                }
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(error) => {
                    return self.fail(format!("it cannot be read: {}", io::Error::from(error)));
                }
            }
        }
    }

    fn finish(&mut self, halt: Halt<'_>) -> Result<Fed, FeedError> {
        let mut xattrs = Vec::new();
        if let Input::Command(_) = &self.input {
            let ended = loop {
                self.go_on(halt)?;
                let Input::Command(command) = &mut self.input else { break None };
                match command.ended() {
                    Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                    Ok(ended) => break ended,
                    Err(error) => return self.fail(format!("its end is not known: {error}")),
                }
            };
            let Input::Command(command) = &self.input else { return Err(FeedError::Stopped) };
            match ended {
                Some(Ended { why: None, code }) => xattrs = origin(command, code),
                Some(Ended { why: Some(why), .. }) => {
                    return self.fail(format!("{} {why}", command.program()));
                }
                None => return Err(FeedError::Stopped),
            }
        }
        self.check()?;
        Ok(Fed::whole(NodeKind::Stream, (self.clock)(), xattrs))
    }
}

/// What a snapshot says of the command that a stream came from.
fn origin(command: &Command, code: i32) -> Vec<Xattr> {
    let name = |name: &str| [ORIGIN, name.as_bytes()].concat();
    let mut xattrs = vec![(name("command"), command.line())];
    xattrs.push((name("exit"), code.to_string().into_bytes()));
    let said = command.said();
    if !said.is_empty() {
        xattrs.push((name("stderr"), said));
    }
    xattrs
}
