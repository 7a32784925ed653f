//! Frames: consecutive chunks, compressed and sealed as one.

use crate::cbor_enum;
use crate::codec::{Codec, Decompressor};
use crate::envelope::{TAG, open, seal};
use crate::error::{FormatError, Result, within};
use crate::limits::FRAME_MAX;
use crate::secret::Secret;

cbor_enum! {
    /// What the chunks of a frame are. A frame has one type.
    pub enum FrameType {
        /// Bytes of files, streams and images.
        Data = 1,
        /// Pages of path maps, content lists and attributes.
        Page = 2,
    }
}

/// What must be known of a frame to open it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// Type of its chunks.
    pub frame_type: FrameType,
    /// How it was compressed.
    pub codec: Codec,
    /// Bytes in the pack, tag included.
    pub sealed_len: u32,
    /// Bytes of plaintext.
    pub plain_len: u32,
    /// Chunks in it.
    pub chunks: u32,
}

/// Seals and opens the frames of one pack.
pub struct FrameKey {
    key: Secret,
    /// BLAKE3 of the pack's header: repository, writer, session and capsules.
    pack: [u8; 32],
}

impl FrameKey {
    /// The frames of the pack with this header and data key.
    pub fn new(key: Secret, header: &[u8]) -> Self {
        Self { key, pack: *blake3::hash(header).as_bytes() }
    }

    /// Seals compressed bytes in place and appends the tag.
    ///
    /// The nonce is the frame's number. That is safe because the key is fresh for this pack and
    /// each number is sealed once: whoever calls must not seal other bytes under a number again.
    pub fn seal(&self, number: u32, head: &mut FrameHead, body: &mut Vec<u8>) {
        head.sealed_len = (body.len() + TAG) as u32;
        let tag = seal(&self.key, &nonce(number), &self.bind(number, head), body);
        body.extend_from_slice(&tag);
    }

    /// Appends the sealed form of compressed bytes to `out`. The same care as for [`FrameKey::seal`].
    pub fn seal_into(&self, number: u32, head: &mut FrameHead, body: &[u8], out: &mut Vec<u8>) {
        head.sealed_len = (body.len() + TAG) as u32;
        let start = out.len();
        out.reserve(body.len() + TAG);
        out.extend_from_slice(body);
        let tag = seal(&self.key, &nonce(number), &self.bind(number, head), &mut out[start..]);
        out.extend_from_slice(&tag);
    }

    /// Whether the sealed bytes of frame `number` open to `body`. `scratch` is replaced.
    #[must_use]
    pub fn opens_to(
        &self,
        number: u32,
        head: &FrameHead,
        sealed: &[u8],
        body: &[u8],
        scratch: &mut Vec<u8>,
    ) -> bool {
        let Some(end) = sealed.len().checked_sub(TAG) else { return false };
        scratch.clear();
        scratch.extend_from_slice(&sealed[..end]);
        let tag = crate::envelope::array(&sealed[end..]);
        open(&self.key, &nonce(number), &self.bind(number, head), scratch, &tag) && scratch == body
    }

    /// Opens frame `number` into `plain` (replaced). `sealed` is used as scratch space.
    ///
    /// # Errors
    /// When the bytes are not that frame, or it is over the limit.
    pub fn open(
        &self,
        number: u32,
        head: &FrameHead,
        sealed: &mut [u8],
        zstd: &mut Decompressor,
        plain: &mut Vec<u8>,
    ) -> Result<()> {
        let what = "frame";
        if sealed.len() != head.sealed_len as usize || sealed.len() < TAG {
            return Err(FormatError::Length { what });
        }
        within(what, head.plain_len as usize, FRAME_MAX)?;
        let (body, tag) = sealed.split_at_mut(head.sealed_len as usize - TAG);
        let tag = crate::envelope::array(tag);
        if !open(&self.key, &nonce(number), &self.bind(number, head), body, &tag) {
            return Err(FormatError::NotAuthentic { what });
        }
        zstd.decompress(head.codec, body, head.plain_len as usize, FRAME_MAX, plain)
    }

    /// Associated data: the pack, the place in it, and how to read what is inside.
    fn bind(&self, number: u32, head: &FrameHead) -> [u8; 46] {
        let mut out = [0; 46];
        out[..32].copy_from_slice(&self.pack);
        out[32..36].copy_from_slice(&number.to_le_bytes());
        out[36] = head.frame_type as u8;
        out[37] = head.codec as u8;
        out[38..42].copy_from_slice(&head.plain_len.to_le_bytes());
        out[42..46].copy_from_slice(&head.chunks.to_le_bytes());
        out
    }
}

fn nonce(number: u32) -> [u8; 24] {
    let mut out = [0; 24];
    out[..4].copy_from_slice(&number.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_opens_only_under_its_own_pack_number_and_head() {
        let key = |header: &[u8]| FrameKey::new(Secret::new([7; 32]), header);
        let head = FrameHead {
            frame_type: FrameType::Data,
            codec: Codec::Raw,
            sealed_len: 0,
            plain_len: 5,
            chunks: 1,
        };
        let (mut sealed, mut first) = (b"hello".to_vec(), head);
        key(b"header").seal(3, &mut first, &mut sealed);
        let mut zstd = Decompressor::default();
        let mut open = |k: FrameKey, number, head: FrameHead| {
            let mut plain = Vec::new();
            k.open(number, &head, &mut sealed.clone(), &mut zstd, &mut plain).map(|()| plain)
        };
        assert_eq!(open(key(b"header"), 3, first).unwrap(), b"hello");
        let swapped = FrameHead { frame_type: FrameType::Page, ..first };
        let counted = FrameHead { chunks: 2, ..first };
        for (k, number, head) in [
            (key(b"other"), 3, first),
            (key(b"header"), 4, first),
            (key(b"header"), 3, swapped),
            (key(b"header"), 3, counted),
        ] {
            assert_eq!(open(k, number, head), Err(FormatError::NotAuthentic { what: "frame" }));
        }
    }
}
