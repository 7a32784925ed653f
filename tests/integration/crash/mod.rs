//! Runs that end in the middle, at any moment and in any way, and what the next run makes of it.

mod adoption;
mod caches;
mod errors;
mod kills;
mod scene;
mod signals;
mod together;
pub mod traced;
