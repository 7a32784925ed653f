//! Single chunks out of frames. Every chunk that leaves here has been checked against its id.

use crate::repository::Repository;
use crate::repository::error::{Error, Result};
use crate::repository::fetch::Frames;
use crate::repository::follow::{Follower, may_have_moved};
use crate::repository::frame_cache::{FrameCache, Opened, Place};
use crate::repository::index::{KnownPack, Location, Lookup};
use esker_format::frame::FrameType;
use esker_format::ids::ChunkId;
use esker_format::{FormatError, names};
use std::sync::Arc;

/// Chunks of packs that each of several readers keeps in memory, some 5 MiB.
const SHARED_CHUNKS: usize = 64 << 10;

/// Where chunks can be read: a repository, or a view of one that many share.
pub trait ChunkSource {
    /// A reader as [`Chunks::new`] makes it.
    ///
    /// # Errors
    /// When the index database fails.
    fn chunks(&self, scope: u32, budget: usize) -> Result<Chunks>;
}

impl ChunkSource for Repository {
    fn chunks(&self, scope: u32, budget: usize) -> Result<Chunks> {
        Chunks::new(self, scope, budget)
    }
}

/// Fetches single chunks, keeping the frames used last.
pub struct Chunks {
    frames: Frames,
    lookup: Lookup,
    follower: Follower,
    kept: Kept,
}

/// Frames that were opened.
enum Kept {
    /// By one thread: the most recently used first, and how many bytes of them.
    Own(Vec<(Place, Vec<u8>)>, usize),
    /// By several, and the one that this thread used last.
    Shared(Arc<FrameCache>, Option<(Place, Arc<Opened>)>),
}

impl Chunks {
    /// A reader of what a snapshot of `scope` refers to, which finds chunks of that scope alone: a
    /// snapshot that names those of another is not to be given what others saved. It keeps frames of
    /// up to `budget` bytes of plaintext, and always one.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn new(repository: &Repository, scope: u32, budget: usize) -> Result<Self> {
        Ok(Self::over(repository, repository.lookup_in(scope)?, Kept::Own(Vec::new(), budget)))
    }

    /// The same for what snapshots of any scope refer to: where several are compared, and nothing of
    /// them is given back.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn of_all(repository: &Repository, budget: usize) -> Result<Self> {
        Ok(Self::over(repository, repository.lookup_in_all()?, Kept::Own(Vec::new(), budget)))
    }

    /// As [`Chunks::new`], with frames that are shared with others.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn sharing(repository: &Repository, scope: u32, cache: &Arc<FrameCache>) -> Result<Self> {
        let kept = Kept::Shared(Arc::clone(cache), None);
        let mut lookup = repository.lookup_in(scope)?;
        lookup.keep(SHARED_CHUNKS);
        Ok(Self::over(repository, lookup, kept))
    }

    fn over(repository: &Repository, lookup: Lookup, kept: Kept) -> Self {
        let (frames, follower) = (Frames::new(repository), Follower::new(repository));
        Self { frames, lookup, follower, kept }
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

    /// Lets go of the frame that others may have no room for.
    pub fn rest(&mut self) {
        if let Kept::Shared(_, latest) = &mut self.kept {
            *latest = None;
        }
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
        chunk_in(self.kept.latest(), place, len, &pack)
    }

    /// Opens the frame that a chunk of data is in and compares the chunk with its id, where neither was
    /// done yet, for somebody who will want it and shares what is kept.
    ///
    /// # Errors
    /// As [`get`](Self::get), without a search for another place.
    pub fn prepare(&mut self, id: &ChunkId, len: u64) -> Result<()> {
        let Some(place) = self.lookup.find(id)? else { return Ok(()) };
        self.try_at(place, id, len, FrameType::Data)
    }

    /// Reads on in the log, because something is not where it was; false when it says nothing new.
    fn follow(&mut self) -> Result<bool> {
        let Some(mut lookup) = self.follower.follow()? else { return Ok(false) };
        if let Some(scope) = self.lookup.scope() {
            lookup.within(scope);
        }
        if matches!(self.kept, Kept::Shared(..)) {
            lookup.keep(SHARED_CHUNKS);
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
        let bytes = chunk_in(self.kept.latest(), at, len, &pack)?;
        let Kept::Shared(_, Some((_, opened))) = &self.kept else {
            return self.frames.verify(id, of, bytes, &pack);
        };
        // Somebody who reads a little of a chunk comes again for the rest.
        if !opened.is_right(at.offset, of, id) {
            self.frames.verify(id, of, bytes, &pack)?;
            opened.found_right(at.offset, of, *id);
        }
        Ok(())
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
        chunk_in(self.kept.latest(), place, len, &pack).map(Some)
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
    fn load(&mut self, pack: &KnownPack, at: Location) -> Result<()> {
        let (place, frames) = ((at.pack, at.frame), &mut self.frames);
        let len = pack.frame(at.frame).map_or(0, |(head, _)| head.plain_len as usize);
        let open = |plain: &mut Vec<u8>| frames.read(pack, at.frame, plain);
        match &mut self.kept {
            Kept::Own(kept, budget) => keep(kept, *budget, place, len, open),
            Kept::Shared(_, Some((latest, _))) if *latest == place => Ok(()),
            Kept::Shared(cache, latest) => {
                // Only one frame is held back from being let go.
                *latest = None;
                *latest = Some((place, cache.get(place, len, open)?));
                Ok(())
            }
        }
    }
}

impl Kept {
    /// The frame that was used last.
    fn latest(&self) -> &[u8] {
        match self {
            Self::Own(kept, _) => kept.first().map_or(&[], |(_, plain)| plain),
            Self::Shared(_, latest) => latest.as_ref().map_or(&[], |(_, opened)| opened.plain()),
        }
    }
}

/// Brings a frame to the front, and lets go of what was not used for longest.
fn keep(
    kept: &mut Vec<(Place, Vec<u8>)>,
    budget: usize,
    place: Place,
    len: usize,
    open: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    if let Some(at) = kept.iter().position(|(other, _)| *other == place) {
        kept[..=at].rotate_right(1);
        return Ok(());
    }
    let mut total: usize = len + kept.iter().map(|(_, plain)| plain.len()).sum::<usize>();
    let mut plain = Vec::new();
    while total > budget
        && let Some((_, old)) = kept.pop()
    {
        total -= old.len();
        plain = old;
    }
    open(&mut plain)?;
    kept.insert(0, (place, plain));
    Ok(())
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
