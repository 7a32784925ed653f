//! Repairing a repository that somebody can open: what of packs, segments and manifests is lost, and what of it can
//! be made good without another copy.
//!
//! ```text
//! look    packs, segments, manifests         which are missing or damaged
//!         (another copy brings back what it has: that is not this part's business)
//! plan    what becomes of the rest           walk all snapshots: what is lost, and who is whole again
//! apply   segments made anew                 from the packs
//!         marks set                          nothing new relies on what is lost
//!         packs salvaged                     new ones stand in for them
//!         marks taken back                   of snapshots that are whole
//!         a checkpoint                       in the place of damaged ones
//! ```
//! Whatever is lost and still on disk comes back with the next snapshot: nothing new relies on a damaged pack, and
//! nothing is taken over from a damaged snapshot without looking.

mod apply;
mod described;
mod look;
mod marks;
mod plan;
mod salvage;
mod segments;
#[cfg(test)]
mod tests;

pub use apply::{Report, apply};
pub use described::Described;
pub use look::{Lost, Wrong, look};
pub use plan::{Cure, Object, PastHoles, Plan, plan};

/// How far to look.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Read all packs and check every chunk against its id.
    pub read_data: bool,
    /// Threads that read.
    pub threads: usize,
}
