//! The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02), as far as a store needs them.

use crate::store::StoreErrorKind;
use crate::store::tunnel::{Framing, Trouble, Whose};

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

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const PERMISSIONS: u32 = 4;
const TIMES: u32 = 8;
const EXTENDED: u32 = 1 << 31;

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

/// What a server says of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Its length in bytes.
    pub size: Option<u64>,
    /// Its kind and who may do what with it.
    pub mode: Option<u32>,
    /// When it was changed, in seconds of the server's clock.
    pub changed: Option<u32>,
}

/// Bytes of a packet that are yet to be read.
pub struct Fields<'a>(&'a [u8]);

/// A field that a packet does not have.
#[derive(Clone, Copy, Debug)]
pub struct CutOff;

impl From<CutOff> for Trouble {
    fn from(CutOff: CutOff) -> Self {
        let text = "the far end does not keep to the protocol: a packet is cut off";
        Self::Fault(StoreErrorKind::Other, text.to_owned())
    }
}

impl<'a> Fields<'a> {
    /// The fields of a packet, its kind and id left out.
    pub fn of(packet: &'a [u8]) -> Self {
        Self(packet.get(5..).unwrap_or_default())
    }

    /// Takes some bytes.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], CutOff> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(CutOff)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Takes a number.
    pub fn number(&mut self) -> Result<u32, CutOff> {
        let bytes = self.bytes(4)?;
        bytes.try_into().map(u32::from_be_bytes).map_err(|_| CutOff)
    }

    /// Takes a long number.
    pub fn long(&mut self) -> Result<u64, CutOff> {
        let bytes = self.bytes(8)?;
        bytes.try_into().map(u64::from_be_bytes).map_err(|_| CutOff)
    }

    /// Takes bytes with their length.
    pub fn string(&mut self) -> Result<&'a [u8], CutOff> {
        let len = self.number()?;
        self.bytes(len as usize)
    }

    /// Takes attributes.
    pub fn attributes(&mut self) -> Result<Attributes, CutOff> {
        let flags = self.number()?;
        let mut found = Attributes::default();
        if flags & SIZE != 0 {
            found.size = Some(self.long()?);
        }
        if flags & OWNER != 0 {
            self.bytes(8)?;
        }
        if flags & PERMISSIONS != 0 {
            found.mode = Some(self.number()?);
        }
        if flags & TIMES != 0 {
            self.bytes(4)?;
            found.changed = Some(self.number()?);
        }
        if flags & EXTENDED != 0 {
            for _ in 0..self.number()? {
                self.string()?;
                self.string()?;
            }
        }
        Ok(found)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_its_length_kind_id_and_fields() {
        let packet = Packet::new(kind::READ, 7).string([0, 255]).long(1 << 40).number(9).done();
        let expected = [
            &[0, 0, 0, 23, 5, 0, 0, 0, 7, 0, 0, 0, 2, 0, 255][..],
            &[0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9],
        ];
        assert_eq!(packet, expected.concat());
        let mut fields = Fields::of(&packet[4..]);
        assert_eq!(fields.string().unwrap(), [0, 255]);
        assert_eq!((fields.long().unwrap(), fields.number().unwrap()), (1 << 40, 9));
        assert!(fields.is_empty());
    }

    #[test]
    fn attributes_are_read_in_every_combination_and_never_past_the_end() {
        for flags in 0..32_u32 {
            let flags = if flags & 16 == 0 { flags } else { flags & 15 | EXTENDED };
            let mut packet = Packet::new(kind::ATTRS, 1).number(flags);
            if flags & SIZE != 0 {
                packet = packet.long(5);
            }
            if flags & OWNER != 0 {
                packet = packet.number(1).number(2);
            }
            if flags & PERMISSIONS != 0 {
                packet = packet.number(0o100_600);
            }
            if flags & TIMES != 0 {
                packet = packet.number(3).number(4);
            }
            if flags & EXTENDED != 0 {
                packet = packet.number(1).string("name").string("value");
            }
            let packet = packet.done();
            let mut fields = Fields::of(&packet[4..]);
            let found = fields.attributes().unwrap();
            let expected = Attributes {
                size: (flags & SIZE != 0).then_some(5),
                mode: (flags & PERMISSIONS != 0).then_some(0o100_600),
                changed: (flags & TIMES != 0).then_some(4),
            };
            assert!(found == expected && fields.is_empty());
            for end in 9..packet.len() {
                assert!(Fields::of(&packet[4..end]).attributes().is_err());
            }
        }
    }
}
