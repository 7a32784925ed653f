//! The words of NBD as bytes: what clients say is taken apart, what the server says is put together.
//! Pure, and of nothing else in the house, so that the fuzzer has it without the rest.
//!
//! <https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>

/// How a server begins, and how each option does.
pub const GREETING: u64 = u64::from_be_bytes(*b"NBDMAGIC");
/// See [`GREETING`].
pub const OPTION: u64 = u64::from_be_bytes(*b"IHAVEOPT");
const ANSWER: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const SIMPLE: u32 = 0x6744_6698;
const CHUNK: u32 = 0x668e_33ef;

/// Options are answered, and who says so too knows it.
pub const FIXED: u16 = 1;
/// No 124 zeros follow what is said of an export.
pub const NO_ZEROS: u16 = 2;

/// What a client wants to agree on.
pub mod option {
    #![allow(missing_docs, reason = "the words of the protocol")]
    pub const EXPORT_NAME: u32 = 1;
    pub const ABORT: u32 = 2;
    pub const LIST: u32 = 3;
    pub const STARTTLS: u32 = 5;
    pub const INFO: u32 = 6;
    pub const GO: u32 = 7;
    pub const STRUCTURED_REPLY: u32 = 8;
    pub const LIST_META_CONTEXT: u32 = 9;
    pub const SET_META_CONTEXT: u32 = 10;
}

/// What it is answered.
pub mod answer {
    #![allow(missing_docs, reason = "the words of the protocol")]
    pub const ACK: u32 = 1;
    pub const SERVER: u32 = 2;
    pub const INFO: u32 = 3;
    pub const META_CONTEXT: u32 = 4;
    pub const UNSUPPORTED: u32 = 1 << 31 | 1;
    pub const INVALID: u32 = 1 << 31 | 3;
    pub const TLS_REQUIRED: u32 = 1 << 31 | 5;
    pub const UNKNOWN: u32 = 1 << 31 | 6;
    pub const TOO_BIG: u32 = 1 << 31 | 9;
}

/// What is told of an export.
pub mod info {
    #![allow(missing_docs, reason = "the words of the protocol")]
    pub const EXPORT: u16 = 0;
    pub const BLOCK_SIZE: u16 = 3;
}

/// What can be done with an export.
pub mod ability {
    #![allow(missing_docs, reason = "the words of the protocol")]
    pub const HAS_FLAGS: u16 = 1;
    pub const READ_ONLY: u16 = 1 << 1;
    pub const FLUSH: u16 = 1 << 2;
    pub const FUA: u16 = 1 << 3;
    pub const TRIM: u16 = 1 << 5;
    pub const WRITE_ZEROES: u16 = 1 << 6;
    pub const DF: u16 = 1 << 7;
    pub const MULTI_CONN: u16 = 1 << 8;
}

/// What is asked for.
pub mod command {
    #![allow(missing_docs, reason = "the words of the protocol")]
    pub const READ: u16 = 0;
    pub const WRITE: u16 = 1;
    pub const DISCONNECT: u16 = 2;
    pub const FLUSH: u16 = 3;
    pub const TRIM: u16 = 4;
    pub const WRITE_ZEROES: u16 = 6;
    pub const BLOCK_STATUS: u16 = 7;
}

/// How it is asked for.
pub mod flag {
    #![allow(missing_docs, reason = "the words of the protocol")]
    pub const FUA: u16 = 1;
    pub const NO_HOLE: u16 = 1 << 1;
    pub const DF: u16 = 1 << 2;
    pub const REQ_ONE: u16 = 1 << 3;
}

/// Errors as they go over the wire: the numbers of Linux.
pub mod error {
    #![allow(missing_docs, reason = "the words of the protocol")]
    pub const PERM: u32 = 1;
    pub const IO: u32 = 5;
    pub const INVAL: u32 = 22;
    pub const NOSPC: u32 = 28;
}

/// Chunks of a structured answer.
pub mod chunk {
    #![allow(missing_docs, reason = "the words of the protocol")]
    pub const DONE: u16 = 1;
    pub const NONE: u16 = 0;
    pub const OFFSET_DATA: u16 = 1;
    pub const OFFSET_HOLE: u16 = 2;
    pub const BLOCK_STATUS: u16 = 5;
    pub const ERROR: u16 = 1 << 15 | 1;
    pub const ERROR_OFFSET: u16 = 1 << 15 | 2;
}

/// What tells where zeros are.
pub const ALLOCATION: &[u8] = b"base:allocation";
/// A stretch that takes no room and reads as zeros.
pub const HOLE_AND_ZERO: u32 = 3;

/// Bytes of a name at most.
pub const NAME_MAX: usize = 4096;
/// Bytes with an option at most: a name, and some questions. It is taken into memory.
pub const OPTION_MAX: u32 = 32 << 10;

/// The head of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionHead {
    /// Which.
    pub number: u32,
    /// Bytes that follow.
    pub len: u32,
}

impl OptionHead {
    /// Bytes.
    pub const LEN: usize = 16;

    /// Takes it apart; none when it is something else.
    pub fn parse(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let mut words = Words(bytes);
        (u64::from_be_bytes(words.take()?) == OPTION).then_some(())?;
        Some(Self { number: words.u32()?, len: words.u32()? })
    }
}

/// What comes with [`option::GO`] and [`option::INFO`].
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The export.
    pub name: Vec<u8>,
    /// What is to be told of it beside what is always told.
    pub infos: Vec<u16>,
}

impl Wanted {
    /// Takes it apart; none when it makes no sense.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut words = Words(bytes);
        let name = words.text()?;
        let count = words.u16()?;
        let mut infos = Vec::new();
        for _ in 0..count {
            infos.push(words.u16()?);
        }
        words.end()?;
        Some(Self { name, infos })
    }
}

/// What comes with [`option::SET_META_CONTEXT`] and [`option::LIST_META_CONTEXT`].
#[derive(Debug, PartialEq, Eq)]
pub struct Contexts {
    /// The export.
    pub name: Vec<u8>,
    /// What is asked for.
    pub queries: Vec<Vec<u8>>,
}

impl Contexts {
    /// Takes it apart; none when it makes no sense.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut words = Words(bytes);
        let name = words.text()?;
        let count = words.u32()?;
        let mut queries = Vec::new();
        // It ends with the bytes, whatever the count says.
        for _ in 0..count {
            queries.push(words.text()?);
        }
        words.end()?;
        Some(Self { name, queries })
    }

    /// Whether the zeros are meant. A list without any question asks for everything, and one for `base:`
    /// for all that begins so.
    pub fn want_allocation(&self, lists: bool) -> bool {
        let wild = lists && (self.queries.is_empty() || self.queries.iter().any(|q| q == b"base:"));
        wild || self.queries.iter().any(|query| query == ALLOCATION)
    }
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How.
    pub flags: u16,
    /// What.
    pub command: u16,
    /// What the answer is called.
    pub cookie: u64,
    /// The first byte that it is about.
    pub offset: u64,
    /// Bytes.
    pub len: u32,
}

impl Request {
    /// Bytes.
    pub const LEN: usize = 28;

    /// Takes it apart; none when it is something else.
    pub fn parse(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let mut words = Words(bytes);
        (words.u32()? == REQUEST).then_some(())?;
        let (flags, command) = (words.u16()?, words.u16()?);
        let (cookie, offset) = (words.u64()?, words.u64()?);
        Some(Self { flags, command, cookie, offset, len: words.u32()? })
    }

    /// Puts it together, as clients do.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..4].copy_from_slice(&REQUEST.to_be_bytes());
        out[4..6].copy_from_slice(&self.flags.to_be_bytes());
        out[6..8].copy_from_slice(&self.command.to_be_bytes());
        out[8..16].copy_from_slice(&self.cookie.to_be_bytes());
        out[16..24].copy_from_slice(&self.offset.to_be_bytes());
        out[24..].copy_from_slice(&self.len.to_be_bytes());
        out
    }
}

/// An answer to an option.
pub fn option_answer(option: u32, kind: u32, data: &[u8]) -> Vec<u8> {
    let mut out = ANSWER.to_be_bytes().to_vec();
    for number in [option, kind, data.len() as u32] {
        out.extend(number.to_be_bytes());
    }
    out.extend(data);
    out
}

/// An answer without chunks; bytes that were read follow when `error` is 0.
pub fn simple(cookie: u64, error: u32) -> [u8; 16] {
    let mut out = [0; 16];
    out[..4].copy_from_slice(&SIMPLE.to_be_bytes());
    out[4..8].copy_from_slice(&error.to_be_bytes());
    out[8..].copy_from_slice(&cookie.to_be_bytes());
    out
}

/// The head of a chunk with `len` bytes.
pub fn chunk_head(flags: u16, kind: u16, cookie: u64, len: u32) -> [u8; 20] {
    let mut out = [0; 20];
    out[..4].copy_from_slice(&CHUNK.to_be_bytes());
    out[4..6].copy_from_slice(&flags.to_be_bytes());
    out[6..8].copy_from_slice(&kind.to_be_bytes());
    out[8..16].copy_from_slice(&cookie.to_be_bytes());
    out[16..].copy_from_slice(&len.to_be_bytes());
    out
}

/// What is left to take apart.
struct Words<'b>(&'b [u8]);

impl Words<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    /// A length and so many bytes.
    fn text(&mut self) -> Option<Vec<u8>> {
        let len = self.u32()? as usize;
        if len > NAME_MAX || len > self.0.len() {
            return None;
        }
        let (text, rest) = self.0.split_at(len);
        self.0 = rest;
        Some(text.to_vec())
    }

    /// Nothing may follow.
    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written_and_nothing_else_is_one() {
        let request = Request { flags: 5, command: 7, cookie: 1 << 60, offset: 1 << 40, len: 3 };
        let mut bytes = request.encode();
        assert_eq!(Request::parse(&bytes), Some(request));
        bytes[3] ^= 1;
        assert_eq!(Request::parse(&bytes), None);
    }

    #[test]
    fn words_that_are_cut_off_or_go_on_make_no_sense() {
        let go = [&5_u32.to_be_bytes()[..], b"image", &[0, 2, 0, 1, 0, 3]].concat();
        let wanted = Wanted { name: b"image".to_vec(), infos: vec![1, 3] };
        assert_eq!(Wanted::parse(&go), Some(wanted));
        let set = [&[0; 4][..], &[0, 0, 0, 2, 0, 0, 0, 1], b"x", &[0, 0, 0, 5], b"base:"].concat();
        let contexts = Contexts::parse(&set).unwrap();
        assert_eq!(contexts.queries, [&b"x"[..], b"base:"]);
        assert!(contexts.want_allocation(true) && !contexts.want_allocation(false));
        for (bytes, is_go) in [(go, true), (set, false)] {
            let is_sense = |bytes: &[u8]| match is_go {
                true => Wanted::parse(bytes).is_some(),
                false => Contexts::parse(bytes).is_some(),
            };
            assert!(is_sense(&bytes) && !is_sense(&[&bytes[..], &[0]].concat()));
            assert!((0..bytes.len()).all(|len| !is_sense(&bytes[..len])));
        }
    }

    #[test]
    fn lengths_that_nobody_means_take_no_memory() {
        let long = [&u32::MAX.to_be_bytes()[..], b"x"].concat();
        assert!(Wanted::parse(&long).is_none());
        assert!(Contexts::parse(&[&[0; 4][..], &long].concat()).is_none());
    }
}
