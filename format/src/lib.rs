//! The bytes of an esker repository: bytes in, values out.
//!
//! Nothing here touches a file, a network, a clock or a source of randomness; what is needed of
//! those comes in as an argument. The normative description is `docs/format.md`.

pub mod cbor;
pub mod checkpoint;
pub mod chunking;
pub mod codec;
pub mod config;
pub mod content;
pub mod data_key;
pub mod envelope;
pub mod error;
pub mod frame;
pub mod ids;
pub mod image;
pub mod key;
pub mod key_material;
pub mod limits;
pub mod list;
pub mod log_entry;
pub mod map_builder;
pub mod names;
pub mod node;
pub mod ordinals;
pub mod pack;
pub mod page;
pub mod path;
pub mod recovery;
pub mod secret;
pub mod segment;
pub mod signed;
pub mod slot;
pub mod snapshot;
pub mod table;

pub use error::{FormatError, Result};
