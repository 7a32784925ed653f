//! Reading: frames out of packs, and single chunks out of frames. Every chunk that leaves here
//! has been checked against its id.

use crate::repository::Repository;
use crate::repository::access::Access;
use crate::repository::error::{Error, Result};
use crate::repository::extents::{Extent, Extents};
use crate::repository::follow::{Follower, may_have_moved};
use crate::repository::index::{KnownPack, Location, Lookup};
use crate::store::Store;
use esker_format::codec::Decompressor;
use esker_format::data_key::decapsulate;
use esker_format::envelope::{Header, Kind};
use esker_format::frame::{FrameHead, FrameKey, FrameType};
use esker_format::ids::ChunkId;
use esker_format::{FormatError, names};
use std::collections::HashMap;
use std::sync::Arc;

/// Keys of packs kept at most.
const KEYS_KEPT: usize = 1024;

/// Fetches and opens frames, on one thread.
pub struct Frames {
    store: Arc<dyn Store>,
    /// Where the store is far away.
    extents: Option<Arc<Extents>>,
    access: Arc<Access>,
    keys: HashMap<u32, Arc<FrameKey>>,
    zstd: Decompressor,
    sealed: Vec<u8>,
}

impl Frames {
    /// A reader of its own for one thread.
    pub fn new(repository: &Repository) -> Self {
        Self {
            store: repository.shared_store(),
            extents: Some(Arc::clone(repository.extents())).filter(|extents| extents.is_far()),
            access: Arc::clone(&repository.access),
            keys: HashMap::new(),
            zstd: Decompressor::default(),
            sealed: Vec::new(),
        }
    }

    /// Opens one frame into `plain` (replaced). It is read from the store with one ranged read, or with
    /// its neighbours where the store is far away.
    ///
    /// # Errors
    /// When the pack is missing or damaged, or the key cannot read content.
    pub fn read(&mut self, known: &KnownPack, frame: u32, plain: &mut Vec<u8>) -> Result<()> {
        let (head, offset) = head_of(known, frame)?;
        let around = self.extents.as_ref().map(|extents| extents.around(known, frame));
        match around {
            Some(Ok(extent)) => return self.open(known, frame, &extent, plain),
            // The frame itself may be there.
            Some(Err(error)) if !error.is_damage() => return Err(error),
            Some(Err(_)) | None => {}
        }
        let (name, len) = (names::pack(known.pack.id), head.sealed_len as usize);
        self.store.get_range(&name, offset, len, &mut self.sealed).map_err(Error::from_part)?;
        self.unseal(known, frame, plain)
    }

    /// Opens one frame into `plain` (replaced) from bytes of its pack that were read before.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when it is not in there.
    pub fn open(
        &mut self,
        known: &KnownPack,
        frame: u32,
        extent: &Extent,
        plain: &mut Vec<u8>,
    ) -> Result<()> {
        let (head, offset) = head_of(known, frame)?;
        let sealed = extent.part(offset, head.sealed_len).ok_or_else(|| no_frame(known))?;
        self.sealed.clear();
        self.sealed.extend_from_slice(sealed);
        self.unseal(known, frame, plain)
    }

    fn unseal(&mut self, known: &KnownPack, frame: u32, plain: &mut Vec<u8>) -> Result<()> {
        let (head, _) = head_of(known, frame)?;
        let key = self.key(known)?;
        key.open(frame, &head, &mut self.sealed, &mut self.zstd, plain)
            .map_err(|e| Error::damaged(names::pack(known.pack.id), e))
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
        let keys = self.access.scope_keys_of(pack.scope)?;
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

fn head_of(known: &KnownPack, frame: u32) -> Result<(FrameHead, u64)> {
    known.frame(frame).ok_or_else(|| no_frame(known))
}

/// That the index knows of no such frame.
pub(super) fn no_frame(known: &KnownPack) -> Error {
    Error::damaged(names::pack(known.pack.id), FormatError::Length { what: "frames" })
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
    follower: Follower,
    /// Most recently used first.
    kept: Vec<((u32, u32), Vec<u8>)>,
    budget: usize,
}

impl Chunks {
    /// A reader of what a snapshot of `scope` refers to, which finds chunks of that scope alone: a
    /// snapshot that names those of another is not to be given what others saved. It keeps frames of
    /// up to `budget` bytes of plaintext, and always one.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn new(repository: &Repository, scope: u32, budget: usize) -> Result<Self> {
        let (frames, lookup) = (Frames::new(repository), repository.lookup_in(scope)?);
        Ok(Self { frames, lookup, follower: Follower::new(repository), kept: Vec::new(), budget })
    }

    /// The same for what snapshots of any scope refer to: where several are compared, and nothing of
    /// them is given back.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn of_all(repository: &Repository, budget: usize) -> Result<Self> {
        let (frames, lookup) = (Frames::new(repository), repository.lookup_in_all()?);
        Ok(Self { frames, lookup, follower: Follower::new(repository), kept: Vec::new(), budget })
    }

    /// Looks chunks up as the index knows them now. Frames that are kept stay.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn renew(&mut self, repository: &Repository) -> Result<()> {
        self.lookup = match self.lookup.scope() {
            Some(scope) => repository.lookup_in(scope)?,
            None => repository.lookup_in_all()?,
        };
        Ok(())
    }

    /// Finds chunks of this scope from here on: what comes next is of a snapshot of it.
    pub const fn within(&mut self, scope: u32) {
        self.lookup.within(scope);
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
        let place = match self.find(id, len, frame_type) {
            Err(error) if may_have_moved(&error) => match self.follow()? {
                true => self.find(id, len, frame_type)?,
                false => return Err(error),
            },
            found => found?,
        };
        let pack = self.lookup.pack(place.pack)?;
        chunk_in(&self.kept[0].1, place, len, &pack)
    }

    /// Reads on in the log, because something is not where it was; false when it says nothing new.
    fn follow(&mut self) -> Result<bool> {
        let Some(mut lookup) = self.follower.follow()? else { return Ok(false) };
        if let Some(scope) = self.lookup.scope() {
            lookup.within(scope);
        }
        self.lookup = lookup;
        Ok(true)
    }

    /// A place where the chunk is right; its frame is at the front of what is kept.
    fn find(&mut self, id: &ChunkId, len: u64, of: FrameType) -> Result<Location> {
        let first = self.lookup.find(id)?.ok_or_else(|| Error::NoChunk { id: id.to_string() })?;
        match self.try_at(first, id, len, of) {
            Ok(()) => Ok(first),
            Err(failure) if failure.is_damage() => {
                self.find_elsewhere(first, id, len, of)?.ok_or(failure)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Brings the frame of a place to the front of what is kept, when the chunk is right there.
    fn try_at(&mut self, at: Location, id: &ChunkId, len: u64, of: FrameType) -> Result<()> {
        let pack = self.lookup.pack(at.pack)?;
        self.load(&pack, at)?;
        let bytes = chunk_in(&self.kept[0].1, at, len, &pack)?;
        self.frames.verify(id, of, bytes, &pack)
    }

    /// The same chunk from another place than one where it is not right; none when there is no other.
    ///
    /// # Errors
    /// When store or index fail.
    pub fn get_elsewhere(
        &mut self,
        not: Location,
        id: &ChunkId,
        len: u64,
        of: FrameType,
    ) -> Result<Option<&[u8]>> {
        let place = match self.find_elsewhere(not, id, len, of)? {
            Some(place) => place,
            None if self.follow()? => match self.find(id, len, of) {
                Ok(place) => place,
                Err(error) if error.is_damage() => return Ok(None),
                Err(error) => return Err(error),
            },
            None => return Ok(None),
        };
        let pack = self.lookup.pack(place.pack)?;
        chunk_in(&self.kept[0].1, place, len, &pack).map(Some)
    }

    /// Another place where the chunk is right: a pack may be damaged, and a writer of the same scope
    /// may have said what is not so.
    fn find_elsewhere(
        &mut self,
        not: Location,
        id: &ChunkId,
        len: u64,
        of: FrameType,
    ) -> Result<Option<Location>> {
        let mut places = Vec::new();
        self.lookup.copies(id, &mut places)?;
        for place in places.into_iter().filter(|place| *place != not) {
            match self.try_at(place, id, len, of) {
                Ok(()) => return Ok(Some(place)),
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
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
