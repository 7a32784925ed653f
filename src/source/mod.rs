//! Where data comes from. Knows the operating system, and no repository.

mod archive;
mod command;
mod feed;
mod file;
mod metadata;
mod owners;
mod roots;
mod select;
mod stat;
mod stream;
mod volume;
mod walk;

pub use archive::Archive;
pub use command::{Command, Tell};
pub use feed::{Fed, Feed, FeedError, Halt, Part};
pub use file::{Extent, Opened, Reading, data_extents, open};
pub use metadata::{MetadataError, Subject, node, read_link, xattrs_of};
pub use owners::Owners;
pub use roots::{RootError, Roots};
pub use select::{Marker, Reason, Select};
pub use stat::{Identity, Stat};
pub use stream::{Guards, Stream, TAIL};
pub use volume::Volume;
pub use walk::{Listed, Listing, Outcome, Skip, Walk};
