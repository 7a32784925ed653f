//! esker: backups of directories, streams and disks. What the library offers, in order of use.

pub mod browse;
pub mod cli;
pub mod compare;
pub mod disk;
pub mod group;
pub mod pattern;
pub mod pipeline;
pub mod repository;
pub mod restore;
pub mod source;
pub mod store;
pub mod sync;

// The tests in this crate and those around it skip in the same way, so that all are counted.
#[cfg(all(test, feature = "remote"))]
#[path = "../tests/integration/support/servers.rs"]
mod servers;
#[cfg(test)]
#[path = "../tests/integration/support/skipped.rs"]
mod skipped;
#[cfg(test)]
use skipped::skipped;
#[cfg(test)]
#[path = "../tests/integration/support/sshd.rs"]
mod sshd;
