//! Packs: a header with the capsules of a fresh data key, sealed frames, a sealed directory.
//!
//! ```text
//! header │ frame 0 │ … │ frame n-1 │ nonce 24 │ directory │ tag 16 │ trailer 16
//! trailer: sealed length of the directory u32 (nonce and tag included), zero u32, "eskrpack"
//! directory: frames u32, chunks u32,
//!            per frame: type u8, codec u8, zero u16, sealed length u32, plain length u32, chunks u32
//!            per chunk: id 32; then per chunk: length u32
//! ```
//! The directory is sealed under the scope's segment key, so that a writer, who cannot open
//! frames, can still take over a pack of an interrupted run and rebuild the index.

use crate::codec::Codec;
use crate::envelope::{Header, Kind, SEAL_OVERHEAD, TAG, array, open_body, seal_body};
use crate::error::{FormatError, Result, malformed, within};
use crate::frame::{FrameHead, FrameType};
use crate::ids::ChunkId;
use crate::limits::{CHUNK_MAX, FRAME_MAX, PACK_CHUNKS_MAX, PACK_FRAMES_MAX, PACK_MAX};
use crate::secret::{Entropy, Secret};

/// Last bytes of every pack.
const TRAILER_MAGIC: [u8; 8] = *b"eskrpack";
/// Length of the trailer in bytes.
pub const TRAILER_LEN: usize = 16;
const FRAME_ROW: usize = 16;
const CHUNK_ROW: usize = 36;
/// Largest directory before sealing.
const DIRECTORY_MAX: usize = 8 + PACK_FRAMES_MAX * FRAME_ROW + PACK_CHUNKS_MAX * CHUNK_ROW;

/// What a pack holds: its frames in order, and the chunks of all frames in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    /// Frames.
    pub frames: Vec<FrameHead>,
    /// Ids and lengths of the chunks; those of frame 0 first.
    pub chunks: Vec<(ChunkId, u32)>,
}

impl Directory {
    /// The encoded directory.
    pub fn encode(&self) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(8 + self.frames.len() * FRAME_ROW + self.chunks.len() * CHUNK_ROW);
        out.extend_from_slice(&(self.frames.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.chunks.len() as u32).to_le_bytes());
        put_frames(&self.frames, &mut out);
        self.chunks.iter().for_each(|(id, _)| out.extend_from_slice(id.as_bytes()));
        self.chunks.iter().for_each(|(_, len)| out.extend_from_slice(&len.to_le_bytes()));
        out
    }

    /// Reads a directory.
    ///
    /// # Errors
    /// When counts and lengths do not add up.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let what = "pack directory";
        let head = bytes.get(..8).ok_or(FormatError::Length { what })?;
        let frames = u32::from_le_bytes(array(head)) as usize;
        let chunks = u32::from_le_bytes(array(&head[4..])) as usize;
        check_counts(frames, chunks)?;
        let rows = frames * FRAME_ROW;
        if bytes.len() != 8 + rows + chunks * CHUNK_ROW {
            return Err(FormatError::Length { what });
        }
        let (ids, lens) = bytes[8 + rows..].split_at(chunks * 32);
        let chunks = ids
            .chunks_exact(32)
            .zip(lens.chunks_exact(4))
            .map(|(id, len)| (ChunkId::new(array(id)), u32::from_le_bytes(array(len))))
            .collect();
        let out = Self { frames: get_frames(&bytes[8..8 + rows])?, chunks };
        check_frames(&out.frames, out.chunks.iter().map(|(_, len)| *len))?;
        Ok(out)
    }

    /// Bytes of all frames in the pack.
    pub fn frames_len(&self) -> u64 {
        self.frames.iter().map(|f| u64::from(f.sealed_len)).sum()
    }
}

/// Writes the rows of frames, as directories and segments hold them.
pub(crate) fn put_frames(frames: &[FrameHead], out: &mut Vec<u8>) {
    for frame in frames {
        out.extend_from_slice(&[frame.frame_type as u8, frame.codec as u8, 0, 0]);
        for n in [frame.sealed_len, frame.plain_len, frame.chunks] {
            out.extend_from_slice(&n.to_le_bytes());
        }
    }
}

/// Reads rows of frames; the length of `bytes` is a multiple of a row.
pub(crate) fn get_frames(bytes: &[u8]) -> Result<Vec<FrameHead>> {
    let row = |row: &[u8]| {
        let features = u16::from_le_bytes(array(&row[2..]));
        if features != 0 {
            let number = features.into();
            return Err(FormatError::Unsupported { what: "frame feature", number });
        }
        Ok(FrameHead {
            frame_type: FrameType::from_number(row[0].into())?,
            codec: Codec::from_number(row[1].into())?,
            sealed_len: u32::from_le_bytes(array(&row[4..])),
            plain_len: u32::from_le_bytes(array(&row[8..])),
            chunks: u32::from_le_bytes(array(&row[12..])),
        })
    };
    bytes.chunks_exact(FRAME_ROW).map(row).collect()
}

/// Length of a row of a frame.
pub(crate) const FRAME_ROW_LEN: usize = FRAME_ROW;

/// Fails when a pack has too many frames or chunks.
pub(crate) fn check_counts(frames: usize, chunks: usize) -> Result<()> {
    within("frames of a pack", frames, PACK_FRAMES_MAX)?;
    within("chunks of a pack", chunks, PACK_CHUNKS_MAX)
}

/// Fails unless the chunks fill the frames exactly and all sizes are within limits.
pub(crate) fn check_frames(
    frames: &[FrameHead],
    mut chunks: impl Iterator<Item = u32>,
) -> Result<()> {
    let what = "frames";
    for frame in frames {
        within("frame", frame.plain_len as usize, FRAME_MAX)?;
        let packed = (frame.sealed_len as usize).checked_sub(TAG);
        let Some(packed) = packed.filter(|packed| frame.chunks > 0 && *packed > 0) else {
            return Err(malformed(what, "an empty frame"));
        };
        let fits = match frame.codec {
            Codec::Raw => packed == frame.plain_len as usize,
            Codec::Zstd => packed < frame.plain_len as usize,
        };
        if !fits {
            return Err(malformed(what, "a length that the codec does not make"));
        }
        let mut sum = 0u64;
        for _ in 0..frame.chunks {
            let len = chunks.next().ok_or(malformed(what, "fewer chunks than the frames say"))?;
            within("chunk", len as usize, CHUNK_MAX)?;
            if len == 0 {
                return Err(malformed(what, "an empty chunk"));
            }
            sum += u64::from(len);
        }
        if sum != u64::from(frame.plain_len) {
            return Err(malformed(what, "chunks do not fill their frame"));
        }
    }
    if chunks.next().is_some() {
        return Err(malformed(what, "more chunks than the frames say"));
    }
    Ok(())
}

/// What follows the frames: sealed directory and trailer. `header` is the pack's encoded header.
///
/// # Errors
/// When [`Directory::decode`] would refuse the directory.
pub fn encode_tail(
    header: &[u8],
    directory: &Directory,
    segment_key: &Secret,
    entropy: &mut Entropy,
) -> Result<Vec<u8>> {
    check_counts(directory.frames.len(), directory.chunks.len())?;
    check_frames(&directory.frames, directory.chunks.iter().map(|(_, len)| *len))?;
    let mut out = header.to_vec();
    seal_body(&mut out, segment_key, &directory.encode(), entropy);
    let mut tail = out.split_off(header.len());
    let len = tail.len() as u32;
    tail.extend_from_slice(&len.to_le_bytes());
    tail.extend_from_slice(&[0; 4]);
    tail.extend_from_slice(&TRAILER_MAGIC);
    Ok(tail)
}

/// Sealed length of the directory, from the trailer (the last 16 bytes of the pack).
///
/// # Errors
/// When it is not a trailer.
pub fn decode_trailer(trailer: &[u8]) -> Result<usize> {
    let what = "pack trailer";
    if trailer.len() != TRAILER_LEN || trailer[8..] != TRAILER_MAGIC || trailer[4..8] != [0; 4] {
        return Err(malformed(what, "not the end of a pack"));
    }
    let len = u32::from_le_bytes(array(trailer)) as usize;
    within("pack directory", len, DIRECTORY_MAX + SEAL_OVERHEAD)?;
    Ok(len)
}

/// Opens the sealed directory (as long as the trailer says) of the pack with this header.
///
/// # Errors
/// When it is not the directory of this pack, or does not tile a pack of `pack_len` bytes.
pub fn open_directory(
    header: &[u8],
    sealed: &[u8],
    pack_len: u64,
    segment_key: &Secret,
) -> Result<Directory> {
    within("pack", usize::try_from(pack_len).unwrap_or(usize::MAX), PACK_MAX)?;
    let object = [header, sealed].concat();
    let plain = open_body("pack directory", &object, header.len(), segment_key, DIRECTORY_MAX)?;
    let directory = Directory::decode(&plain)?;
    let len =
        header.len() as u64 + directory.frames_len() + sealed.len() as u64 + TRAILER_LEN as u64;
    if len != pack_len {
        return Err(FormatError::Length { what: "pack" });
    }
    Ok(directory)
}

/// Reads header and directory out of a whole pack.
///
/// # Errors
/// When any part is not what it should be.
pub fn decode_pack(pack: &[u8], segment_key: &Secret) -> Result<(Header, usize, Directory)> {
    let (header, header_len) = Header::decode(pack)?;
    if header.kind != Kind::Pack {
        return Err(FormatError::Misplaced { what: "kind" });
    }
    let short = || FormatError::Length { what: "pack" };
    let trailer_at = pack.len().checked_sub(TRAILER_LEN).ok_or_else(short)?;
    let sealed_len = decode_trailer(&pack[trailer_at..])?;
    let sealed_at =
        trailer_at.checked_sub(sealed_len).filter(|at| *at >= header_len).ok_or_else(short)?;
    let sealed = &pack[sealed_at..trailer_at];
    let directory = open_directory(&pack[..header_len], sealed, pack.len() as u64, segment_key)?;
    Ok((header, header_len, directory))
}
