//! Whether a file has the bytes that a node says, without fetching them.

use crate::compare::Stop;
use crate::repository::difference::Bytes;
use crate::repository::{Chunks, Items};
use crate::source::{Extent, Opened, Reading, data_extents};
use esker_format::content::{Content, Item};
use esker_format::key::ScopeKeys;
use esker_format::node::Node;
use std::io;

/// Bytes read at once where zeros are looked for.
const PIECE: u64 = 1 << 20;

/// Compares a file with a node of the same size.
///
/// # Errors
/// When a list page is lost, or the file cannot be read.
pub fn compare(
    file: &Opened,
    node: &Node,
    chunks: &mut Chunks,
    keys: &ScopeKeys,
    buffer: &mut Vec<u8>,
) -> Result<Bytes, Stop> {
    Reader { file, keys, buffer, reading: Reading::default() }.compare(node, chunks)
}

struct Reader<'f> {
    file: &'f Opened,
    keys: &'f ScopeKeys,
    buffer: &'f mut Vec<u8>,
    reading: Reading,
}

impl Reader<'_> {
    fn compare(&mut self, node: &Node, chunks: &mut Chunks) -> Result<Bytes, Stop> {
        let content = match &node.content {
            Some(content) => content,
            None if node.is_empty() => return Ok(Bytes::Same),
            // It could not be read when it was saved.
            None => return Ok(Bytes::Unknown),
        };
        if let Content::Inline(bytes) = content {
            let is_same = self.read(0, bytes.len() as u64)? == &bytes[..];
            return Ok(if is_same { Bytes::Same } else { Bytes::Differ });
        }
        let (mut items, mut at, mut bytes) = (Items::new(content), 0, Bytes::Same);
        while let Some((item, error)) = items.next(chunks)? {
            if let Some(error) = error {
                return Err(error.into());
            }
            let is_same = match item {
                Item::Data(id, len) => {
                    let keys = self.keys;
                    let read = self.read(at, len)?;
                    read.len() as u64 == len && keys.data_id(read) == id
                }
                Item::Hole(len) | Item::Zero(len) => self.is_zero(at, at + len)?,
                Item::Lost(_) => {
                    bytes = Bytes::Unknown;
                    true
                }
            };
            if !is_same {
                return Ok(Bytes::Differ);
            }
            at += item.len();
            self.file.release(&mut self.reading, at);
        }
        Ok(bytes)
    }

    fn read(&mut self, at: u64, len: u64) -> io::Result<&[u8]> {
        // Chunks have a limit, and so has what is asked for here.
        self.buffer.resize(self.buffer.len().max(len as usize), 0);
        let buffer = &mut self.buffer[..len as usize];
        let n = self.file.read(at, buffer, &mut self.reading).map_err(|(_, error)| error)?;
        Ok(&self.buffer[..n])
    }

    /// Whether there are only zeros; holes are not read.
    fn is_zero(&mut self, mut at: u64, end: u64) -> io::Result<bool> {
        while at < end {
            match data_extents(self.file, at, end)? {
                Some(Extent::Hole(from, len)) => at = from + len,
                Some(Extent::Data(from, len)) => {
                    let piece = self.read(from, len.min(PIECE))?;
                    if piece.is_empty() || piece.iter().any(|byte| *byte != 0) {
                        return Ok(false);
                    }
                    at = from + piece.len() as u64;
                }
                None => break,
            }
        }
        Ok(true)
    }
}
