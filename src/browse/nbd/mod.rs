//! A server of NBD: a file of a snapshot as a block device, for virtual machines and kernels.
//!
//! ```text
//! Server       listens, counts connections, ends them       a thread
//!  handshake   what is agreed on, TLS                        a thread for each connection
//!  requests    read, checked; what is written is written     the same thread
//!  answers     read from the snapshot, sent                  a few threads for each connection
//! Shown        the bytes: a part of a file, and an overlay  shared by all
//! ```
//! Memory is bounded: a request that reads is answered piece by piece, one that writes is written piece by
//! piece, and there is a limit on connections. A client that is slow, silent or mad is alone with that.
//!
//! <https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>

mod answers;
mod connection;
mod failed;
mod handshake;
mod listener;
mod overlay;
mod requests;
mod server;
mod shown;
mod socket;
#[cfg(feature = "remote")]
mod tls;
mod trouble;
pub mod wire;

pub use listener::{ListenError, Listener};
pub use overlay::{Identity, Overlay, OverlayError};
pub use server::{Limits, Server};
pub use shown::Shown;
#[cfg(feature = "remote")]
pub use tls::{Tls, TlsError};
pub use trouble::{Event, Observer, Trouble};

/// Bytes of a request at most, as clients are told.
const REQUEST_MAX: u32 = 32 << 20;

/// Bytes that are read or written at a time for a request. A whole number of blocks of an overlay.
const PIECE: usize = 256 << 10;
