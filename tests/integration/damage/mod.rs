//! Objects that are flipped, cut off, missing or swapped: a restore gives the exact bytes, or names
//! what is lost, or refuses. It never gives something else and says nothing.

mod change;
mod matrix;
mod program;
mod sample;
mod seen;
mod verdict;
