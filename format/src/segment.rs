//! Segments: which packs exist, what is in each, and all that is needed to read a range of one
//! with a single request. A sealed body (segment key of the scope) of this form:
//!
//! ```text
//! packs u32, then for each pack:
//!   id 32, length u64, header length u32, frames u32, chunks u32, header,
//!   per frame: as in a pack's directory;  per chunk: id prefix 16;  then per chunk: length u32
//! ```

use crate::envelope::{Header, Kind, SEAL_OVERHEAD, array, open_body, seal_body};
use crate::error::{FormatError, Result, within};
use crate::frame::FrameHead;
use crate::ids::{ChunkId, PackId};
use crate::limits::{HEADER_MAX, PACK_MAX, SEGMENT_MAX, SEGMENT_WRITTEN};
use crate::pack::{FRAME_ROW_LEN, TRAILER_LEN, check_counts, check_frames, get_frames, put_frames};
use crate::secret::{Entropy, Secret};

/// The first half of a chunk id: enough to find it, never enough to trust it.
pub type Prefix = [u8; 16];

/// The prefix of an id.
pub fn prefix(id: &ChunkId) -> Prefix {
    array(id.as_bytes())
}

/// One pack in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentPack {
    /// The pack.
    pub id: PackId,
    /// Its length in bytes.
    pub len: u64,
    /// Its encoded header.
    pub header: Vec<u8>,
    /// Its frames.
    pub frames: Vec<FrameHead>,
    /// Its chunks in order.
    pub chunks: Vec<(Prefix, u32)>,
}

/// Bytes before the first pack of a list.
const LIST_HEAD: usize = 4;

/// Bytes that a pack takes in a segment.
pub fn encoded_len(pack: &SegmentPack) -> usize {
    52 + pack.header.len() + pack.frames.len() * FRAME_ROW_LEN + pack.chunks.len() * 20
}

/// The packs in lists, each for one segment that a reader takes in at once.
pub fn split(packs: &[SegmentPack]) -> Vec<&[SegmentPack]> {
    split_at(packs, SEGMENT_WRITTEN)
}

fn split_at(mut packs: &[SegmentPack], limit: usize) -> Vec<&[SegmentPack]> {
    let mut out = Vec::new();
    while !packs.is_empty() {
        let mut len = LIST_HEAD;
        let fits = |pack: &&SegmentPack| {
            len += encoded_len(pack);
            len <= limit
        };
        let (list, rest) = packs.split_at(packs.iter().take_while(fits).count().max(1));
        out.push(list);
        packs = rest;
    }
    out
}

/// The encoded list, before sealing.
pub fn encode(packs: &[SegmentPack]) -> Vec<u8> {
    let mut out = Vec::with_capacity(LIST_HEAD + packs.iter().map(encoded_len).sum::<usize>());
    out.extend_from_slice(&(packs.len() as u32).to_le_bytes());
    for pack in packs {
        out.extend_from_slice(pack.id.as_bytes());
        out.extend_from_slice(&pack.len.to_le_bytes());
        for n in [pack.header.len(), pack.frames.len(), pack.chunks.len()] {
            out.extend_from_slice(&(n as u32).to_le_bytes());
        }
        out.extend_from_slice(&pack.header);
        put_frames(&pack.frames, &mut out);
        pack.chunks.iter().for_each(|(prefix, _)| out.extend_from_slice(prefix));
        pack.chunks.iter().for_each(|(_, len)| out.extend_from_slice(&len.to_le_bytes()));
    }
    out
}

/// Reads the list.
///
/// # Errors
/// When counts and lengths do not add up or a header is not one of a pack.
pub fn decode(mut bytes: &[u8]) -> Result<Vec<SegmentPack>> {
    let what = "segment";
    within(what, bytes.len(), SEGMENT_MAX)?;
    let mut take = |n: usize| {
        let (head, tail) = bytes.split_at_checked(n).ok_or(FormatError::Length { what })?;
        bytes = tail;
        Ok::<_, FormatError>(head)
    };
    let u32_of = |b: &[u8]| u32::from_le_bytes(array(b)) as usize;
    let count = u32_of(take(4)?);
    let mut packs = Vec::new();
    for _ in 0..count {
        let id = PackId::new(array(take(32)?));
        let len = u64::from_le_bytes(array(take(8)?));
        within("pack", usize::try_from(len).unwrap_or(usize::MAX), PACK_MAX)?;
        let (header, frames, chunks) = (u32_of(take(4)?), u32_of(take(4)?), u32_of(take(4)?));
        within("header", header, HEADER_MAX)?;
        check_counts(frames, chunks)?;
        let header = take(header)?.to_vec();
        let (parsed, parsed_len) = Header::decode(&header)?;
        if parsed.kind != Kind::Pack || parsed_len != header.len() {
            return Err(FormatError::Misplaced { what: "header of a pack" });
        }
        let frames = get_frames(take(frames * FRAME_ROW_LEN)?)?;
        let (prefixes, lens) = (take(chunks * 16)?, take(chunks * 4)?);
        let chunks: Vec<(Prefix, u32)> = prefixes
            .chunks_exact(16)
            .zip(lens.chunks_exact(4))
            .map(|(p, len)| (array(p), u32::from_le_bytes(array(len))))
            .collect();
        check_frames(&frames, chunks.iter().map(|(_, len)| *len))?;
        let frames_len: u64 = frames.iter().map(|f| u64::from(f.sealed_len)).sum();
        let least = (SEAL_OVERHEAD + TRAILER_LEN) as u64;
        if frames_len + header.len() as u64 + least > len {
            return Err(FormatError::Length { what: "pack" });
        }
        packs.push(SegmentPack { id, len, header, frames, chunks });
    }
    if bytes.is_empty() { Ok(packs) } else { Err(FormatError::Length { what }) }
}

/// The segment object.
///
/// # Errors
/// When it has more than [`decode`] takes.
pub fn encode_object(
    header: &Header,
    packs: &[SegmentPack],
    key: &Secret,
    entropy: &mut Entropy,
) -> Result<Vec<u8>> {
    within("segment", LIST_HEAD + packs.iter().map(encoded_len).sum::<usize>(), SEGMENT_MAX)?;
    for pack in packs {
        check_counts(pack.frames.len(), pack.chunks.len())?;
    }
    let mut object = header.encode();
    seal_body(&mut object, key, &encode(packs), entropy);
    Ok(object)
}

/// Reads a segment object.
///
/// # Errors
/// When it is not authentic under the scope's segment key or breaks a rule.
pub fn decode_object(object: &[u8], key: &Secret) -> Result<(Header, Vec<SegmentPack>)> {
    let (header, header_len) = Header::decode(object)?;
    if header.kind != Kind::Segment {
        return Err(FormatError::Misplaced { what: "kind" });
    }
    let plain = open_body("segment", object, header_len, key, SEGMENT_MAX)?;
    let packs = decode(&plain)?;
    for pack in &packs {
        let (of_pack, _) = Header::decode(&pack.header)?;
        of_pack.expect(Kind::Pack, header.repository)?;
        if of_pack.scope != header.scope {
            return Err(FormatError::Misplaced { what: "scope" });
        }
    }
    Ok((header, packs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_too_long_becomes_several_segments() {
        let pack = |n: u8| SegmentPack {
            id: PackId::new([n; 32]),
            len: 0,
            header: Vec::new(),
            frames: Vec::new(),
            chunks: vec![([n; 16], 1); 10],
        };
        let packs: Vec<_> = (0..5).map(pack).collect();
        let two = encode(&packs[..2]).len();
        let lens = |limit| split_at(&packs, limit).iter().map(|l| l.len()).collect::<Vec<_>>();
        assert_eq!(lens(two), [2, 2, 1]);
        assert_eq!(lens(two - 1), [1; 5]);
        assert_eq!(lens(SEGMENT_MAX), [5]);
        assert_eq!(split_at(&packs, two).concat(), packs);
        assert!(split(&[]).is_empty());
    }
}
