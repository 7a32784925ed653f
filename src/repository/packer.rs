//! Packs of one session: sealed frames go in, finished packs go to the store.

#[cfg(test)]
mod tests;

use crate::repository::access::Access;
use crate::repository::entropy;
use crate::repository::error::{Error, Result};
use crate::repository::index::Journal;
use crate::repository::pieces::{Assembly, Pieces};
use crate::store::{Durability, Store};
use esker_format::codec::{Codec, Decompressor};
use esker_format::data_key::encapsulate;
use esker_format::envelope::{Kind, TAG};
use esker_format::frame::{FrameHead, FrameKey, FrameType};
use esker_format::ids::{ChunkId, Named, PackId, SessionId};
use esker_format::limits::PACK_FRAMES_MAX;
use esker_format::names;
use esker_format::pack::{Directory, encode_tail};
use esker_format::segment::{SegmentPack, prefix};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A pack is closed when it has this many bytes.
const PACK_TARGET: usize = 16 << 20;
/// A pack is closed when it has this many chunks. Who looks for one of them has all in memory: some
/// 80 bytes for each, 5 MiB in all.
const PACK_CHUNKS: usize = 64 << 10;
/// A pack is closed when it has this many frames, half of what a reader takes.
const PACK_FRAMES: usize = PACK_FRAMES_MAX / 2;
/// Room behind that for the last frame.
const FRAME_ROOM: usize = 3 << 20;
/// Pages wait until they are this many bytes, so that a small run needs one pack for everything.
const PAGES_WAIT: usize = 1 << 20;

/// A compressed frame that waits for its seal.
pub struct Packed {
    /// Type of its chunks.
    pub frame_type: FrameType,
    /// How `body` was compressed.
    pub codec: Codec,
    /// Bytes of plaintext.
    pub plain_len: u32,
    /// Its chunks.
    pub chunks: Vec<(ChunkId, u32)>,
    /// The compressed bytes, already compared with the plaintext.
    pub body: Vec<u8>,
}

/// Fills packs and puts them.
pub struct Packer {
    store: Arc<dyn Store>,
    access: Arc<Access>,
    session: SessionId,
    /// Packs of data being filled. Several, so that many threads need not wait for one another.
    lanes: Vec<Mutex<Option<OpenPack>>>,
    pages: Mutex<Pages>,
    done: Mutex<Vec<SegmentPack>>,
    pieces: Arc<Pieces>,
    stored: AtomicU64,
    journal: Option<Arc<Journal>>,
}

struct Pages {
    waiting: Vec<Packed>,
    waiting_len: usize,
    open: Option<OpenPack>,
}

struct OpenPack {
    header: Vec<u8>,
    key: FrameKey,
    /// Header and sealed frames.
    bytes: Assembly,
    directory: Directory,
}

impl Packer {
    /// A packer that `threads` threads use.
    pub fn new(
        store: Arc<dyn Store>,
        access: Arc<Access>,
        session: SessionId,
        threads: usize,
        journal: Option<Arc<Journal>>,
    ) -> Self {
        let lanes = threads.div_ceil(4).max(1);
        let pages = Pages { waiting: Vec::new(), waiting_len: 0, open: None };
        Self {
            store,
            access,
            session,
            lanes: (0..lanes).map(|_| Mutex::new(None)).collect(),
            pages: Mutex::new(pages),
            done: Mutex::new(Vec::new()),
            // One for each open pack, pages included, and one that is being written.
            pieces: Arc::new(Pieces::new((lanes + 2) * (PACK_TARGET + FRAME_ROOM))),
            stored: AtomicU64::new(0),
            journal,
        }
    }

    /// Seals a frame into the pack that thread number `thread` fills. `frame.body` is used up; its
    /// memory stays with the caller. `scratch` is memory for the self-test.
    ///
    /// # Errors
    /// When the store fails, or this machine computes wrongly.
    pub fn add(&self, thread: usize, frame: &mut Packed, scratch: &mut Vec<u8>) -> Result<()> {
        let mut lane = lock(&self.lanes[thread % self.lanes.len()]);
        self.add_to(&mut lane, frame, scratch)?;
        if let Some(full) = take_if_full(&mut lane) {
            // Others fill the next pack while this one is written.
            drop(lane);
            self.put(full)?;
        }
        Ok(())
    }

    /// Takes a frame of pages over.
    ///
    /// # Errors
    /// As [`Packer::add`].
    pub fn add_pages(&self, frame: Packed) -> Result<()> {
        let mut pages = lock(&self.pages);
        pages.waiting_len += frame.body.len();
        pages.waiting.push(frame);
        if pages.waiting_len < PAGES_WAIT && pages.open.is_none() {
            return Ok(());
        }
        pages.waiting_len = 0;
        let mut scratch = Vec::new();
        for mut frame in std::mem::take(&mut pages.waiting) {
            self.add_to(&mut pages.open, &mut frame, &mut scratch)?;
            if let Some(full) = take_if_full(&mut pages.open) {
                self.put(full)?;
            }
        }
        Ok(())
    }

    /// Closes and puts all packs; waiting pages join the data when everything fits one pack.
    ///
    /// # Errors
    /// As [`Packer::add`].
    pub fn finish(&self) -> Result<()> {
        let mut scratch = Vec::new();
        let mut pages = lock(&self.pages);
        let waiting = std::mem::take(&mut pages.waiting);
        pages.waiting_len = 0;
        let small = lock(&self.done).is_empty() && pages.open.is_none();
        for mut frame in waiting {
            let mut lane = lock(&self.lanes[0]);
            let open = if small { &mut *lane } else { &mut pages.open };
            self.add_to(open, &mut frame, &mut scratch)?;
            if let Some(full) = take_if_full(open) {
                self.put(full)?;
            }
        }
        for lane in &self.lanes {
            if let Some(open) = lock(lane).take() {
                self.put(open)?;
            }
        }
        if let Some(open) = pages.open.take() {
            self.put(open)?;
        }
        Ok(())
    }

    /// Adds packs that were put by somebody else.
    pub fn add_done(&self, packs: Vec<SegmentPack>) {
        lock(&self.done).extend(packs);
    }

    /// The packs that were put since this was asked last.
    pub fn take_done(&self) -> Vec<SegmentPack> {
        std::mem::take(&mut lock(&self.done))
    }

    /// Packs and chunks that were put and not yet taken.
    pub fn done_len(&self) -> (usize, usize) {
        let done = lock(&self.done);
        (done.len(), done.iter().map(|p| p.chunks.len()).sum())
    }

    /// Bytes of packs put so far.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    fn add_to(
        &self,
        open: &mut Option<OpenPack>,
        frame: &mut Packed,
        scratch: &mut Vec<u8>,
    ) -> Result<()> {
        let pack = match open {
            Some(pack) => pack,
            None => open.insert(self.begin()?),
        };
        let number = pack.directory.frames.len() as u32;
        let mut head = FrameHead {
            frame_type: frame.frame_type,
            codec: frame.codec,
            sealed_len: 0,
            plain_len: frame.plain_len,
            chunks: frame.chunks.len() as u32,
        };
        let key = &pack.key;
        let sealed = pack.bytes.append(frame.body.len() + TAG, |out| {
            key.seal_into(number, &mut head, &frame.body, out);
        });
        // The last link of the self-test: compression was compared before. What opens here is
        // what a restore will open.
        if !key.opens_to(number, &head, sealed, &frame.body, scratch) {
            return Err(Error::SelfTest);
        }
        pack.directory.frames.push(head);
        pack.directory.chunks.append(&mut frame.chunks);
        Ok(())
    }

    fn begin(&self) -> Result<OpenPack> {
        let mut header = self.access.header(Kind::Pack, self.session);
        let key = encapsulate(&mut header, &self.access.recipients(), &mut entropy())?;
        let header = header.encode();
        let mut bytes = Assembly::new(Arc::clone(&self.pieces));
        bytes.append(header.len(), |out| out.extend_from_slice(&header));
        let key = FrameKey::new(key, &header);
        Ok(OpenPack { header, key, bytes, directory: Directory::default() })
    }

    fn put(&self, pack: OpenPack) -> Result<()> {
        let OpenPack { header, key: _, bytes, directory } = pack;
        let segment_key = &self.access.scope_keys.segment;
        let tail = encode_tail(&header, &directory, segment_key, &mut entropy())?;
        let len = (bytes.len() + tail.len()) as u64;
        let (mut parts, writing) = bytes.into_parts();
        parts.push(tail.into());
        let id = PackId::of_parts(&parts);
        if let Some(journal) = &self.journal {
            // Before, so that a pack that is there is never unknown after a kill.
            journal.pack(id, len);
        }
        // A pack's key is fresh, so its name is new: an object that is there already is the same.
        let _ = self.store.put_new_shared(&names::pack(id), &parts, Durability::AtBarrier)?;
        drop(parts);
        drop(writing);
        self.stored.fetch_add(len, Ordering::Relaxed);
        lock(&self.done).push(SegmentPack {
            id,
            len,
            header,
            frames: directory.frames,
            chunks: directory.chunks.iter().map(|(id, len)| (prefix(id), *len)).collect(),
        });
        Ok(())
    }
}

fn take_if_full(open: &mut Option<OpenPack>) -> Option<OpenPack> {
    open.take_if(|pack| {
        pack.bytes.len() >= PACK_TARGET
            || pack.directory.chunks.len() >= PACK_CHUNKS
            || pack.directory.frames.len() >= PACK_FRAMES
    })
}

/// A lock that a panicking thread held is still a lock: the run fails anyway.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Compares compressed bytes with what they were made of.
///
/// # Errors
/// [`Error::SelfTest`] when they differ.
pub fn compare(
    codec: Codec,
    body: &[u8],
    plain: &[u8],
    zstd: &mut Decompressor,
    scratch: &mut Vec<u8>,
) -> Result<()> {
    let same = match codec {
        Codec::Raw => body == plain,
        Codec::Zstd => {
            let limit = plain.len();
            zstd.decompress(codec, body, limit, limit, scratch).is_ok() && scratch == plain
        }
    };
    if same { Ok(()) } else { Err(Error::SelfTest) }
}
