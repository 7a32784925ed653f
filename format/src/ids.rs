//! Identities: one type for each thing that has one, so that they cannot be mixed up.

use crate::cbor::{Cbor, Reader, Writer};
use crate::error::{FormatError, Result, malformed};
use std::fmt;
use std::str::FromStr;

/// Defines an id of `$n` bytes, written in lower-case hexadecimal.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $n:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $n]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $n;
            /// Wraps the bytes of an id.
            pub const fn new(bytes: [u8; $n]) -> Self {
                Self(bytes)
            }
            /// The bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; $n] {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
        impl FromStr for $name {
            type Err = FormatError;
            fn from_str(text: &str) -> Result<Self> {
                let mut out = [0; $n];
                parse_hex(text, &mut out)?;
                Ok(Self(out))
            }
        }
        impl Cbor for $name {
            fn put(&self, w: &mut Writer) {
                w.bytes(&self.0);
            }
            fn get(r: &mut Reader<'_>) -> Result<Self> {
                let bytes = r.bytes(stringify!($name), $n)?;
                Ok(Self(bytes.try_into().map_err(|_| FormatError::Length { what: stringify!($name) })?))
            }
        }
    };
}

/// Parses exactly the hexadecimal digits (lower case) of `out`.
fn parse_hex(text: &str, out: &mut [u8]) -> Result<()> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err(malformed("id", "not lower-case hexadecimal")),
    };
    if text.len() != out.len() * 2 {
        return Err(FormatError::Length { what: "id" });
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(())
}

id!(/** A repository: random, chosen when it is made. */ RepositoryId, 16);
id!(/** A writer: the first 16 bytes of a hash of its verification key. */ WriterId, 16);
id!(/** One run's identity in the log and in the headers of what it wrote: random. */ SessionId, 16);
id!(/** One logical append: random, kept over retries, so that a writer knows its own entry. */ Token, 16);
id!(/** A series of snapshots: random, independent of the host's name. */ SeriesId, 16);
id!(/** Files with the same group are one file under several names. */ LinkGroup, 16);
id!(/** A chunk: keyed BLAKE3 of its plaintext. */ ChunkId, 32);
id!(/** A pack: BLAKE3 of its bytes. */ PackId, 32);
id!(/** A segment: BLAKE3 of its bytes. */ SegmentId, 32);
id!(/** A snapshot: BLAKE3 of the bytes of its manifest. */ SnapshotId, 32);
id!(/** A log entry: BLAKE3 of its bytes. */ EntryHash, 32);
id!(/** The log up to an entry: a hash over the hashes of all its entries, see [`LogHead::then`]. */ LogHead, 32);
id!(/** A checkpoint: BLAKE3 of its bytes. */ CheckpointId, 32);
id!(/** A pack-set object: BLAKE3 of its bytes. */ PackSetId, 32);

/// An id that is the plain BLAKE3 of an object's bytes, so that anyone can check for rot.
pub trait Named: Sized + Copy + PartialEq {
    /// The id of these bytes.
    fn of(bytes: &[u8]) -> Self {
        Self::of_parts(&[bytes])
    }
    /// The id of bytes that lie in several places.
    fn of_parts<P: AsRef<[u8]>>(parts: &[P]) -> Self;
    /// Fails unless `bytes` are the object of this name.
    ///
    /// # Errors
    /// [`FormatError::Checksum`] when they are not.
    fn check(self, what: &'static str, bytes: &[u8]) -> Result<()> {
        if Self::of(bytes) == self { Ok(()) } else { Err(FormatError::Checksum { what }) }
    }
}

macro_rules! named {
    ($($name:ident),*) => { $(impl Named for $name {
        fn of_parts<P: AsRef<[u8]>>(parts: &[P]) -> Self {
            let mut hasher = blake3::Hasher::new();
            for part in parts {
                hasher.update(part.as_ref());
            }
            Self(*hasher.finalize().as_bytes())
        }
    })* };
}
named!(PackId, SegmentId, SnapshotId, EntryHash, CheckpointId, PackSetId);

impl LogHead {
    /// The log before its first entry.
    pub const START: Self = Self([0; 32]);
    /// The log after one more entry.
    ///
    /// Every entry goes in, void ones too: if an entry named the bytes of the one before it only,
    /// a void entry, which anybody can replace, would cut the authentic ones behind it off from
    /// those before it.
    #[must_use]
    pub fn then(self, entry: EntryHash) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("esker 0 log head");
        hasher.update(&self.0).update(&entry.0);
        Self(*hasher.finalize().as_bytes())
    }
}

/// Position of an entry in the log; the first is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Seq(pub u64);

impl Seq {
    /// The position after this one; a log never comes near the last there is.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Cbor for Seq {
    fn put(&self, w: &mut Writer) {
        self.0.put(w);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        u64::get(r).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_the_log_depends_on_every_entry_and_their_order() {
        let [a, b, c] = [1, 2, 3].map(|n| EntryHash::of(&[n]));
        let head = LogHead::START.then(a).then(b);
        assert_ne!(head, LogHead::START.then(c).then(b));
        assert_ne!(head, LogHead::START.then(b).then(a));
        assert_ne!(LogHead::START.then(a).as_bytes(), a.as_bytes());
    }

    #[test]
    fn an_id_is_read_back_from_its_text_and_from_nothing_else() {
        let id = SessionId::new(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse::<SessionId>().unwrap(), id);
        for bad in ["", "30", &id.to_string().to_uppercase().replace('3', "A"), &"é".repeat(16)] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
    }
}
