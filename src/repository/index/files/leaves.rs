//! Reading the rows of a source in the order of the path map.

use super::{codec, reference, sum};
use esker_format::codec::Decompressor;
use esker_format::key::ScopeKeys;
use esker_format::limits::PAGE_MAX;
use esker_format::page::{Entry, Page, PageRef};
use rusqlite::{Connection, OpenFlags, params};
use std::collections::{HashSet, VecDeque};
use std::path::Path;

/// Rows read with one query: a few hundred KiB.
const BATCH: usize = 16;
/// Longest marks of a leaf: each entry can have a long parent of its own, as in the page itself.
const MARKS_MAX: usize = 16 << 20;

/// A leaf that was part of a path map.
pub struct Leaf {
    /// Its row.
    pub number: i64,
    /// The reference to it.
    pub reference: PageRef,
    /// What the file system said of its entries.
    pub marks: Vec<u8>,
}

/// What a leaf holds.
pub struct OpenLeaf {
    /// Its entries.
    pub entries: Vec<Entry>,
    /// What long content refers to, as the journal was given it.
    pub lists: Vec<u8>,
}

/// The rows of some runs, in order.
pub struct Leaves {
    connection: Connection,
    source: i64,
    runs: HashSet<i64>,
    /// The last row when reading began; later ones stand for something else.
    last: i64,
    /// Key and number of the row read last.
    after: Option<(Vec<u8>, Vec<u8>, i64)>,
    waiting: VecDeque<Leaf>,
    /// Rows that do not say what was written.
    unreadable: Vec<i64>,
    over: bool,
    zstd: Decompressor,
}

impl Leaves {
    pub(super) fn new(
        path: &Path,
        reading: &Connection,
        source: i64,
        runs: HashSet<i64>,
    ) -> rusqlite::Result<Self> {
        let last =
            reading.query_row("SELECT coalesce(max(no), 0) FROM leaf", [], |row| row.get(0))?;
        Ok(Self {
            connection: open(path)?,
            source,
            runs,
            last,
            after: None,
            waiting: VecDeque::new(),
            unreadable: Vec::new(),
            over: false,
            zstd: Decompressor::default(),
        })
    }

    /// The next leaf; none at the end. Rows that cannot be read are passed over: their entries are
    /// read as if they were new.
    pub fn next_leaf(&mut self) -> Option<Leaf> {
        while self.waiting.is_empty() && !self.over {
            if self.fill().is_err() {
                self.over = true;
            }
        }
        self.waiting.pop_front()
    }

    fn fill(&mut self) -> rusqlite::Result<()> {
        let mut query = self.connection.prepare_cached(
            "SELECT no, run, parent, name, reference, sum, len, codec, marks FROM leaf
             WHERE source = ?1 AND (parent, name, no) > (?2, ?3, ?4)
             ORDER BY parent, name, no LIMIT ?5",
        )?;
        let (parent, name, number) = self.after.take().unwrap_or_default();
        let mut rows = query.query(params![self.source, parent, name, number, BATCH as i64])?;
        let mut read = 0;
        while let Some(row) = rows.next()? {
            read += 1;
            let (number, run): (i64, i64) = (row.get(0)?, row.get(1)?);
            self.after = Some((row.get(2)?, row.get(3)?, number));
            if number > self.last || !self.runs.contains(&run) {
                continue;
            }
            let (bytes, marks) = (row.get_ref(4)?.as_blob()?, row.get_ref(8)?.as_blob()?);
            let (len, codec_number): (i64, u8) = (row.get(6)?, row.get(7)?);
            let stored: [u8; 16] = row.get(5)?;
            let mut plain = Vec::new();
            let unpacked = self.zstd.decompress(
                codec(codec_number),
                marks,
                len as usize,
                MARKS_MAX,
                &mut plain,
            );
            if let (Ok(()), Some(reference)) = (unpacked, reference(bytes))
                && stored == sum(&[bytes, &plain])
            {
                self.waiting.push_back(Leaf { number, reference, marks: plain });
            } else {
                self.unreadable.push(number);
            }
        }
        self.over = read < BATCH;
        Ok(())
    }

    /// The rows that could not be read so far.
    pub fn take_unreadable(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.unreadable)
    }
}

/// Opens leaves one by one.
pub struct LeafReader {
    connection: Connection,
    zstd: Decompressor,
}

impl LeafReader {
    pub(super) fn new(path: &Path) -> rusqlite::Result<Self> {
        Ok(Self { connection: open(path)?, zstd: Decompressor::default() })
    }

    /// What a leaf holds; none when the table does not have it whole.
    pub fn open(&mut self, leaf: &Leaf, keys: &ScopeKeys) -> Option<OpenLeaf> {
        let query = "SELECT page_codec, page, lists FROM leaf WHERE no = ?1";
        let read = || -> rusqlite::Result<(u8, Vec<u8>, Vec<u8>)> {
            self.connection
                .prepare_cached(query)?
                .query_row([leaf.number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        };
        let (codec_number, packed, lists) = read().ok()?;
        let (mut bytes, len) = (Vec::new(), usize::try_from(leaf.reference.page_len).ok()?);
        self.zstd.decompress(codec(codec_number), &packed, len, PAGE_MAX, &mut bytes).ok()?;
        if keys.page_id(&bytes) != leaf.reference.page {
            return None;
        }
        let lists = match lists.split_first_chunk::<16>() {
            None => Vec::new(),
            Some((stored, lists)) if *stored == sum(&[lists]) => lists.to_vec(),
            Some(_) => return None,
        };
        match Page::decode(&bytes).ok()? {
            Page::Leaf(entries) => Some(OpenLeaf { entries, lists }),
            Page::Inner(..) => None,
        }
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch("PRAGMA cache_size = -2048")?;
    connection.busy_timeout(std::time::Duration::from_secs(60))?;
    Ok(connection)
}
