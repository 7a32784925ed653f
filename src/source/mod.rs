//! Where data comes from. Knows the operating system, and no repository.

mod file;
mod metadata;
mod owners;
mod roots;
mod select;
mod stat;
mod volume;
mod walk;

pub use file::{Extent, Opened, Reading, data_extents, open};
pub use metadata::{MetadataError, Subject, node, read_link, xattrs_of};
pub use owners::Owners;
pub use roots::{RootError, Roots};
pub use select::{Marker, Reason, Select};
pub use stat::{Identity, Stat};
pub use volume::Volume;
pub use walk::{Listed, Listing, Outcome, Skip, Walk};
