//! Finding things: which snapshot, where a file is, what differs, what it costs.

mod choosing;
