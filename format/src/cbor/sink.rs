//! Where encoded bytes go: into memory, or into a hash of them where they are only compared.

use minicbor::encode::Write;
use std::convert::Infallible;

/// What takes the bytes.
pub enum Sink {
    /// Memory.
    Bytes(Vec<u8>),
    /// A hash, and how many bytes it stands for.
    Sum(Box<blake3::Hasher>, usize),
}

impl Sink {
    /// One that keeps a hash of the bytes.
    pub fn sum() -> Self {
        Self::Sum(Box::default(), 0)
    }
    /// The bytes; none where a hash was kept.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Sum(..) => Vec::new(),
        }
    }
    /// Whether it was given exactly these bytes.
    pub fn is_sum_of(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Bytes(given) => given == bytes,
            Self::Sum(hasher, _) => hasher.finalize() == blake3::hash(bytes),
        }
    }
    /// How many bytes it was given.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Sum(_, len) => *len,
        }
    }
    /// Takes more.
    pub fn extend(&mut self, more: &[u8]) {
        match self {
            Self::Bytes(bytes) => bytes.extend_from_slice(more),
            Self::Sum(hasher, len) => {
                hasher.update(more);
                *len += more.len();
            }
        }
    }
}

impl Write for Sink {
    type Error = Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.extend(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_stands_for_the_bytes_and_no_others() {
        for mut sink in [Sink::sum(), Sink::Bytes(Vec::new())] {
            sink.extend(b"ab");
            sink.extend(b"c");
            assert!(sink.is_sum_of(b"abc") && !sink.is_sum_of(b"ab") && !sink.is_sum_of(b"abd"));
            assert_eq!(sink.len(), 3);
        }
    }
}
