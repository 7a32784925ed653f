//! What is agreed on before the first request.

use super::connection::Secure;
use super::socket::Halves;
use super::wire::{
    ALLOCATION, Contexts, FIXED, GREETING, NO_ZEROS, OPTION, OPTION_MAX, OptionHead, Wanted,
    ability, answer, info, option, option_answer,
};
use super::{REQUEST_MAX, Shown};
use std::io::{self, ErrorKind, Read, Write};

/// Options of one client at most: there are a dozen kinds.
const OPTIONS_MAX: usize = 128;

/// Bytes that are read and thrown away, to say that they were too many.
const THROWN_MAX: u32 = 1 << 20;

/// Bytes that devices are best read and written by.
const PREFERRED: u32 = 4096;

/// The number by which zeros are told.
pub const CONTEXT: u32 = 1;

/// What was agreed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agreed {
    /// Answers come in chunks.
    pub structured: bool,
    /// The client may ask where zeros are.
    pub allocation: bool,
}

/// What follows an option.
enum Next {
    Option,
    Requests,
    End,
}

/// A client that is listened to.
struct Talk<'t> {
    shown: &'t Shown,
    halves: Halves,
    agreed: Agreed,
    /// Nothing follows what is said of an export.
    no_zeros: bool,
    /// Makes the connection secret; none when it is, or need not be.
    secure: Option<Secure<'t>>,
}

/// Agrees with a client; none when it wants no more than that.
///
/// # Errors
/// When it goes away, or says what makes no sense.
pub fn handshake<'t>(
    shown: &'t Shown,
    halves: Halves,
    secure: Option<Secure<'t>>,
) -> io::Result<Option<(Agreed, Halves)>> {
    let mut talk = Talk { shown, halves, agreed: Agreed::default(), no_zeros: false, secure };
    let greeting = [&GREETING.to_be_bytes()[..], &OPTION.to_be_bytes()].concat();
    let flags = (FIXED | NO_ZEROS).to_be_bytes();
    talk.halves.writer.write_all(&[&greeting[..], &flags].concat())?;
    let flags = u32::from_be_bytes(talk.halves.take()?);
    if flags & !u32::from(FIXED | NO_ZEROS) != 0 {
        return Err(nonsense("flags that nobody knows"));
    }
    talk.no_zeros = flags & u32::from(NO_ZEROS) != 0;
    for _ in 0..OPTIONS_MAX {
        match talk.option()? {
            Next::Option => {}
            Next::Requests => return Ok(Some((talk.agreed, talk.halves))),
            Next::End => return Ok(None),
        }
    }
    Err(nonsense("options without end"))
}

impl Talk<'_> {
    fn option(&mut self) -> io::Result<Next> {
        let head = OptionHead::parse(&self.halves.take()?).ok_or(nonsense("no option"))?;
        let Some(data) = self.data(head)? else { return Ok(Next::Option) };
        let is_open = self.secure.is_none();
        match head.number {
            option::ABORT => {
                // Who says so may be gone already.
                let _ = self.say(head.number, answer::ACK, &[]);
                return Ok(Next::End);
            }
            option::STARTTLS => return self.start_tls(&data),
            option::EXPORT_NAME if !is_open => return Ok(Next::End),
            number if !is_open => self.say(number, answer::TLS_REQUIRED, b"TLS comes first")?,
            option::EXPORT_NAME => return self.export_name(&data),
            option::INFO | option::GO => return self.go(head.number, &data),
            option::LIST if !data.is_empty() => self.invalid(head.number)?,
            option::LIST => {
                self.say(head.number, answer::SERVER, &0_u32.to_be_bytes())?;
                self.say(head.number, answer::ACK, &[])?;
            }
            option::STRUCTURED_REPLY if !data.is_empty() => self.invalid(head.number)?,
            option::STRUCTURED_REPLY => {
                self.agreed.structured = true;
                self.say(head.number, answer::ACK, &[])?;
            }
            option::LIST_META_CONTEXT | option::SET_META_CONTEXT => {
                self.contexts(head.number, &data)?;
            }
            number => self.say(number, answer::UNSUPPORTED, b"not known here")?,
        }
        Ok(Next::Option)
    }

    /// What comes with an option; none when it was too much, and was thrown away.
    fn data(&mut self, head: OptionHead) -> io::Result<Option<Vec<u8>>> {
        if head.len > OPTION_MAX {
            if head.len > THROWN_MAX {
                return Err(nonsense("an option that is too long"));
            }
            let mut rest = (&mut self.halves.reader).take(head.len.into());
            if io::copy(&mut rest, &mut io::sink())? < head.len.into() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.say(head.number, answer::TOO_BIG, b"too long")?;
            return Ok(None);
        }
        let mut data = vec![0; head.len as usize];
        self.halves.reader.read_exact(&mut data)?;
        Ok(Some(data))
    }

    fn start_tls(&mut self, data: &[u8]) -> io::Result<Next> {
        if !data.is_empty() {
            self.invalid(option::STARTTLS)?;
            return Ok(Next::Option);
        }
        let Some(secure) = self.secure.take() else {
            self.say(option::STARTTLS, answer::UNSUPPORTED, b"there is no TLS here")?;
            return Ok(Next::Option);
        };
        self.say(option::STARTTLS, answer::ACK, &[])?;
        self.halves = secure()?;
        Ok(Next::Option)
    }

    /// The old way: no answer, and no way to say no but to go.
    fn export_name(&mut self, name: &[u8]) -> io::Result<Next> {
        if !name.is_empty() {
            return Err(nonsense("an export that is not here"));
        }
        let mut out = self.shown.size().to_be_bytes().to_vec();
        out.extend(self.abilities().to_be_bytes());
        if !self.no_zeros {
            out.extend([0; 124]);
        }
        self.halves.writer.write_all(&out)?;
        Ok(Next::Requests)
    }

    fn go(&mut self, number: u32, data: &[u8]) -> io::Result<Next> {
        let Some(wanted) = Wanted::parse(data) else {
            self.invalid(number)?;
            return Ok(Next::Option);
        };
        if !wanted.name.is_empty() {
            self.say(number, answer::UNKNOWN, b"the only export has no name")?;
            return Ok(Next::Option);
        }
        let export = [
            &info::EXPORT.to_be_bytes()[..],
            &self.shown.size().to_be_bytes(),
            &self.abilities().to_be_bytes(),
        ];
        self.say(number, answer::INFO, &export.concat())?;
        let sizes = [1, PREFERRED, REQUEST_MAX].map(u32::to_be_bytes).concat();
        let sizes = [&info::BLOCK_SIZE.to_be_bytes()[..], &sizes].concat();
        self.say(number, answer::INFO, &sizes)?;
        self.say(number, answer::ACK, &[])?;
        Ok(if number == option::GO { Next::Requests } else { Next::Option })
    }

    fn contexts(&mut self, number: u32, data: &[u8]) -> io::Result<()> {
        let lists = number == option::LIST_META_CONTEXT;
        let contexts = match Contexts::parse(data) {
            Some(contexts) if self.agreed.structured => contexts,
            _ => return self.invalid(number),
        };
        // Whatever was set before is not any more, even when this goes wrong.
        self.agreed.allocation &= lists;
        if !contexts.name.is_empty() {
            return self.say(number, answer::UNKNOWN, b"the only export has no name");
        }
        if contexts.want_allocation(lists) {
            let id = if lists { 0 } else { CONTEXT };
            self.agreed.allocation |= !lists;
            let told = [&id.to_be_bytes()[..], ALLOCATION].concat();
            self.say(number, answer::META_CONTEXT, &told)?;
        }
        self.say(number, answer::ACK, &[])
    }

    fn abilities(&self) -> u16 {
        use ability::{DF, FLUSH, FUA, HAS_FLAGS, MULTI_CONN, READ_ONLY, TRIM, WRITE_ZEROES};
        // A flush over one connection is for what was answered over all of them.
        let always = HAS_FLAGS | FLUSH | MULTI_CONN;
        let df = if self.agreed.structured { DF } else { 0 };
        let writes = if self.shown.is_writable() { FUA | TRIM | WRITE_ZEROES } else { READ_ONLY };
        always | df | writes
    }

    fn invalid(&mut self, number: u32) -> io::Result<()> {
        self.say(number, answer::INVALID, b"this makes no sense")
    }

    fn say(&mut self, number: u32, kind: u32, data: &[u8]) -> io::Result<()> {
        self.halves.writer.write_all(&option_answer(number, kind, data))
    }
}

/// Something that the protocol does not allow.
fn nonsense(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
