//! What can be wrong with bytes.

/// Why bytes were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The bytes end before the value does, or go on behind it.
    #[error("{what}: wrong length")]
    Length {
        /// The part that was being read.
        what: &'static str,
    },
    /// The bytes break a rule of the format.
    #[error("{what}: {why}")]
    Malformed {
        /// The part that was being read.
        what: &'static str,
        /// The rule that was broken.
        why: &'static str,
    },
    /// The value is right, but not in its only permitted encoding.
    #[error("{what}: not in canonical form")]
    NotCanonical {
        /// The part that was being read.
        what: &'static str,
    },
    /// A size is over its limit.
    #[error("{what}: {size} is over the limit of {limit}")]
    TooLarge {
        /// The part that was being read.
        what: &'static str,
        /// The size found.
        size: u64,
        /// The limit, in the same unit.
        limit: u64,
    },
    /// These are not the bytes of an esker object.
    #[error("not an esker object")]
    NotEsker,
    /// A newer esker wrote this.
    #[error("{what} {number} is not known to this version of esker")]
    Unsupported {
        /// What is newer: a format version, a suite, a feature.
        what: &'static str,
        /// Its number.
        number: u64,
    },
    /// A sound object in the wrong place: another repository, kind or number.
    #[error("misplaced object: {what} differs")]
    Misplaced {
        /// What differs from the place where the object was found.
        what: &'static str,
    },
    /// The unkeyed checksum or the name does not match the bytes.
    #[error("{what}: checksum mismatch")]
    Checksum {
        /// The part that was being read.
        what: &'static str,
    },
    /// The seal or the signature does not match: a wrong key, or changed bytes.
    #[error("{what}: not authentic")]
    NotAuthentic {
        /// The part that was being opened.
        what: &'static str,
    },
}

/// The result of a decoder.
pub type Result<T> = std::result::Result<T, FormatError>;

#[doc(hidden)]
pub const fn malformed(what: &'static str, why: &'static str) -> FormatError {
    FormatError::Malformed { what, why }
}

/// Refuses a size that is over its limit.
pub(crate) fn within(what: &'static str, size: usize, limit: usize) -> Result<()> {
    if size > limit {
        return Err(FormatError::TooLarge { what, size: size as u64, limit: limit as u64 });
    }
    Ok(())
}
