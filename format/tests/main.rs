//! What every encoder and decoder of the format holds.

mod builders;
mod damage;
mod entries;
mod known_leaves;
mod limits;
mod memory;
mod pages;
mod places;
mod round_trip;
mod samples;
mod signatures;
mod strict;
mod support;
mod values;
mod values_log;
mod vectors;
