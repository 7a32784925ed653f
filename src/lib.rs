//! esker: backups of directories, streams and disks. What the library offers, in order of use.

pub mod cli;
pub mod pipeline;
pub mod repository;
pub mod restore;
pub mod source;
pub mod store;
