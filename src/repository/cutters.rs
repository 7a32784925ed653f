//! How a repository cuts content of each kind.

use crate::repository::Repository;
use crate::repository::error::{Error, Result};
use esker_format::chunking::{Cutter, PROFILE_DISK, PROFILE_DUMP, PROFILE_FILES};
use esker_format::node::NodeKind;

/// The number of the profile for content of a kind.
pub const fn profile_of(kind: NodeKind) -> u32 {
    match kind {
        NodeKind::Stream => PROFILE_DUMP,
        NodeKind::Image => PROFILE_DISK,
        _ => PROFILE_FILES,
    }
}

/// How many profiles there are.
const PROFILES: usize = 3;

/// Cutters by the number of their profile, as far as the repository has it.
pub struct Cutters([Option<Cutter>; PROFILES]);

impl Cutters {
    /// The cutters of a repository.
    ///
    /// # Errors
    /// When a profile has sizes that cannot be used.
    pub fn new(repository: &Repository) -> Result<Self> {
        let keys = &repository.access().scope_keys;
        let one = |number: usize| {
            let profile = repository.config().profile(number as u32 + 1).cloned();
            profile.map(|profile| Cutter::new(profile, keys)).transpose()
        };
        Ok(Self([one(0)?, one(1)?, one(2)?]))
    }

    /// The one for content of this kind.
    ///
    /// # Errors
    /// When the repository has none.
    pub fn of(&self, kind: NodeKind) -> Result<&Cutter> {
        let number = profile_of(kind);
        let cutter = self.0.get(number as usize - 1).and_then(Option::as_ref);
        cutter.ok_or(Error::NoProfile { number })
    }
}
