//! Finding chunks: decoded packs in memory first (a hit preloads all neighbours), then SQLite.

use crate::repository::error::{Error, Result};
use crate::repository::index::{KnownPack, database, row, row_of, split};
use crate::repository::presence::Presence;
use esker_format::envelope::Header;
use esker_format::ids::ChunkId;
use esker_format::segment::{Prefix, prefix};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Decoded packs kept at most; each is a few hundred KiB, unless its chunks are tiny.
const KEPT: usize = 24;
/// Chunks of the packs kept, some 20 MiB; the pack used last stays whatever it has.
const CHUNKS_KEPT: usize = 256 << 10;

/// Ordinals of the packs with chunks that other packs have too.
const SHARED: &str = "SELECT v & 4294967295 FROM further UNION
     SELECT chunk.v & 4294967295 FROM further CROSS JOIN chunk USING(k)";

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
    /// Number of the chunk in the pack.
    pub number: u32,
}

/// Finds chunks; one for each thread.
pub struct Lookup {
    connection: Connection,
    path: PathBuf,
    /// Most recently used first.
    packs: Vec<Arc<KnownPack>>,
    /// Packs with chunks that other packs have too.
    shared: HashSet<u32>,
    presence: Arc<Presence>,
    /// The scope whose chunks are found; none for all.
    scope: Option<u32>,
    /// Chunks of the packs kept.
    most: usize,
}

impl Lookup {
    pub(super) fn open(path: &Path, scope: Option<u32>, presence: Arc<Presence>) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let run = || -> rusqlite::Result<(Connection, HashSet<u32>)> {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.execute_batch("PRAGMA cache_size = -4096")?;
            let shared = ordinals(&connection, SHARED)?;
            Ok((connection, shared))
        };
        let (connection, shared) = run().map_err(|e| database(path, e))?;
        let (path, packs) = (path.to_owned(), Vec::new());
        Ok(Self { connection, path, packs, shared, presence, scope, most: CHUNKS_KEPT })
    }

    /// Where a chunk is, if it is known: of several copies the newest that is there. A single one
    /// is not asked for, as whoever reads it will see. The id is confirmed as far as the index
    /// goes (95 bits and then the 128 of the segment); whoever reads the chunk checks all of it.
    ///
    /// # Errors
    /// When the database fails, or the store for a chunk with several copies.
    pub fn find(&mut self, id: &ChunkId) -> Result<Option<Location>> {
        let prefix = prefix(id);
        if let Some(place) = self.find_kept(&prefix)
            && !self.shared.contains(&place.pack)
        {
            return Ok(Some(place));
        }
        let places = self.places(&prefix)?;
        if places.len() > 1 {
            for place in &places {
                if self.is_present(place.pack)? {
                    return Ok(Some(*place));
                }
            }
        }
        Ok(places.first().copied())
    }

    /// Where a chunk is, in a pack that the store has and new snapshots may rely on: what need not
    /// be stored again.
    ///
    /// # Errors
    /// When the database or the store fails.
    pub fn find_present(&mut self, id: &ChunkId) -> Result<Option<Location>> {
        self.find_prefix(&prefix(id))
    }

    /// The same for what the index has of an id.
    ///
    /// # Errors
    /// When the database or the store fails.
    pub fn find_prefix(&mut self, prefix: &Prefix) -> Result<Option<Location>> {
        if let Some(place) = self.find_kept(prefix)
            && self.is_good(place.pack)?
        {
            return Ok(Some(place));
        }
        for place in self.places(prefix)? {
            if self.is_good(place.pack)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Keeps packs with so many chunks from here on: where many look things up, each takes less memory.
    pub const fn keep(&mut self, chunks: usize) {
        self.most = chunks;
    }

    /// The scope whose chunks are found; none for all.
    pub const fn scope(&self) -> Option<u32> {
        self.scope
    }

    /// Finds chunks of this scope from here on.
    pub const fn within(&mut self, scope: u32) {
        self.scope = Some(scope);
    }

    /// All places of a chunk, newest first, whatever the log says of the packs.
    ///
    /// # Errors
    /// When the database fails.
    pub fn copies(&mut self, id: &ChunkId, out: &mut Vec<Location>) -> Result<()> {
        let prefix = prefix(id);
        out.clear();
        match self.find_kept(&prefix) {
            Some(place) if !self.shared.contains(&place.pack) => out.push(place),
            _ => out.extend(self.places(&prefix)?),
        }
        Ok(())
    }

    /// Whether all chunks of a pack lead to it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn has_all(&self, known: &KnownPack) -> Result<bool> {
        let run = || -> rusqlite::Result<bool> {
            // One for all of them: each would lock the file.
            let reading = self.connection.unchecked_transaction()?;
            let mut first =
                reading.prepare_cached("SELECT 1 FROM chunk WHERE k = ?1 AND v = ?2")?;
            let mut more =
                reading.prepare_cached("SELECT 1 FROM further WHERE k = ?1 AND v = ?2")?;
            for (prefix, _) in &known.pack.chunks {
                let row = row_of(prefix, known.ordinal);
                if !first.exists(row)? && !more.exists(row)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        run().map_err(|e| database(&self.path, e))
    }

    /// Where a chunk is in the packs that are kept.
    fn find_kept(&mut self, prefix: &Prefix) -> Option<Location> {
        let found = |pack: &Arc<KnownPack>| self.chunk_of(pack, prefix);
        let (at, place) =
            self.packs.iter().enumerate().find_map(|(at, pack)| Some((at, found(pack)?)))?;
        self.packs[..=at].rotate_right(1);
        Some(place)
    }

    /// All places of a chunk, newest first.
    fn places(&mut self, prefix: &Prefix) -> Result<Vec<Location>> {
        let mut ordinals = self.candidates(prefix)?;
        ordinals.sort_unstable_by(|a, b| b.cmp(a));
        let mut places = Vec::new();
        for ordinal in ordinals {
            let is_kept = self.packs.iter().any(|pack| pack.ordinal == ordinal);
            if !is_kept
                && self.row(ordinal)?.is_none()
                && !self.candidates(prefix)?.contains(&ordinal)
            {
                // Given up since it was found: a collection with this cache was faster.
                continue;
            }
            let pack = self.pack(ordinal)?;
            places.extend(self.chunk_of(&pack, prefix));
        }
        Ok(places)
    }

    /// Where a chunk is in a pack, when it is there and of the scope that is asked for. Whatever the
    /// writers of another scope say of their packs, nobody else relies on it.
    fn chunk_of(&self, pack: &KnownPack, prefix: &Prefix) -> Option<Location> {
        let is_of_scope = self.scope.is_none_or(|scope| scope == pack.scope);
        pack.chunks.get(prefix).copied().filter(|_| is_of_scope)
    }

    /// Whether the store has a pack.
    fn is_present(&mut self, ordinal: u32) -> Result<bool> {
        let known = self.pack(ordinal)?;
        self.presence.has(known.pack.id, known.pack.len)
    }

    /// The same for what new snapshots may rely on.
    fn is_good(&mut self, ordinal: u32) -> Result<bool> {
        Ok(self.presence.is_fit(ordinal) && self.is_present(ordinal)?)
    }

    /// The pack with an ordinal; none when the database has no row of it.
    ///
    /// # Errors
    /// When the database fails, which says nothing of the pack.
    pub fn pack_if_there(&mut self, ordinal: u32) -> Result<Option<Arc<KnownPack>>> {
        match self.row(ordinal)? {
            Some(_) => self.pack(ordinal).map(Some),
            None => Ok(None),
        }
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
        let (scope, pack) = self
            .row(ordinal)?
            .and_then(|row| {
                let row = row::open(ordinal.into(), &row)?;
                let pack = esker_format::segment::decode(row).ok()?.pop()?;
                Some((Header::decode(&pack.header).ok()?.0.scope, pack))
            })
            .ok_or_else(|| self.lacks(ordinal))?;
        let pack = Arc::new(KnownPack::new(ordinal, scope, pack));
        self.packs.insert(0, Arc::clone(&pack));
        self.forget_old();
        Ok(pack)
    }

    fn row(&self, ordinal: u32) -> Result<Option<Vec<u8>>> {
        self.connection
            .prepare_cached("SELECT row FROM directory WHERE pack = ?1")
            .and_then(|mut s| s.query_row([ordinal], |row| row.get(0)).optional())
            .map_err(|e| database(&self.path, e))
    }

    fn lacks(&self, ordinal: u32) -> Error {
        let source = format!("it has no sound row of pack {ordinal}").into();
        Error::Database { path: self.path.display().to_string(), source }
    }

    /// Makes room for the pack used last.
    fn forget_old(&mut self) {
        let mut chunks = 0;
        let fits = |pack: &&Arc<KnownPack>| {
            chunks += pack.pack.chunks.len();
            chunks <= self.most
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

fn ordinals(connection: &Connection, query: &str) -> rusqlite::Result<HashSet<u32>> {
    connection.prepare(query)?.query_map([], |row| row.get(0))?.collect()
}
