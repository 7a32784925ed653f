//! esker, a library and a program for backups.

pub mod restore;
