//! How values of each shape are written: numbers, bytes, lists, and the two macros that define
//! maps and enumerations.

use super::{Cbor, Reader, Writer};
use crate::error::{FormatError, Result, malformed};
use crate::limits::{PAGE_MAX, PATHS_MAX, TAGS_MAX, TEXT_MAX};

/// Defines a struct that is a CBOR map with the given integer keys, which must ascend and be
/// below [`IGNORABLE`](crate::cbor::IGNORABLE). Every such struct keeps unknown ignorable keys in
/// `extra`. `in a list: N` limits lists of it.
#[macro_export]
#[doc(hidden)]
macro_rules! cbor_map {
    ($(#[$doc:meta])* pub struct $name:ident $(, in a list: $most:expr;)? {
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
            $(const LIST_MAX: usize = $most;)?
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

/// Lists of texts are tags.
impl Cbor for String {
    const LIST_MAX: usize = TAGS_MAX;
    fn put(&self, w: &mut Writer) {
        w.text(self);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        r.text("text", TEXT_MAX).map(str::to_owned)
    }
}

/// Lists of byte strings are paths.
impl Cbor for Vec<u8> {
    const LIST_MAX: usize = PATHS_MAX;
    fn put(&self, w: &mut Writer) {
        w.bytes(self);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        r.bytes("bytes", PAGE_MAX).map(<[u8]>::to_vec)
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
        r.list("list", T::LIST_MAX)
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
