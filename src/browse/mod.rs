//! Ways to look into a repository without restoring it: thin adapters over
//! [`view`](crate::repository::view), which reads what they show.

pub mod mount;
mod part;

pub use part::{Part, partitions};
