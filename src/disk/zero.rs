//! Bytes that need not be stored or written.

/// Whether all bytes are zero; the first look settles it nearly always.
pub fn is_zero(bytes: &[u8]) -> bool {
    let (head, rest) = bytes.split_at(bytes.len().min(64));
    head.iter().all(|b| *b == 0) && rest.iter().all(|b| *b == 0)
}
