//! What a checkpoint says of one pack, session, snapshot and so on.

use crate::envelope::array;
use crate::error::{FormatError, Result};
use crate::ids::{PackId, SegmentId, Seq, SessionId, SnapshotId, Token, WriterId};
use crate::log_entry::WriterEntry;
use crate::ordinals::Ordinals;
use crate::table::Row;
use crate::{cbor_enum, cbor_map};

cbor_enum! {
    /// What the log says of a pack.
    pub enum PackState {
        /// In use.
        Live = 1,
        /// Unknown to new look-ups.
        Marked = 2,
        /// Given up.
        Deleting = 3,
    }
}
cbor_enum! {
    /// What the log says of a session.
    pub enum SessionState {
        /// It has added packs.
        Open = 1,
        /// Its snapshot exists.
        Committed = 2,
        /// Fenced.
        Aborted = 3,
    }
}
cbor_map! {
    /// An enrolled writer.
    pub struct WriterRow {
        /// The entry that enrolled it.
        0 => entry: WriterEntry,
        /// Whether it was withdrawn.
        1 => revoked: bool,
        /// The number of that entry.
        2 => seq: Seq,
    }
}
cbor_map! {
    /// A segment.
    pub struct SegmentRow {
        /// The segment.
        0 => id: SegmentId,
        /// Its scope.
        1 => scope: u32,
    }
}
cbor_map! {
    /// A snapshot.
    pub struct SnapshotRow {
        /// Its manifest.
        0 => id: SnapshotId,
        /// The entry that made it exist.
        1 => seq: Seq,
        /// The scope of its writer.
        2 => scope: u32,
        /// Its session.
        3 => session: SessionId,
        /// Its pack set.
        4 => set: Ordinals,
        /// Its sealed summary.
        5 => summary: Vec<u8>,
        /// Whether it was forgotten.
        6 => forgotten: bool,
        /// Whether it is held.
        7 => held: bool,
        /// Whether content of it was found lost.
        8 => damaged: bool,
        /// Tags that were added later, ascending.
        9 => added: Vec<String>,
        /// Tags that were taken away later, ascending.
        10 => removed: Vec<String>,
    }
}
cbor_map! {
    /// What an open session holds.
    pub struct HoldRow {
        /// The session.
        0 => session: SessionId,
        /// The packs.
        1 => set: Ordinals,
    }
}

/// A pack; its place in the list is its ordinal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackRow {
    /// The pack.
    pub id: PackId,
    /// Its length in bytes.
    pub len: u64,
    /// The session in its header.
    pub session: SessionId,
    /// Its state.
    pub state: PackState,
    /// Whether content of it was found lost.
    pub damaged: bool,
}

/// Set beside the state of a pack that is damaged.
const DAMAGED: u8 = 0b0001_0000;

/// ```text
///  0  32  id       32  8  length      40  16  session
/// 56   1  state, and 16 when content was found lost
/// ```
impl Row for PackRow {
    const WIDTH: usize = 57;
    const WHAT: &'static str = "pack of a checkpoint";

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(self.session.as_bytes());
        out.push(self.state as u8 | if self.damaged { DAMAGED } else { 0 });
    }
    fn get(bytes: &[u8]) -> Result<Self> {
        let bytes: &[u8; 57] = of_width(bytes)?;
        Ok(Self {
            id: PackId::new(array(bytes)),
            len: u64::from_le_bytes(array(&bytes[32..])),
            session: SessionId::new(array(&bytes[40..])),
            state: PackState::from_number((bytes[56] & !DAMAGED).into())?,
            damaged: bytes[56] & DAMAGED != 0,
        })
    }
}

/// A session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRow {
    /// The session.
    pub id: SessionId,
    /// The writer that opened it: it belongs to that one alone.
    pub writer: WriterId,
    /// Its state.
    pub state: SessionState,
    /// The last entry that was about it.
    pub seq: Seq,
}

/// ```text
/// 0  16  id       16  16  writer      32  1  state      33  8  number of the last entry
/// ```
impl Row for SessionRow {
    const WIDTH: usize = 41;
    const WHAT: &'static str = "session of a checkpoint";

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(self.writer.as_bytes());
        out.push(self.state as u8);
        out.extend_from_slice(&self.seq.0.to_le_bytes());
    }
    fn get(bytes: &[u8]) -> Result<Self> {
        let bytes: &[u8; 41] = of_width(bytes)?;
        Ok(Self {
            id: SessionId::new(array(bytes)),
            writer: WriterId::new(array(&bytes[16..])),
            state: SessionState::from_number(bytes[32].into())?,
            seq: Seq(u64::from_le_bytes(array(&bytes[33..]))),
        })
    }
}

impl Row for Token {
    const WIDTH: usize = 16;
    const WHAT: &'static str = "token of a checkpoint";

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
    fn get(bytes: &[u8]) -> Result<Self> {
        of_width(bytes).map(|bytes| Self::new(*bytes))
    }
}

fn of_width<const N: usize>(bytes: &[u8]) -> Result<&[u8; N]> {
    bytes.try_into().map_err(|_| FormatError::Length { what: "row" })
}
