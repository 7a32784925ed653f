//! One snapshot in the file system, looked into when somebody does.

use super::links::Links;
use super::place::ENTRIES_MAX;
use crate::repository::view::{Tree, View};
use crate::repository::{Error, Result};
use esker_format::ids::SnapshotId;
use esker_format::node::Time;
use std::sync::{Arc, OnceLock};

/// A snapshot.
pub struct Saved {
    /// Its id.
    pub id: SnapshotId,
    /// Its scope.
    pub scope: u32,
    /// Its name in `by-id`.
    pub name: String,
    /// When it was begun.
    pub time: Time,
    /// Its files of several names.
    pub links: Links,
    tree: OnceLock<Arc<Tree>>,
}

impl Saved {
    /// One that nobody has looked into yet.
    pub fn new(id: SnapshotId, scope: u32, time: Time) -> Self {
        let name = crate::repository::shorten(&id);
        Self { id, scope, name, time, links: Links::default(), tree: OnceLock::new() }
    }

    /// What is in it.
    ///
    /// # Errors
    /// When its manifest cannot be had, or it has more entries than there are inode numbers.
    pub fn tree(&self, view: &Arc<View>) -> Result<&Arc<Tree>> {
        if let Some(tree) = self.tree.get() {
            return Ok(tree);
        }
        let tree = view.tree(self.id, self.scope)?;
        if tree.entries() > ENTRIES_MAX.into() {
            let why = "it has more entries than a mount can number";
            let source = esker_format::FormatError::Malformed { what: "snapshot", why };
            return Err(Error::Damaged { object: self.name.clone(), source });
        }
        Ok(self.tree.get_or_init(|| Arc::new(tree)))
    }
}
