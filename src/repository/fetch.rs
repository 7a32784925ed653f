//! Reading: frames out of packs, and single chunks out of frames. Every chunk that leaves here
//! has been checked against its id.

use crate::repository::Repository;
use crate::repository::access::Access;
use crate::repository::error::{Error, Result};
use crate::repository::follow::{Follower, may_have_moved};
use crate::repository::index::{KnownPack, Location, Lookup};
use crate::store::Store;
use esker_format::codec::Decompressor;
use esker_format::data_key::decapsulate;
use esker_format::envelope::{Header, Kind};
use esker_format::frame::{FrameKey, FrameType};
use esker_format::ids::ChunkId;
use esker_format::{FormatError, names};
use std::collections::HashMap;
use std::sync::Arc;

/// Keys of packs kept at most.
const KEYS_KEPT: usize = 1024;

/// Fetches and opens frames, on one thread.
pub struct Frames {
    store: Arc<dyn Store>,
    access: Arc<Access>,
    keys: HashMap<u32, Arc<FrameKey>>,
    zstd: Decompressor,
    sealed: Vec<u8>,
    follower: Follower,
}

impl Frames {
    /// A reader of its own for one thread.
    pub fn new(repository: &Repository) -> Self {
        Self {
            store: repository.shared_store(),
            access: Arc::clone(&repository.access),
            keys: HashMap::new(),
            zstd: Decompressor::default(),
            sealed: Vec::new(),
            follower: Follower::new(repository),
        }
    }

    /// A reader of single chunks that knows what the log says now; none when it says nothing that
    /// was not known when this one began.
    ///
    /// # Errors
    /// When the log is damaged, or store or index fail.
    pub fn elsewhere(&mut self) -> Result<Option<Chunks>> {
        let mut follower = self.follower.another();
        let Some(lookup) = follower.follow()? else { return Ok(None) };
        let frames = Self {
            store: Arc::clone(&self.store),
            access: Arc::clone(&self.access),
            keys: HashMap::new(),
            zstd: Decompressor::default(),
            sealed: Vec::new(),
            follower,
        };
        Ok(Some(Chunks { frames, lookup, kept: Vec::new(), budget: 0 }))
    }

    /// Opens one frame into `plain` (replaced), with one ranged read.
    ///
    /// # Errors
    /// When the pack is missing or damaged, or the key cannot read content.
    pub fn read(&mut self, known: &KnownPack, frame: u32, plain: &mut Vec<u8>) -> Result<()> {
        let name = names::pack(known.pack.id);
        let (head, offset) = known
            .frame(frame)
            .ok_or_else(|| Error::damaged(name.as_str(), FormatError::Length { what: "frames" }))?;
        let len = head.sealed_len as usize;
        self.store.get_range(&name, offset, len, &mut self.sealed).map_err(Error::from_part)?;
        let key = self.key(known)?;
        key.open(frame, &head, &mut self.sealed, &mut self.zstd, plain)
            .map_err(|e| Error::damaged(name, e))
    }

    /// The key of a pack, from its header in the index.
    pub(super) fn key(&mut self, known: &KnownPack) -> Result<Arc<FrameKey>> {
        if let Some(key) = self.keys.get(&known.ordinal) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(open_key(&self.access, known)?);
        if self.keys.len() >= KEYS_KEPT {
            self.keys.clear();
        }
        self.keys.insert(known.ordinal, Arc::clone(&key));
        Ok(key)
    }

    /// Checks a chunk against its id.
    ///
    /// # Errors
    /// When the bytes are not that chunk.
    pub fn verify(
        &self,
        id: &ChunkId,
        frame_type: FrameType,
        bytes: &[u8],
        pack: &KnownPack,
    ) -> Result<()> {
        let keys = &self.access.scope_keys;
        let found = match frame_type {
            FrameType::Data => keys.data_id(bytes),
            FrameType::Page => keys.page_id(bytes),
        };
        if found == *id {
            return Ok(());
        }
        let source = FormatError::Checksum { what: "chunk" };
        Err(Error::damaged(names::pack(pack.pack.id), source))
    }
}

fn open_key(access: &Access, known: &KnownPack) -> Result<FrameKey> {
    let damaged = |e| Error::damaged(names::pack(known.pack.id), e);
    let (header, _) = Header::decode(&known.pack.header).map_err(damaged)?;
    header.expect(Kind::Pack, access.repository).map_err(damaged)?;
    let key = decapsulate(&header, access.reading()?, &access.epoch_secret).map_err(damaged)?;
    Ok(FrameKey::new(key, &known.pack.header))
}

/// Fetches single chunks, keeping the frames used last.
pub struct Chunks {
    frames: Frames,
    lookup: Lookup,
    /// Most recently used first.
    kept: Vec<((u32, u32), Vec<u8>)>,
    budget: usize,
}

impl Chunks {
    /// A reader that keeps frames of up to `budget` bytes of plaintext, and always one.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn new(repository: &Repository, budget: usize) -> Result<Self> {
        let (frames, lookup) = (Frames::new(repository), repository.lookup()?);
        Ok(Self { frames, lookup, kept: Vec::new(), budget })
    }

    /// Looks chunks up as the index knows them now. Frames that are kept stay.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn renew(&mut self, repository: &Repository) -> Result<()> {
        self.lookup = repository.lookup()?;
        Ok(())
    }

    /// The look-ups that go with it.
    pub const fn lookup(&mut self) -> &mut Lookup {
        &mut self.lookup
    }

    /// The chunk with this id and length.
    ///
    /// # Errors
    /// When it is in no pack, or the pack is missing or damaged.
    pub fn get(&mut self, id: &ChunkId, len: u64, frame_type: FrameType) -> Result<&[u8]> {
        let found = match self.find(id, len, frame_type) {
            Err(error) if may_have_moved(&error) => match self.frames.follower.follow()? {
                None => return Err(error),
                Some(lookup) => {
                    self.lookup = lookup;
                    self.find(id, len, frame_type)?
                }
            },
            other => other?,
        };
        let (place, pack) = found;
        chunk_in(&self.kept[0].1, place, len, &pack)
    }

    /// Brings the frame of a chunk to the front, and checks the chunk in it.
    fn find(
        &mut self,
        id: &ChunkId,
        len: u64,
        frame_type: FrameType,
    ) -> Result<(Location, Arc<KnownPack>)> {
        let place = self.lookup.find(id)?.ok_or_else(|| Error::NoChunk { id: id.to_string() })?;
        let pack = self.lookup.pack(place.pack)?;
        self.load(&pack, place)?;
        let bytes = chunk_in(&self.kept[0].1, place, len, &pack)?;
        self.frames.verify(id, frame_type, bytes, &pack)?;
        Ok((place, pack))
    }

    /// Brings the frame to the front of what is kept.
    fn load(&mut self, pack: &KnownPack, place: Location) -> Result<()> {
        let key = (place.pack, place.frame);
        if let Some(at) = self.kept.iter().position(|(k, _)| *k == key) {
            self.kept[..=at].rotate_right(1);
            return Ok(());
        }
        let coming = pack.frame(place.frame).map_or(0, |(head, _)| head.plain_len as usize);
        let mut total: usize =
            coming + self.kept.iter().map(|(_, plain)| plain.len()).sum::<usize>();
        let mut plain = Vec::new();
        while total > self.budget
            && let Some((_, old)) = self.kept.pop()
        {
            total -= old.len();
            plain = old;
        }
        self.frames.read(pack, place.frame, &mut plain)?;
        self.kept.insert(0, (key, plain));
        Ok(())
    }
}

/// The bytes of a chunk in the plaintext of its frame.
///
/// # Errors
/// When its place is not in there, or its length is not `len`.
pub fn chunk_in<'p>(
    plain: &'p [u8],
    place: Location,
    len: u64,
    pack: &KnownPack,
) -> Result<&'p [u8]> {
    let (start, end) = (place.offset as usize, place.offset as usize + place.len as usize);
    match plain.get(start..end) {
        Some(bytes) if u64::from(place.len) == len => Ok(bytes),
        _ => {
            let source = FormatError::Length { what: "chunk" };
            Err(Error::damaged(names::pack(pack.pack.id), source))
        }
    }
}
