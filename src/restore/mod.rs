//! Giving back what was saved.

mod error;
pub mod metadata;
pub mod tree;

pub use error::{Error, Result};
