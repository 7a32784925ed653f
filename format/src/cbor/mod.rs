//! Canonical CBOR: one encoding for each value (RFC 8949 section 4.2.1), integer keys, and unknown
//! keys from 128 on preserved. Reading is lenient item by item; [`decode`] then encodes what it
//! read and refuses bytes that differ, which is the whole canonical rule in one comparison.

use crate::error::{FormatError, Result, malformed, within};
use minicbor::data::Type;
use sink::Sink;
use zeroize::Zeroizing;

mod extra;
mod sink;
mod values;

pub use extra::Extra;

/// Keys from here on may be unknown: they are kept and written again. Below, unknown means newer.
pub const IGNORABLE: u64 = 128;

/// Longer values are compared with their canonical form by a hash.
const COMPARED_MAX: usize = 1 << 20;

/// Decodes one value that fills `bytes`.
///
/// # Errors
/// When the bytes are over `limit`, break a rule, or are not the canonical form of their value.
pub fn decode<T: Cbor>(what: &'static str, bytes: &[u8], limit: usize) -> Result<T> {
    let value = read(what, bytes, limit)?;
    if bytes.len() > COMPARED_MAX {
        // Once in memory is enough of what can have hundreds of MiB.
        let mut writer = Writer { inner: minicbor::Encoder::new(Sink::sum()) };
        T::put(&value, &mut writer);
        let is_same = writer.inner.into_writer().is_sum_of(bytes);
        return if is_same { Ok(value) } else { Err(FormatError::NotCanonical { what }) };
    }
    canonical(what, &encode_into(&value, Vec::with_capacity(bytes.len())), bytes)?;
    Ok(value)
}

/// As [`decode`], for a value with secrets in it: what was encoded for the comparison is wiped.
///
/// # Errors
/// As [`decode`].
pub fn decode_secret<T: Cbor>(what: &'static str, bytes: &[u8], limit: usize) -> Result<T> {
    let value = read(what, bytes, limit)?;
    // The canonical form is the shortest, so the buffer never moves and leaves a copy behind.
    let again = Zeroizing::new(encode_into(&value, Vec::with_capacity(bytes.len())));
    canonical(what, &again, bytes)?;
    Ok(value)
}

fn read<T: Cbor>(what: &'static str, bytes: &[u8], limit: usize) -> Result<T> {
    within(what, bytes.len(), limit)?;
    let mut reader = Reader { inner: minicbor::Decoder::new(bytes) };
    let value = T::get(&mut reader)?;
    if reader.inner.position() != bytes.len() {
        return Err(FormatError::Length { what });
    }
    Ok(value)
}

fn canonical(what: &'static str, canonical: &[u8], bytes: &[u8]) -> Result<()> {
    if canonical == bytes { Ok(()) } else { Err(FormatError::NotCanonical { what }) }
}

/// Encodes a value in its canonical form.
pub fn encode<T: Cbor>(value: &T) -> Vec<u8> {
    encode_into(value, Vec::new())
}

/// Encodes a value behind what is in `buffer`, whose capacity is used.
pub fn encode_into<T: Cbor>(value: &T, buffer: Vec<u8>) -> Vec<u8> {
    let mut writer = Writer::behind(buffer);
    value.put(&mut writer);
    writer.into_bytes()
}

/// Encodes a value, unless a decoder would refuse it.
///
/// # Errors
/// As [`decode`].
pub fn encode_checked<T: Cbor>(what: &'static str, value: &T, limit: usize) -> Result<Vec<u8>> {
    let bytes = encode(value);
    decode::<T>(what, &bytes, limit)?;
    Ok(bytes)
}

/// A value with one canonical encoding.
pub trait Cbor: Sized {
    /// Items that a list of these may have. Set where an item takes much more memory than its
    /// shortest encoding.
    const LIST_MAX: usize = usize::MAX;
    /// Writes the value.
    fn put(&self, w: &mut Writer);
    /// Reads the value.
    ///
    /// # Errors
    /// When the bytes are not such a value.
    fn get(r: &mut Reader<'_>) -> Result<Self>;
    /// What a map key that is not there stands for; `None` makes the key mandatory.
    fn absent() -> Option<Self> {
        None
    }
    /// Whether the key is left out, which is the canonical form of the absent value.
    fn is_absent(&self) -> bool {
        false
    }
}

/// Writes CBOR, into memory, which cannot fail.
pub struct Writer {
    inner: minicbor::Encoder<Sink>,
}

impl Default for Writer {
    fn default() -> Self {
        Self::behind(Vec::new())
    }
}

impl Writer {
    /// Writes behind what is in `buffer`.
    fn behind(buffer: Vec<u8>) -> Self {
        Self { inner: minicbor::Encoder::new(Sink::Bytes(buffer)) }
    }
    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.inner.into_writer().into_bytes()
    }
    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.inner.writer().len()
    }
    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// An unsigned integer.
    pub fn u64(&mut self, value: u64) {
        let _ = self.inner.u64(value);
    }
    /// A signed integer.
    pub fn i64(&mut self, value: i64) {
        let _ = self.inner.i64(value);
    }
    /// A byte string.
    pub fn bytes(&mut self, value: &[u8]) {
        let _ = self.inner.bytes(value);
    }
    /// A text string.
    pub fn text(&mut self, value: &str) {
        let _ = self.inner.str(value);
    }
    /// The head of an array of `len` items.
    pub fn array(&mut self, len: usize) {
        let _ = self.inner.array(len as u64);
    }
    /// The head of a map of `len` pairs.
    pub fn map(&mut self, len: usize) {
        let _ = self.inner.map(len as u64);
    }
    fn raw(&mut self, item: &[u8]) {
        self.inner.writer_mut().extend(item);
    }
}

/// Reads CBOR. Nothing is allocated for a length before its bytes were seen.
pub struct Reader<'b> {
    inner: minicbor::Decoder<'b>,
}

impl<'b> Reader<'b> {
    /// An unsigned integer.
    pub fn u64(&mut self, what: &'static str) -> Result<u64> {
        self.inner.u64().map_err(|_| malformed(what, "an unsigned integer was expected"))
    }
    /// A signed integer.
    pub fn i64(&mut self, what: &'static str) -> Result<i64> {
        self.inner.i64().map_err(|_| malformed(what, "an integer was expected"))
    }
    /// A byte string of at most `limit` bytes, of one piece.
    pub fn bytes(&mut self, what: &'static str, limit: usize) -> Result<&'b [u8]> {
        let bytes =
            self.inner.bytes().map_err(|_| malformed(what, "a byte string was expected"))?;
        within(what, bytes.len(), limit)?;
        Ok(bytes)
    }
    /// A text string of at most `limit` bytes, of one piece.
    pub fn text(&mut self, what: &'static str, limit: usize) -> Result<&'b str> {
        let text = self.inner.str().map_err(|_| malformed(what, "a text was expected"))?;
        within(what, text.len(), limit)?;
        Ok(text)
    }
    /// The length of an array, which cannot be more than the bytes that are left.
    pub fn array(&mut self, what: &'static str) -> Result<usize> {
        let len =
            self.inner.array().ok().flatten().ok_or(malformed(what, "an array was expected"))?;
        self.fits(what, len)
    }
    /// A list of at most `limit` items.
    pub fn list<T: Cbor>(&mut self, what: &'static str, limit: usize) -> Result<Vec<T>> {
        let len = self.array(what)?;
        within(what, len, limit)?;
        // Not with_capacity(len): an item in memory can be many times its encoding.
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(T::get(self)?);
        }
        Ok(items)
    }
    /// An array of exactly `len` items.
    pub fn array_of(&mut self, what: &'static str, len: usize) -> Result<()> {
        if self.array(what)? == len {
            Ok(())
        } else {
            Err(malformed(what, "wrong number of items"))
        }
    }
    /// The number of pairs of a map, which cannot be more than the bytes that are left.
    pub fn map(&mut self, what: &'static str) -> Result<usize> {
        let len = self.inner.map().ok().flatten().ok_or(malformed(what, "a map was expected"))?;
        self.fits(what, len)
    }
    /// The type of the next item.
    pub(crate) fn peek(&self, what: &'static str) -> Result<Type> {
        self.inner.datatype().map_err(|_| FormatError::Length { what })
    }
    fn fits(&self, what: &'static str, len: u64) -> Result<usize> {
        let left = self.inner.input().len() - self.inner.position();
        if len > left as u64 {
            return Err(FormatError::Length { what });
        }
        Ok(len as usize)
    }
    /// One whole item of any kind in canonical form, as its bytes.
    fn raw(&mut self, what: &'static str) -> Result<&'b [u8]> {
        let start = self.inner.position();
        let end = start + extra::canonical_len(what, &self.inner.input()[start..], 0)?;
        self.inner.set_position(end);
        Ok(&self.inner.input()[start..end])
    }
}
