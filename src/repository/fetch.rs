//! Reading: frames out of packs.

use crate::repository::Repository;
use crate::repository::access::Access;
use crate::repository::error::{Error, Result};
use crate::repository::extents::{Extent, Extents};
use crate::repository::index::KnownPack;
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
