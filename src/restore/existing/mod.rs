//! Restoring over what is there.
//!
//! Each entry of the snapshot is looked for in the target, unless its directory was made a moment
//! ago. What is as it should be stays; files that differ are compared chunk by chunk, and only
//! the chunks that differ are fetched; the rest is taken over from the file that is there.
//!
//! ```text
//! plan       look at the name; trust, compare, replace or keep it    (step)
//! work       hash the local file chunk by chunk                      (compare)
//! plan       gather the chunks that differ, as for a new file
//! work       write them into a file beside the old one, or into it   (base)
//! finish     take over what is equal, give metadata, rename
//! ```
//! Whatever ends the process, each file is old or new, or named in the journal beforehand.

mod base;
mod compare;
mod comparing;
pub mod journal;
mod merge;
mod over;
mod rows;
mod settle;
mod step;

pub use base::Base;
pub use compare::{Comparison, Zeros, has_chunk, holds, zeros};
pub use over::Over;
pub use step::on_disk;
