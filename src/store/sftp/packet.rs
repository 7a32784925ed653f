//! The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02), as far as a store needs them.

#[cfg(test)]
mod tests;

use crate::store::tunnel::{Framing, Whose};

/// The version of the protocol that OpenSSH and all others speak.
pub const VERSION: u32 = 3;
/// The longest packet taken. OpenSSH sends no longer one; an answer to a read asks for less.
const PACKET_MAX: u32 = 512 << 10;

/// How packets look on the way.
pub const FRAMING: Framing = Framing { big_endian: true, max: PACKET_MAX, whose };

/// The kinds of packets.
pub mod kind {
    pub const INIT: u8 = 1;
    pub const VERSION: u8 = 2;
    pub const OPEN: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const READ: u8 = 5;
    pub const WRITE: u8 = 6;
    pub const LSTAT: u8 = 7;
    pub const FSTAT: u8 = 8;
    pub const OPENDIR: u8 = 11;
    pub const READDIR: u8 = 12;
    pub const REMOVE: u8 = 13;
    pub const MKDIR: u8 = 14;
    pub const STATUS: u8 = 101;
    pub const HANDLE: u8 = 102;
    pub const DATA: u8 = 103;
    pub const NAME: u8 = 104;
    pub const ATTRS: u8 = 105;
    pub const EXTENDED: u8 = 200;
    pub const EXTENDED_REPLY: u8 = 201;
}

/// The codes of a status.
pub mod status {
    pub const OK: u32 = 0;
    pub const EOF: u32 = 1;
    pub const NO_SUCH_FILE: u32 = 2;
    pub const PERMISSION_DENIED: u32 = 3;
    pub const FAILURE: u32 = 4;
    pub const OP_UNSUPPORTED: u32 = 8;
    /// Of later versions; some servers send them to everybody.
    pub const WRITE_PROTECT: u32 = 12;
    pub const NO_SPACE: u32 = 14;
    pub const QUOTA_EXCEEDED: u32 = 15;
}

/// How a file is opened.
pub mod flags {
    pub const READ: u32 = 1;
    pub const WRITE: u32 = 2;
    pub const CREATE: u32 = 8;
    pub const EXCLUSIVE: u32 = 32;
}

const PERMISSIONS: u32 = 4;

/// A packet in the making.
pub struct Packet(Vec<u8>);

impl Packet {
    /// A request of this kind and id.
    pub fn new(kind: u8, id: u32) -> Self {
        Self::with_room(kind, id, 100)
    }

    /// A request that will have about this many bytes.
    pub fn with_room(kind: u8, id: u32, room: usize) -> Self {
        let mut bytes = Vec::with_capacity(room + 13);
        bytes.extend([0; 4]);
        bytes.push(kind);
        Self(bytes).number(id)
    }

    /// Adds a number.
    pub fn number(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// Adds a long number.
    pub fn long(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// Adds bytes with their length.
    pub fn string(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut packet = self.number(bytes.len() as u32);
        packet.0.extend_from_slice(bytes);
        packet
    }

    /// Adds attributes: the mode and nothing else.
    pub fn mode(self, mode: u32) -> Self {
        self.number(PERMISSIONS).number(mode)
    }

    /// The bytes to send.
    pub fn done(mut self) -> Vec<u8> {
        let length = self.0.len() as u32 - 4;
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

/// Whom a packet from the server is for. The greeting has no id; it is for the first request.
fn whose(packet: &[u8]) -> Option<Whose> {
    let last = true;
    match (*packet.first()?, packet.get(1..5)) {
        (kind::VERSION, _) => Some(Whose::Request { id: 1, last }),
        (
            kind::STATUS
            | kind::HANDLE
            | kind::DATA
            | kind::NAME
            | kind::ATTRS
            | kind::EXTENDED_REPLY,
            Some(id),
        ) => Some(Whose::Request { id: u32::from_be_bytes(id.try_into().ok()?), last }),
        _ => None,
    }
}
