//! Compression of frames and bodies. Contexts and buffers are reused: on a busy machine a fresh
//! page of memory costs more than compressing it.

use crate::cbor_enum;
use crate::error::{FormatError, Result, malformed, within};
use zstd::zstd_safe::{self, CCtx, CParameter, DCtx};

cbor_enum! {
    /// How plaintext was compressed before it was sealed.
    pub enum Codec {
        /// Not at all, because it did not shrink.
        Raw = 0,
        /// One zstd frame that says its content size, without checksum or dictionary, and with a
        /// window of at most 16 MiB.
        Zstd = 1,
    }
}

/// Largest zstd window that a reader accepts: the largest frame. zstd itself would not look at it
/// where all is decompressed at once.
const WINDOW_MAX: u64 = 16 << 20;

/// In the place of a level: for text in which nothing comes again but single letters, such as the
/// digits of a dump. There a match is chance, and costs more than the letters that it stands for.
pub const DIGITS: i32 = 0;
/// Places that are remembered then, as a power of two. Of 60 MB of a dump, level 1 with its table of 2^14
/// makes 0.4475, and with this one 0.4443.
const DIGITS_TABLE: u32 = 8;

/// Compresses; keeps its context from call to call.
pub struct Compressor {
    context: CCtx<'static>,
}

impl Default for Compressor {
    fn default() -> Self {
        Self { context: CCtx::create() }
    }
}

impl Compressor {
    /// Compresses `plain` into `out` (replaced) at a zstd level, or at [`DIGITS`]. Where that does not save at least
    /// one byte in 32, `out` becomes `plain` itself.
    pub fn compress(&mut self, level: i32, plain: &[u8], out: &mut Vec<u8>) -> Codec {
        out.clear();
        out.reserve(zstd_safe::compress_bound(plain.len()));
        // No checksum in the zstd frame: the seal covers every byte and the chunk id every plaintext.
        // A table of the level's own size, unless it is to find next to nothing.
        let (level, table) = if level == DIGITS { (1, DIGITS_TABLE) } else { (level, 0) };
        let done = self
            .context
            .set_parameter(CParameter::CompressionLevel(level))
            .and_then(|_| self.context.set_parameter(CParameter::HashLog(table)))
            .and_then(|_| self.context.set_parameter(CParameter::ChecksumFlag(false)))
            .and_then(|_| self.context.compress2(out, plain));
        if done.is_ok() && out.len() + plain.len().div_ceil(32) <= plain.len() {
            return Codec::Zstd;
        }
        out.clear();
        out.extend_from_slice(plain);
        Codec::Raw
    }
}

/// Decompresses; keeps its context from call to call.
pub struct Decompressor {
    context: DCtx<'static>,
}

impl Default for Decompressor {
    fn default() -> Self {
        Self { context: DCtx::create() }
    }
}

impl Decompressor {
    /// Restores the `len` bytes of plaintext that `bytes` stand for into `out` (replaced).
    ///
    /// # Errors
    /// When `len` is over `limit`, or the bytes do not stand for exactly `len` bytes.
    pub fn decompress(
        &mut self,
        codec: Codec,
        bytes: &[u8],
        len: usize,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        within("compressed data", len, limit)?;
        out.clear();
        match codec {
            Codec::Raw if bytes.len() == len => out.extend_from_slice(bytes),
            Codec::Raw => return Err(FormatError::Length { what: "compressed data" }),
            Codec::Zstd => {
                check_zstd(bytes, len)?;
                out.reserve(len);
                self.context
                    .decompress(out, bytes)
                    .map_err(|_| malformed("compressed data", "zstd cannot read it"))?;
            }
        }
        if out.len() == len { Ok(()) } else { Err(FormatError::Length { what: "compressed data" }) }
    }
}

/// Fails unless `bytes` are one zstd frame of the permitted form (RFC 8878 section 3.1.1) that
/// says it has `len` bytes. zstd alone would also take several frames and skippable ones.
fn check_zstd(bytes: &[u8], len: usize) -> Result<()> {
    let what = "compressed data";
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, next, ..] = *bytes else {
        return Err(malformed(what, "not a zstd frame"));
    };
    if descriptor & 0b111 != 0 {
        return Err(malformed(what, "a zstd frame with checksum or dictionary"));
    }
    // A frame of a single segment has no window of its own: it is the content.
    if descriptor & 0b10_0000 == 0 {
        let base = 1u64 << (10 + (next >> 3));
        let window = base + base / 8 * u64::from(next & 7);
        if window > WINDOW_MAX {
            return Err(FormatError::TooLarge { what: "window", size: window, limit: WINDOW_MAX });
        }
    }
    if !matches!(zstd_safe::get_frame_content_size(bytes), Ok(Some(size)) if size == len as u64)
        || zstd_safe::find_frame_compressed_size(bytes) != Ok(bytes.len())
    {
        return Err(FormatError::Length { what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_shrink_is_kept_raw_and_all_comes_back() {
        let mut noise = vec![0; 70_000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let cases = [
            (vec![], Codec::Raw),
            (vec![7], Codec::Raw),
            (vec![7; 100_000], Codec::Zstd),
            (noise, Codec::Raw),
        ];
        let (mut to, mut from) = (Compressor::default(), Decompressor::default());
        let (mut packed, mut back) = (Vec::new(), Vec::new());
        for (plain, codec) in cases {
            assert_eq!(to.compress(3, &plain, &mut packed), codec);
            from.decompress(codec, &packed, plain.len(), 1 << 20, &mut back).unwrap();
            assert_eq!(back, plain);
            assert!(from.decompress(codec, &packed, plain.len() + 1, 1 << 20, &mut back).is_err());
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_memory_is_taken() {
        let error = Decompressor::default()
            .decompress(Codec::Zstd, &[0; 16], usize::MAX, 1 << 20, &mut Vec::new())
            .unwrap_err();
        assert!(matches!(error, FormatError::TooLarge { .. }), "{error}");
    }
}
