//! What is written is there.
