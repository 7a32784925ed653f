//! A device, and clients that say what they should and all else.
