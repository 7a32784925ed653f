//! Finding chunks: decoded packs in memory first (a hit preloads all neighbours), then SQLite.

use crate::repository::error::{Error, Result};
use crate::repository::index::{database, split};
use esker_format::frame::FrameHead;
use esker_format::ids::ChunkId;
use esker_format::segment::{Prefix, SegmentPack, prefix};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Decoded packs kept at most; each is a few hundred KiB, unless its chunks are tiny.
const KEPT: usize = 24;
/// Chunks of the packs kept, some 20 MiB; the pack used last stays whatever it has.
const CHUNKS_KEPT: usize = 256 << 10;

/// Where a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Ordinal of the pack.
    pub pack: u32,
    /// Number of the frame in it.
    pub frame: u32,
    /// Where the chunk begins in the frame's plaintext.
    pub offset: u32,
    /// Length of the chunk.
    pub len: u32,
}

/// One pack of the index, ready for look-ups.
pub struct KnownPack {
    /// Its ordinal.
    pub ordinal: u32,
    /// What the segment says of it.
    pub pack: SegmentPack,
    chunks: HashMap<Prefix, Location>,
    /// Where each frame begins in the pack.
    offsets: Vec<u64>,
}

impl KnownPack {
    fn new(ordinal: u32, pack: SegmentPack) -> Self {
        let mut chunks = HashMap::with_capacity(pack.chunks.len());
        let (mut list, mut at) = (pack.chunks.iter(), pack.header.len() as u64);
        let mut offsets = Vec::with_capacity(pack.frames.len());
        for (frame, head) in pack.frames.iter().enumerate() {
            offsets.push(at);
            at += u64::from(head.sealed_len);
            let mut offset = 0;
            for (prefix, len) in list.by_ref().take(head.chunks as usize) {
                let place = Location { pack: ordinal, frame: frame as u32, offset, len: *len };
                chunks.insert(*prefix, place);
                offset += len;
            }
        }
        Self { ordinal, pack, chunks, offsets }
    }

    /// Head of a frame and where it begins in the pack.
    pub fn frame(&self, number: u32) -> Option<(FrameHead, u64)> {
        let number = number as usize;
        Some((*self.pack.frames.get(number)?, *self.offsets.get(number)?))
    }
}

/// Finds chunks; one for each thread.
pub struct Lookup {
    connection: Connection,
    path: PathBuf,
    /// Most recently used first.
    packs: Vec<Arc<KnownPack>>,
}

impl Lookup {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let run = || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.execute_batch("PRAGMA cache_size = -4096")?;
            Ok(connection)
        };
        let connection = run().map_err(|e| database(path, e))?;
        Ok(Self { connection, path: path.to_owned(), packs: Vec::new() })
    }

    /// Where a chunk is, if it is known. The id is confirmed as far as the index goes (95 bits and
    /// then the 128 of the segment); whoever reads the chunk checks all of it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn find(&mut self, id: &ChunkId) -> Result<Option<Location>> {
        let prefix = prefix(id);
        for (at, pack) in self.packs.iter().enumerate() {
            if let Some(location) = pack.chunks.get(&prefix).copied() {
                if at > 0 {
                    let pack = self.packs.remove(at);
                    self.packs.insert(0, pack);
                }
                return Ok(Some(location));
            }
        }
        for ordinal in self.candidates(&prefix)? {
            let pack = self.pack(ordinal)?;
            if let Some(location) = pack.chunks.get(&prefix) {
                return Ok(Some(*location));
            }
        }
        Ok(None)
    }

    /// The pack with an ordinal.
    ///
    /// # Errors
    /// When the database fails or does not have it.
    pub fn pack(&mut self, ordinal: u32) -> Result<Arc<KnownPack>> {
        if let Some(at) = self.packs.iter().position(|p| p.ordinal == ordinal) {
            let pack = self.packs.remove(at);
            self.packs.insert(0, Arc::clone(&pack));
            return Ok(pack);
        }
        let row: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT row FROM directory WHERE pack = ?1")
            .and_then(|mut s| s.query_row([ordinal], |row| row.get(0)).optional())
            .map_err(|e| database(&self.path, e))?;
        let row =
            row.ok_or_else(|| Error::Missing { object: format!("pack {ordinal} of the index") })?;
        let pack = esker_format::segment::decode(&row)
            .ok()
            .and_then(|mut packs| packs.pop())
            .ok_or_else(|| Error::Missing { object: format!("pack {ordinal} of the index") })?;
        let pack = Arc::new(KnownPack::new(ordinal, pack));
        self.packs.insert(0, Arc::clone(&pack));
        self.forget_old();
        Ok(pack)
    }

    /// Makes room for the pack used last.
    fn forget_old(&mut self) {
        let mut chunks = 0;
        let fits = |pack: &&Arc<KnownPack>| {
            chunks += pack.pack.chunks.len();
            chunks <= CHUNKS_KEPT
        };
        let kept = self.packs.iter().take(KEPT).take_while(fits).count().max(1);
        self.packs.truncate(kept);
    }

    /// Packs that may hold a chunk.
    fn candidates(&self, prefix: &Prefix) -> Result<Vec<u32>> {
        let (k, more) = split(prefix);
        let ordinal = |v: i64| (v >> 32 == i64::from(more)).then_some(v as u32);
        let run = || -> rusqlite::Result<Vec<u32>> {
            let connection = &self.connection;
            let first: Option<i64> = connection
                .prepare_cached("SELECT v FROM chunk WHERE k = ?1")?
                .query_row([k], |row| row.get(0))
                .optional()?;
            let Some(first) = first else { return Ok(Vec::new()) };
            let mut all = connection.prepare_cached("SELECT v FROM further WHERE k = ?1")?;
            let further = all.query_map([k], |row| row.get::<_, i64>(0))?;
            let mut out: Vec<u32> = ordinal(first).into_iter().collect();
            for v in further {
                out.extend(ordinal(v?));
            }
            Ok(out)
        };
        run().map_err(|e| database(&self.path, e))
    }
}
