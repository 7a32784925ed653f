//! What `ssh://` stores and `store-serve` say to each other.
//!
//! A frame is its length (u32), the id of its request (u32), a kind (u8) and a body; all numbers have
//! their lowest byte first. The client chooses ids other than 0. Nothing is longer than [`FRAME_MAX`].

use crate::store::tunnel::{Framing, Whose};
use crate::store::{Listed, StoreErrorKind};

/// The version of the protocol.
pub const VERSION: u16 = 1;
/// What a client says first.
pub const MAGIC: &[u8; 11] = b"esker-store";
/// Bytes of an object in one frame at most.
pub const PIECE: usize = 128 << 10;
/// The longest frame, in bytes behind its length.
pub const FRAME_MAX: u32 = PIECE as u32 + 64;
/// The longest object that a server gathers in memory (bytes): as long as any object of a repository.
pub const OBJECT_MAX: usize = 257 << 20;
/// Bytes of a path at most.
pub const PATH_MAX: usize = 4096;

/// How frames look on the way.
pub const FRAMING: Framing = Framing { big_endian: false, max: FRAME_MAX, whose };

/// What clients ask.
pub mod ask {
    pub const HELLO: u8 = 1;
    pub const PART: u8 = 2;
    pub const PUT: u8 = 3;
    pub const BARRIER: u8 = 4;
    pub const GET: u8 = 5;
    pub const RANGE: u8 = 6;
    pub const SIZE: u8 = 7;
    pub const LIST: u8 = 8;
    pub const DELETE: u8 = 9;
}

/// What servers answer. [`BYTES`](answer::BYTES) and [`NAMES`](answer::NAMES) are followed by more.
pub mod answer {
    pub const WELCOME: u8 = 65;
    pub const DONE: u8 = 66;
    pub const EXISTS: u8 = 67;
    pub const BYTES: u8 = 68;
    pub const NAMES: u8 = 69;
    pub const SIZE: u8 = 70;
    pub const ABSENT: u8 = 71;
    pub const ERROR: u8 = 72;
    pub const ALIVE: u8 = 73;
}

/// A frame in the making.
pub struct Frame(Vec<u8>);

impl Frame {
    /// A frame of this kind for a request.
    pub fn new(id: u32, kind: u8) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend([0; 4]);
        bytes.extend(id.to_le_bytes());
        bytes.push(kind);
        Self(bytes)
    }

    /// Adds a long number.
    pub fn long(mut self, number: u64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    /// Adds bytes, without their length.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds an object of a listing.
    pub fn listed(&mut self, one: &Listed) {
        self.0.extend(one.size.to_le_bytes());
        self.0.extend((one.name.len() as u16).to_le_bytes());
        self.0.extend_from_slice(one.name.as_bytes());
    }

    /// How many bytes there are so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes to send.
    pub fn done(mut self) -> Vec<u8> {
        let length = self.0.len() as u32 - 4;
        self.0[..4].copy_from_slice(&length.to_le_bytes());
        self.0
    }
}

/// A frame that has arrived, without its length.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// The request that it is, or is for.
    pub id: u32,
    /// What it is.
    pub kind: u8,
    /// What it says.
    pub body: &'a [u8],
}

impl<'a> Arrived<'a> {
    /// Reads the head of a frame.
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let (id, rest) = frame.split_first_chunk()?;
        let (kind, body) = rest.split_first()?;
        Some(Self { id: u32::from_le_bytes(*id), kind: *kind, body })
    }

    /// A long number and what follows it.
    pub fn long(&self) -> Option<(u64, Self)> {
        let (number, body) = self.body.split_first_chunk()?;
        Some((u64::from_le_bytes(*number), Self { body, ..*self }))
    }

    /// The body as a long number and nothing else.
    pub fn only_long(&self) -> Option<u64> {
        self.long().filter(|(_, rest)| rest.body.is_empty()).map(|(number, _)| number)
    }

    /// The body as text.
    pub fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.body).ok()
    }

    /// The body as objects of a listing.
    pub fn listed(&self) -> Option<Vec<Listed>> {
        let mut found = Vec::new();
        let mut rest = self.body;
        while !rest.is_empty() {
            let (size, after) = rest.split_first_chunk()?;
            let (len, after) = after.split_first_chunk()?;
            let (name, after) = after.split_at_checked(u16::from_le_bytes(*len) as usize)?;
            let name = std::str::from_utf8(name).ok()?.to_owned();
            found.push(Listed { name, size: u64::from_le_bytes(*size) });
            rest = after;
        }
        Some(found)
    }
}

/// Whom an answer is for.
fn whose(frame: &[u8]) -> Option<Whose> {
    let Arrived { id, kind, .. } = Arrived::read(frame)?;
    match kind {
        answer::ALIVE => Some(Whose::Nobody),
        answer::BYTES | answer::NAMES => Some(Whose::Request { id, last: false }),
        answer::WELCOME..=answer::ERROR => Some(Whose::Request { id, last: true }),
        _ => None,
    }
}

const KINDS: [StoreErrorKind; 9] = [
    StoreErrorKind::Other,
    StoreErrorKind::NotFound,
    StoreErrorKind::ReadOnly,
    StoreErrorKind::NoSpace,
    StoreErrorKind::Permission,
    StoreErrorKind::TooLarge,
    StoreErrorKind::Truncated,
    StoreErrorKind::BadName,
    StoreErrorKind::Unreachable,
];

/// A kind of error as a number.
pub fn number_of(kind: StoreErrorKind) -> u8 {
    KINDS.iter().position(|own| *own == kind).unwrap_or(0) as u8
}

/// A number as a kind of error.
pub fn kind_of(number: u8) -> StoreErrorKind {
    KINDS.get(number as usize).copied().unwrap_or(StoreErrorKind::Other)
}
