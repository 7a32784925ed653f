//! Giving back what was saved.

pub mod metadata;
pub mod tree;
