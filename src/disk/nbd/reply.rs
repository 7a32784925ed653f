//! Answers to requests: each in chunks, of which the last one says so.

use super::handshake::take;
use super::{Stretch, strange};
use std::io::{self, Read};

const CHUNK: u32 = 0x668e_33ef;
/// Nothing follows.
const LAST: u16 = 1;

const NOTHING: u16 = 0;
const BYTES: u16 = 1;
const STATUS: u16 = 5;
/// All kinds with this bit are errors.
const ERROR: u16 = 1 << 15;

/// A stretch that reads as zeros. One that is only a hole may read as anything.
const ZERO: u32 = 2;

/// Bytes of an error at most: a message has at most 4 KiB.
const ERROR_MAX: u32 = 8 << 10;
/// Stretches in one answer at most, and what they take beside the number of the context; qemu-nbd sends no more.
const STRETCHES_MAX: u32 = 1 << 17;

/// The numbers of errors that the protocol knows; they are those of Linux.
const KNOWN: [u32; 8] = [1, 5, 12, 22, 28, 75, 95, 108];
const IO: i32 = 5;

/// An answer that is being read.
pub struct Reply<'s, S> {
    cookie: u64,
    stream: &'s mut S,
    is_over: bool,
}

struct Chunk {
    kind: u16,
    len: u32,
}

impl<'s, S: Read> Reply<'s, S> {
    /// The answer to the request with this cookie.
    pub fn to(cookie: u64, stream: &'s mut S) -> Self {
        Self { cookie, stream, is_over: false }
    }

    /// The head of the next chunk; none behind the last one.
    fn chunk(&mut self) -> io::Result<Option<Chunk>> {
        if self.is_over {
            return Ok(None);
        }
        let magic = u32::from_be_bytes(take(self.stream)?);
        let flags = u16::from_be_bytes(take(self.stream)?);
        let kind = u16::from_be_bytes(take(self.stream)?);
        let cookie = u64::from_be_bytes(take(self.stream)?);
        let len = u32::from_be_bytes(take(self.stream)?);
        if magic != CHUNK || cookie != self.cookie {
            return Err(strange("it answers something else than what it was asked"));
        }
        self.is_over = flags & LAST != 0;
        if kind == NOTHING && (len != 0 || !self.is_over) {
            return Err(strange("it answers with nothing, and goes on"));
        }
        Ok(Some(Chunk { kind, len }))
    }

    /// The content of a chunk that says no.
    fn error(&mut self, len: u32) -> io::Result<io::Error> {
        if !(6..=ERROR_MAX).contains(&len) {
            return Err(strange(format!("it tells an error with {len} bytes")));
        }
        let number = u32::from_be_bytes(take(self.stream)?);
        self.stream.read_exact(&mut vec![0; len as usize - 4])?;
        let is_known = KNOWN.contains(&number);
        Ok(io::Error::from_raw_os_error(if is_known { number as i32 } else { IO }))
    }
}

/// Reads the answer to a request for bytes. Outside is what breaks the connection, inside what the
/// server says.
pub fn bytes<S: Read>(
    reply: &mut Reply<'_, S>,
    offset: u64,
    out: &mut [u8],
) -> io::Result<io::Result<()>> {
    let (mut is_there, mut refused) = (false, None);
    while let Some(chunk) = reply.chunk()? {
        match chunk.kind {
            NOTHING => {}
            BYTES if !is_there && u64::from(chunk.len) == 8 + out.len() as u64 => {
                if u64::from_be_bytes(take(reply.stream)?) != offset {
                    return Err(strange("it sends bytes from elsewhere"));
                }
                reply.stream.read_exact(out)?;
                is_there = true;
            }
            kind if kind & ERROR != 0 && refused.is_none() => {
                refused = Some(reply.error(chunk.len)?);
            }
            _ => return Err(strange("it sends other bytes than those it was asked for")),
        }
    }
    match refused {
        Some(error) => Ok(Err(error)),
        None if is_there => Ok(Ok(())),
        None => Err(strange("it sends no bytes")),
    }
}

/// Reads the answer to a question for the status of a range, as [`bytes`] does.
pub fn stretches<S: Read>(
    reply: &mut Reply<'_, S>,
    context: u32,
) -> io::Result<io::Result<Vec<Stretch>>> {
    let (mut found, mut refused) = (Vec::new(), None);
    while let Some(chunk) = reply.chunk()? {
        match chunk.kind {
            NOTHING => {}
            STATUS if found.is_empty() => {
                let count = chunk.len.saturating_sub(4) / 8;
                if chunk.len != 4 + count * 8 || !(1..=STRETCHES_MAX).contains(&count) {
                    return Err(strange(format!("it tells stretches in {} bytes", chunk.len)));
                }
                if u32::from_be_bytes(take(reply.stream)?) != context {
                    return Err(strange("it tells something else than where zeros are"));
                }
                let mut told = vec![0; count as usize * 8];
                reply.stream.read_exact(&mut told)?;
                found = told.as_chunks::<8>().0.iter().map(stretch).collect();
            }
            kind if kind & ERROR != 0 && refused.is_none() => {
                refused = Some(reply.error(chunk.len)?);
            }
            _ => return Err(strange("it tells something else than where zeros are")),
        }
    }
    if let Some(error) = refused {
        return Ok(Err(error));
    }
    if found.is_empty() || found.iter().any(|stretch| stretch.len == 0) {
        return Err(strange("it tells empty stretches"));
    }
    Ok(Ok(found))
}

fn stretch(told: &[u8; 8]) -> Stretch {
    let [a, b, c, d, flags @ ..] = *told;
    let len = u32::from_be_bytes([a, b, c, d]).into();
    Stretch { len, is_zero: u32::from_be_bytes(flags) & ZERO != 0 }
}
