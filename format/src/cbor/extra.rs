//! What this version does not know: kept as it came, in canonical form.

use super::{IGNORABLE, Reader, Writer};
use crate::error::{FormatError, Result, malformed};
use crate::limits::CBOR_DEPTH_MAX;

/// Unknown ignorable keys of a map with their values, kept as they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extra(Option<Box<Unknown>>);

/// Pairs one after the other in their encoded form: many small ones take no more memory than that.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unknown {
    pairs: usize,
    last: u64,
    bytes: Vec<u8>,
}

impl Extra {
    /// Number of keys.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |unknown| unknown.pairs)
    }
    /// Whether every key was known.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
    /// Bytes of keys and values as they are encoded.
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(0, |unknown| unknown.bytes.len())
    }
    #[doc(hidden)]
    pub fn put(&self, w: &mut Writer) {
        if let Some(unknown) = &self.0 {
            w.raw(&unknown.bytes);
        }
    }
    /// The value of one unknown key, whatever its number.
    #[doc(hidden)]
    pub fn one(what: &'static str, key: u64, r: &mut Reader<'_>) -> Result<Self> {
        let mut extra = Self::default();
        extra.add(key, r.raw(what)?);
        Ok(extra)
    }
    #[doc(hidden)]
    pub fn take(&mut self, what: &'static str, key: u64, r: &mut Reader<'_>) -> Result<()> {
        if key < IGNORABLE {
            return Err(FormatError::Unsupported { what, number: key });
        }
        if self.0.as_ref().is_some_and(|unknown| unknown.last >= key) {
            return Err(FormatError::NotCanonical { what });
        }
        self.add(key, r.raw(what)?);
        Ok(())
    }
    fn add(&mut self, key: u64, value: &[u8]) {
        let none = || Box::new(Unknown { pairs: 0, last: 0, bytes: Vec::new() });
        let unknown = self.0.get_or_insert_with(none);
        let mut w = Writer::behind(std::mem::take(&mut unknown.bytes));
        w.u64(key);
        w.raw(value);
        unknown.bytes = w.into_bytes();
        unknown.pairs += 1;
        unknown.last = key;
    }
}

/// Length of the canonical item that `bytes` begin with.
pub(super) fn canonical_len(what: &'static str, bytes: &[u8], depth: u32) -> Result<usize> {
    let short = || FormatError::Length { what };
    if depth > CBOR_DEPTH_MAX {
        return Err(malformed(what, "nested too deeply"));
    }
    let first = *bytes.first().ok_or_else(short)?;
    let (major, info) = (first >> 5, first & 31);
    let (head, value) = match info {
        0..=23 => (1, u64::from(info)),
        24..=27 => {
            let n = 1usize << (info - 24);
            let raw = bytes.get(1..1 + n).ok_or_else(short)?;
            let value = raw.iter().fold(0u64, |v, b| v << 8 | u64::from(*b));
            let least = [24, 0x100, 0x1_0000, 0x1_0000_0000][usize::from(info - 24)];
            if value < least {
                return Err(FormatError::NotCanonical { what });
            }
            (1 + n, value)
        }
        _ => return Err(FormatError::NotCanonical { what }),
    };
    let left = bytes.len() - head;
    match major {
        0 | 1 => Ok(head),
        2 | 3 if value <= left as u64 => {
            let body = &bytes[head..head + value as usize];
            if major == 3 && std::str::from_utf8(body).is_err() {
                return Err(malformed(what, "text is not UTF-8"));
            }
            Ok(head + value as usize)
        }
        4 | 5 if value <= left as u64 => {
            let mut at = head;
            let mut last: Option<&[u8]> = None;
            for _ in 0..value {
                let key = at..at + canonical_len(what, &bytes[at..], depth + 1)?;
                at = key.end;
                if major == 5 {
                    if last.is_some_and(|l| l >= &bytes[key.clone()]) {
                        return Err(FormatError::NotCanonical { what });
                    }
                    last = Some(&bytes[key]);
                    at += canonical_len(what, &bytes[at..], depth + 1)?;
                }
            }
            Ok(at)
        }
        2..=5 => Err(short()),
        _ => Err(malformed(what, "tags and simple values are not used")),
    }
}
