//! Bad input gets a clear error that names the thing and says what to do, and loses nothing.

mod changing;
mod disks;
mod extremes;
mod hostile;
mod keys;
pub mod mounted;
mod pipes;
mod read_only;
mod repositories;
mod selectors;
mod signals;
mod sources;
mod targets;
mod unreadable;

pub use mounted::Mounted;
