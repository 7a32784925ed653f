//! The table of section 12.1 of `docs/format.md`, with entries that are made here: good ones, wrong
//! ones, and some that no version has ever made.

mod fates;
pub mod forge;
mod puts;
mod rules;
mod stops;
