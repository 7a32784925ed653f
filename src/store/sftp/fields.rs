//! Reading what a packet holds, never past its end.

use crate::store::StoreErrorKind;
use crate::store::tunnel::Trouble;

pub(super) const SIZE: u32 = 1;
pub(super) const OWNER: u32 = 2;
pub(super) const PERMISSIONS: u32 = 4;
pub(super) const TIMES: u32 = 8;
pub(super) const EXTENDED: u32 = 1 << 31;

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
