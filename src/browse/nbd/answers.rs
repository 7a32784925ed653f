//! What a client is told, by several threads: one answer, or one chunk of one, at a time.

use super::Shown;
use super::failed::Failed;
use super::handshake::{Agreed, CONTEXT};
use super::requests::Work;
use super::shown::piece;
use super::wire::{HOLE_AND_ZERO, Request, chunk, chunk_head, command, flag, simple};
use crate::browse::lock;
use std::io::{self, Write};
use std::sync::Mutex;

/// Bytes before those of a chunk with data: its head, and where they are from.
const HEAD: usize = 28;

/// Zeros are told and not sent from this many bytes on.
const HOLE_MIN: u64 = 32 << 10;

/// The way to one client.
pub struct Answers<'c> {
    shown: &'c Shown,
    agreed: Agreed,
    writer: Mutex<Box<dyn Write + Send>>,
}

impl<'c> Answers<'c> {
    pub fn new(shown: &'c Shown, agreed: Agreed, writer: Box<dyn Write + Send>) -> Self {
        Self { shown, agreed, writer: Mutex::new(writer) }
    }

    /// Does what is asked for, and answers. The buffer is used for what is read.
    ///
    /// # Errors
    /// When the answer cannot be sent as a whole: the connection is of no use any more.
    pub fn answer(&self, work: &Work, buffer: &mut Vec<u8>) -> io::Result<()> {
        let request = match work {
            Work::Do(request) => request,
            Work::Refuse(request, number) => return self.end(request, *number),
        };
        let (offset, len) = (request.offset, u64::from(request.len));
        let done = match request.command {
            command::READ if !self.agreed.structured || request.flags & flag::DF != 0 => {
                return self.read_in_one_piece(request, buffer);
            }
            command::READ => return self.read(request, buffer),
            command::BLOCK_STATUS => return self.status(request),
            command::TRIM => {
                self.shown.trim(offset, len);
                Ok(())
            }
            command::WRITE_ZEROES => {
                self.shown.zero(offset, len, request.flags & flag::NO_HOLE == 0)
            }
            _ => Ok(()),
        };
        let is_durable = request.command == command::FLUSH || request.flags & flag::FUA != 0;
        let done = done.and_then(|()| if is_durable { self.shown.flush() } else { Ok(()) });
        self.end(request, done.err().map_or(0, Failed::number))
    }

    /// Says that a request is done, or why not.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn end(&self, request: &Request, number: u32) -> io::Result<()> {
        let chunked = [command::READ, command::BLOCK_STATUS].contains(&request.command);
        if !self.agreed.structured || !chunked {
            return self.send(&simple(request.cookie, number));
        }
        if number == 0 {
            return self.send(&chunk_head(chunk::DONE, chunk::NONE, request.cookie, 0));
        }
        self.send_error(request, chunk::ERROR, number, &[])
    }

    fn send_error(&self, request: &Request, kind: u16, number: u32, at: &[u8]) -> io::Result<()> {
        let len = 6 + at.len() as u32;
        let mut out = chunk_head(chunk::DONE, kind, request.cookie, len).to_vec();
        out.extend(number.to_be_bytes());
        // No words: the number says it all, and who is to know more is told otherwise.
        out.extend([0, 0]);
        out.extend(at);
        self.send(&out)
    }

    /// Bytes in chunks, as they are read.
    fn read(&self, request: &Request, buffer: &mut Vec<u8>) -> io::Result<()> {
        let (mut at, end) = (request.offset, request.offset + u64::from(request.len));
        if at == end {
            return self.end(request, 0);
        }
        while at < end {
            if let Some(len) = self.hole(at, end) {
                self.send_hole(request, at, len, at + len == end)?;
                at += len;
                continue;
            }
            let len = piece(at, end);
            let is_last = at + len as u64 == end;
            buffer.resize(HEAD + len, 0);
            if let Err(failed) = self.shown.read(at, &mut buffer[HEAD..]) {
                let number = failed.number();
                return self.send_error(request, chunk::ERROR_OFFSET, number, &at.to_be_bytes());
            }
            let flags = if is_last { chunk::DONE } else { 0 };
            let head = chunk_head(flags, chunk::OFFSET_DATA, request.cookie, 8 + len as u32);
            buffer[..HEAD - 8].copy_from_slice(&head);
            buffer[HEAD - 8..HEAD].copy_from_slice(&at.to_be_bytes());
            self.send(buffer)?;
            at += len as u64;
        }
        Ok(())
    }

    /// Zeros that are worth a chunk of their own.
    fn hole(&self, at: u64, end: u64) -> Option<u64> {
        if end - at < HOLE_MIN {
            return None;
        }
        let stretch = self.shown.stretch(at, end).ok()?;
        (stretch.is_zero && stretch.len >= HOLE_MIN).then_some(stretch.len)
    }

    fn send_hole(&self, request: &Request, at: u64, len: u64, is_last: bool) -> io::Result<()> {
        let flags = if is_last { chunk::DONE } else { 0 };
        let mut out = chunk_head(flags, chunk::OFFSET_HOLE, request.cookie, 12).to_vec();
        out.extend(at.to_be_bytes());
        // As long as the request at most.
        out.extend((len as u32).to_be_bytes());
        self.send(&out)
    }

    /// Bytes behind a head that says already whether they can be read. Those of a longer request are read
    /// twice: to find that out, and to send them.
    fn read_in_one_piece(&self, request: &Request, buffer: &mut Vec<u8>) -> io::Result<()> {
        let (start, end) = (request.offset, request.offset + u64::from(request.len));
        let data = chunk_head(chunk::DONE, chunk::OFFSET_DATA, request.cookie, 8 + request.len);
        let head = match self.agreed.structured {
            true if start == end => return self.end(request, 0),
            true => [&data[..], &start.to_be_bytes()].concat(),
            false => simple(request.cookie, 0).to_vec(),
        };
        let mut at = start;
        loop {
            let len = piece(at, end);
            buffer.resize(head.len() + len, 0);
            if let Err(failed) = self.shown.read(at, &mut buffer[head.len()..]) {
                return self.end(request, failed.number());
            }
            if at == start && len as u64 == end - start {
                buffer[..head.len()].copy_from_slice(&head);
                return self.send(buffer);
            }
            at += len as u64;
            if at >= end {
                break;
            }
        }
        let mut writer = lock(&self.writer);
        writer.write_all(&head)?;
        at = start;
        while at < end {
            buffer.resize(piece(at, end), 0);
            let read = self.shown.read(at, buffer);
            read.map_err(|_| io::Error::other("bytes that were there a moment ago are not"))?;
            writer.write_all(buffer)?;
            at += buffer.len() as u64;
        }
        writer.flush()
    }

    fn status(&self, request: &Request) -> io::Result<()> {
        let one = request.flags & flag::REQ_ONE != 0;
        let found = match self.shown.stretches(request.offset, request.len.into(), one) {
            Ok(found) => found,
            Err(failed) => return self.end(request, failed.number()),
        };
        let len = 4 + 8 * found.len() as u32;
        let mut out = chunk_head(chunk::DONE, chunk::BLOCK_STATUS, request.cookie, len).to_vec();
        out.extend(CONTEXT.to_be_bytes());
        for stretch in found {
            // As long as the request at most.
            out.extend((stretch.len as u32).to_be_bytes());
            out.extend(if stretch.is_zero { HOLE_AND_ZERO } else { 0 }.to_be_bytes());
        }
        self.send(&out)
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut writer = lock(&self.writer);
        writer.write_all(bytes)?;
        writer.flush()
    }
}
