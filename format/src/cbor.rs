//! Canonical CBOR: one encoding for each value (RFC 8949 section 4.2.1), integer keys, and unknown
//! keys from 128 on preserved. Reading is lenient item by item; [`decode`] then encodes what it
//! read and refuses bytes that differ, which is the whole canonical rule in one comparison.

use crate::error::{FormatError, Result, malformed, within};
use crate::limits::{CBOR_DEPTH_MAX, TEXT_MAX};
use minicbor::data::Type;

/// Keys from here on may be unknown: they are kept and written again. Below, unknown means newer.
pub const IGNORABLE: u64 = 128;

/// Decodes one value that fills `bytes`.
///
/// # Errors
/// When the bytes are over `limit`, break a rule, or are not the canonical form of their value.
pub fn decode<T: Cbor>(what: &'static str, bytes: &[u8], limit: usize) -> Result<T> {
    within(what, bytes.len(), limit)?;
    let mut reader = Reader { inner: minicbor::Decoder::new(bytes) };
    let value = T::get(&mut reader)?;
    if reader.inner.position() != bytes.len() {
        return Err(FormatError::Length { what });
    }
    if encode(&value) != bytes {
        return Err(FormatError::NotCanonical { what });
    }
    Ok(value)
}

/// Encodes a value in its canonical form.
pub fn encode<T: Cbor>(value: &T) -> Vec<u8> {
    let mut writer = Writer::default();
    value.put(&mut writer);
    writer.into_bytes()
}

/// A value with one canonical encoding.
pub trait Cbor: Sized {
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
    inner: minicbor::Encoder<Vec<u8>>,
}

impl Default for Writer {
    fn default() -> Self {
        Self { inner: minicbor::Encoder::new(Vec::new()) }
    }
}

impl Writer {
    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.inner.into_writer()
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
        self.inner.writer_mut().extend_from_slice(item);
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
        let end = start + canonical_len(what, &self.inner.input()[start..], 0)?;
        self.inner.set_position(end);
        Ok(&self.inner.input()[start..end])
    }
}

/// Length of the canonical item that `bytes` begin with.
fn canonical_len(what: &'static str, bytes: &[u8], depth: u32) -> Result<usize> {
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

/// Unknown ignorable keys of a map with their values, kept as they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extra(Vec<(u64, Vec<u8>)>);

impl Extra {
    #[doc(hidden)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    #[doc(hidden)]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    #[doc(hidden)]
    pub fn put(&self, w: &mut Writer) {
        for (key, value) in &self.0 {
            w.u64(*key);
            w.raw(value);
        }
    }
    /// The value of one unknown key, whatever its number.
    #[doc(hidden)]
    pub fn one(what: &'static str, key: u64, r: &mut Reader<'_>) -> Result<Self> {
        Ok(Self(vec![(key, r.raw(what)?.to_vec())]))
    }
    #[doc(hidden)]
    pub fn take(&mut self, what: &'static str, key: u64, r: &mut Reader<'_>) -> Result<()> {
        if key < IGNORABLE {
            return Err(FormatError::Unsupported { what, number: key });
        }
        if self.0.last().is_some_and(|(last, _)| *last >= key) {
            return Err(FormatError::NotCanonical { what });
        }
        self.0.push((key, r.raw(what)?.to_vec()));
        Ok(())
    }
}

/// Defines a struct that is a CBOR map with the given integer keys, which must ascend and be
/// below [`IGNORABLE`]. Every such struct keeps unknown ignorable keys in `extra`.
#[macro_export]
#[doc(hidden)]
macro_rules! cbor_map {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$fdoc:meta])* $key:literal => $field:ident : $type:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$fdoc])* pub $field: $type,)*
            /// Unknown ignorable keys, preserved.
            pub extra: $crate::cbor::Extra,
        }
        impl $crate::cbor::Cbor for $name {
            fn put(&self, w: &mut $crate::cbor::Writer) {
                let len = self.extra.len()
                    $(+ usize::from(!<$type as $crate::cbor::Cbor>::is_absent(&self.$field)))*;
                w.map(len);
                $(if !<$type as $crate::cbor::Cbor>::is_absent(&self.$field) {
                    w.u64($key);
                    <$type as $crate::cbor::Cbor>::put(&self.$field, w);
                })*
                self.extra.put(w);
            }
            fn get(r: &mut $crate::cbor::Reader<'_>) -> $crate::error::Result<Self> {
                let what = stringify!($name);
                let pairs = r.map(what)?;
                $(let mut $field: Option<$type> = None;)*
                let mut extra = $crate::cbor::Extra::default();
                for _ in 0..pairs {
                    match r.u64(what)? {
                        $($key => $field = Some(<$type as $crate::cbor::Cbor>::get(r)?),)*
                        key => extra.take(what, key, r)?,
                    }
                }
                Ok(Self {
                    $($field: $field.or_else(<$type as $crate::cbor::Cbor>::absent).ok_or(
                        $crate::error::malformed(what, concat!("no ", stringify!($field))))?,)*
                    extra,
                })
            }
        }
    };
}

/// Defines an enum without data that is a CBOR integer; unknown numbers are newer features.
#[macro_export]
#[doc(hidden)]
macro_rules! cbor_enum {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $number,)* }
        impl $name {
            /// The value of a number.
            ///
            /// # Errors
            /// An unknown number is a newer feature.
            pub fn from_number(number: u64) -> $crate::error::Result<Self> {
                match number {
                    $($number => Ok(Self::$variant),)*
                    _ => Err($crate::error::FormatError::Unsupported { what: stringify!($name), number }),
                }
            }
        }
        impl $crate::cbor::Cbor for $name {
            fn put(&self, w: &mut $crate::cbor::Writer) {
                w.u64(*self as u64);
            }
            fn get(r: &mut $crate::cbor::Reader<'_>) -> $crate::error::Result<Self> {
                Self::from_number(r.u64(stringify!($name))?)
            }
        }
    };
}

impl Cbor for u64 {
    fn put(&self, w: &mut Writer) {
        w.u64(*self);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        r.u64("number")
    }
}

impl Cbor for u32 {
    fn put(&self, w: &mut Writer) {
        w.u64(u64::from(*self));
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        r.u64("number")?.try_into().map_err(|_| malformed("number", "over 32 bits"))
    }
}

/// Absent means false; present must be the number 1.
impl Cbor for bool {
    fn put(&self, w: &mut Writer) {
        w.u64(u64::from(*self));
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        match r.u64("flag")? {
            1 => Ok(true),
            _ => Err(FormatError::NotCanonical { what: "flag" }),
        }
    }
    fn absent() -> Option<Self> {
        Some(false)
    }
    fn is_absent(&self) -> bool {
        !self
    }
}

impl Cbor for String {
    fn put(&self, w: &mut Writer) {
        w.text(self);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        r.text("text", TEXT_MAX).map(str::to_owned)
    }
}

impl Cbor for Vec<u8> {
    fn put(&self, w: &mut Writer) {
        w.bytes(self);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        r.bytes("bytes", crate::limits::PAGE_MAX).map(<[u8]>::to_vec)
    }
}

impl<const N: usize> Cbor for [u8; N] {
    fn put(&self, w: &mut Writer) {
        w.bytes(self);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        let bytes = r.bytes("bytes", N)?;
        bytes.try_into().map_err(|_| FormatError::Length { what: "bytes" })
    }
}

impl<T: Cbor> Cbor for Option<T> {
    fn put(&self, w: &mut Writer) {
        if let Some(value) = self {
            value.put(w);
        }
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        T::get(r).map(Some)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

/// Absent means empty; present is never empty.
impl<T: Cbor> Cbor for Vec<T> {
    fn put(&self, w: &mut Writer) {
        w.array(self.len());
        self.iter().for_each(|item| item.put(w));
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        let len = r.array("list")?;
        // Not with_capacity(len): an item in memory can be a hundred times its encoding.
        let mut items = Self::new();
        for _ in 0..len {
            items.push(T::get(r)?);
        }
        Ok(items)
    }
    fn absent() -> Option<Self> {
        Some(Self::new())
    }
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<A: Cbor, B: Cbor> Cbor for (A, B) {
    fn put(&self, w: &mut Writer) {
        w.array(2);
        self.0.put(w);
        self.1.put(w);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        r.array_of("pair", 2)?;
        Ok((A::get(r)?, B::get(r)?))
    }
}
