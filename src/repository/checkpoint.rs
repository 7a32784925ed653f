//! Checkpoints of the log: made of a state, and read instead of the entries before it.

mod convert;
mod find;
#[cfg(test)]
mod tests;
mod write;

pub use convert::of_state;
pub use find::{Candidate, candidates, damaged_ones, disowned_by, open, read};
pub use write::Occasion;
