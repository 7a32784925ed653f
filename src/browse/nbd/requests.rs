//! What a client asks for: read, checked, and handed on. What it writes is written here, as it comes, so that
//! no request needs more memory than one piece.

use super::answers::Answers;
use super::failed::Failed;
use super::handshake::Agreed;
use super::shown::piece;
use super::wire::{Request, command, error, flag};
use super::{PIECE, REQUEST_MAX, Shown};
use crossbeam_channel::Sender;
use std::io::{self, ErrorKind, Read};

/// What is to be answered.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    /// A request that makes sense.
    Do(Request),
    /// One that does not, or may not be, and why.
    Refuse(Request, u32),
}

/// The requests of one client.
pub struct Requests<'c, R> {
    shown: &'c Shown,
    agreed: Agreed,
    answers: &'c Answers<'c>,
    reader: R,
    buffer: Vec<u8>,
}

impl<'c, R: Read> Requests<'c, R> {
    pub const fn new(
        shown: &'c Shown,
        agreed: Agreed,
        answers: &'c Answers<'c>,
        reader: R,
    ) -> Self {
        Self { shown, agreed, answers, reader, buffer: Vec::new() }
    }

    /// Reads them until the client wants no more.
    ///
    /// # Errors
    /// When it goes away without a word, or says what makes no sense.
    pub fn run(mut self, work: &Sender<Work>) -> io::Result<()> {
        loop {
            let mut head = [0; Request::LEN];
            self.reader.read_exact(&mut head)?;
            let request = Request::parse(&head).ok_or(ErrorKind::InvalidData)?;
            let refused = judge(&request, self.shown, self.agreed).err();
            match (request.command, refused) {
                (command::DISCONNECT, _) => return Ok(()),
                (command::WRITE, refused) => self.write(&request, refused)?,
                (_, None) => hand(work, Work::Do(request))?,
                (_, Some(number)) => hand(work, Work::Refuse(request, number))?,
            }
        }
    }

    /// Takes what is to be written, also when it is not: the next request is behind it.
    fn write(&mut self, request: &Request, refused: Option<u32>) -> io::Result<()> {
        if request.len > REQUEST_MAX {
            // Nobody reads so much to find the next request.
            return Err(ErrorKind::InvalidData.into());
        }
        self.buffer.resize(PIECE, 0);
        let mut number = refused.unwrap_or(0);
        let mut done = 0;
        while done < request.len {
            // Behind the end of all numbers is behind the end of the device: it was refused.
            let at = request.offset.wrapping_add(done.into());
            let rest = request.len - done;
            let len = piece(at, at.saturating_add(rest.into())).clamp(1, rest as usize);
            let bytes = &mut self.buffer[..len];
            self.reader.read_exact(bytes)?;
            if number == 0 {
                number = self.shown.write(at, bytes).err().map_or(0, Failed::number);
            }
            done += len as u32;
        }
        if number == 0 && request.flags & flag::FUA != 0 {
            number = self.shown.flush().err().map_or(0, Failed::number);
        }
        self.answers.end(request, number)
    }
}

fn hand(work: &Sender<Work>, what: Work) -> io::Result<()> {
    work.send(what).map_err(|_| ErrorKind::BrokenPipe.into())
}

/// Whether a request can be done at all.
///
/// # Errors
/// With the number of what is wrong.
fn judge(request: &Request, shown: &Shown, agreed: Agreed) -> Result<(), u32> {
    use command::{BLOCK_STATUS, FLUSH, READ, TRIM, WRITE, WRITE_ZEROES};
    let (allowed, writes) = match request.command {
        READ => (flag::FUA | if agreed.structured { flag::DF } else { 0 }, false),
        WRITE | TRIM => (flag::FUA, true),
        WRITE_ZEROES => (flag::FUA | flag::NO_HOLE, true),
        BLOCK_STATUS if agreed.allocation => (flag::FUA | flag::REQ_ONE, false),
        FLUSH => (flag::FUA, false),
        _ => return Err(error::INVAL),
    };
    if request.flags & !allowed != 0 {
        return Err(error::INVAL);
    }
    if writes && !shown.is_writable() {
        return Err(error::PERM);
    }
    if request.command == FLUSH {
        return Ok(());
    }
    let end = request.offset.checked_add(request.len.into());
    if end.is_none_or(|end| end > shown.size()) {
        return Err(if writes { error::NOSPC } else { error::INVAL });
    }
    let is_too_long = request.command == READ && request.len > REQUEST_MAX;
    let is_about_nothing = request.command == BLOCK_STATUS && request.len == 0;
    if is_too_long || is_about_nothing { Err(error::INVAL) } else { Ok(()) }
}
