//! Ways to look into a repository without restoring it: thin adapters over
//! [`view`](crate::repository::view), which reads what they show.

pub mod mount;
pub mod nbd;
mod only;
mod part;

pub use only::{Paths, only};
pub use part::{Part, partitions};
