//! A client of NBD, the protocol by which a server shows the bytes of a disk. What the server says is
//! checked like anything else from outside: sizes before memory is taken, and nothing beyond what was asked.
//!
//! <https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>

mod handshake;
mod reply;
#[cfg(test)]
mod tests;

use handshake::{Export, handshake};
use reply::Reply;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long a server may take for each of its words before it shows anything.
const PATIENCE: Duration = Duration::from_secs(60);

const REQUEST: u32 = 0x2560_9513;
const READ: u16 = 0;
const DISCONNECT: u16 = 2;
const STATUS: u16 = 7;
/// The bytes of an answer come in one piece.
const IN_ONE_PIECE: u16 = 1 << 2;

/// Bytes that may be asked for at once without knowing more of a server.
const READ_MAX: usize = 32 << 20;

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    export: Export,
    cookie: u64,
    /// Set for good once nobody knows any more where in the stream an answer begins.
    is_broken: bool,
}

/// A part of what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Bytes.
    pub len: u64,
    /// Whether they are zeros, and need not be read.
    pub is_zero: bool,
}

impl Client {
    /// Begins to talk with a server, of what it shows first of all.
    ///
    /// # Errors
    /// When it does not answer, or not in this protocol.
    pub fn begin(mut stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let export = handshake(&mut stream)?;
        // From here on as long as the disk takes, as with any file.
        stream.set_read_timeout(None)?;
        Ok(Self { stream, export, cookie: 0, is_broken: false })
    }

    /// Bytes that it shows.
    pub const fn size(&self) -> u64 {
        self.export.size
    }

    /// Whether nothing more can be asked.
    pub const fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    /// What the server says, with a number of the system; any other error breaks the connection.
    pub fn read(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        for (piece, at) in out.chunks_mut(READ_MAX).zip((offset..).step_by(READ_MAX)) {
            // The length fits: a piece is small.
            let cookie = self.ask(READ, IN_ONE_PIECE, at, piece.len() as u32)?;
            let answer = reply::bytes(&mut Reply::to(cookie, &mut self.stream), at, piece);
            self.judge(answer)?;
        }
        Ok(())
    }

    /// What `len` bytes from `offset` on are, or only the first of them; at least one stretch, and none is empty.
    ///
    /// # Errors
    /// As [`Client::read`].
    pub fn status(&mut self, offset: u64, len: u32) -> io::Result<Vec<Stretch>> {
        let cookie = self.ask(STATUS, 0, offset, len)?;
        let answer =
            reply::stretches(&mut Reply::to(cookie, &mut self.stream), self.export.context);
        self.judge(answer)
    }

    fn ask(&mut self, kind: u16, flags: u16, offset: u64, len: u32) -> io::Result<u64> {
        if self.is_broken {
            return Err(strange("the connection is broken"));
        }
        self.cookie += 1;
        let mut request = Vec::with_capacity(28);
        request.extend(REQUEST.to_be_bytes());
        request.extend(flags.to_be_bytes());
        request.extend(kind.to_be_bytes());
        request.extend(self.cookie.to_be_bytes());
        request.extend(offset.to_be_bytes());
        request.extend(len.to_be_bytes());
        let sent = self.stream.write_all(&request);
        self.is_broken = sent.is_err();
        sent.map(|()| self.cookie)
    }

    /// An answer that says no is one all the same.
    fn judge<T>(&mut self, answer: io::Result<io::Result<T>>) -> io::Result<T> {
        self.is_broken = answer.is_err();
        answer?
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A server that is told so does not take it for an accident.
        let _ = self.ask(DISCONNECT, 0, 0, 0);
    }
}

/// Something that the protocol does not allow.
fn strange(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}
