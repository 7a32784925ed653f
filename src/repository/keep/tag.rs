//! Tags that are added and taken away after a snapshot was made.

use super::{Refusal, expect_all};
use crate::repository::Repository;
use crate::repository::error::{Error, Result};
use crate::repository::snapshots::unseal;
use esker_format::cbor::Extra;
use esker_format::ids::SnapshotId;
use esker_format::limits::TAGS_MAX;
use esker_format::log_entry::{Body, Note, ROLE_FORGET};
use std::collections::HashSet;
use std::sync::Arc;

/// Tags that change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// Tags to add.
    pub add: Vec<String>,
    /// Tags to take away.
    pub remove: Vec<String>,
}

impl Tags {
    /// What of this changes anything of a snapshot with these tags.
    fn change(&self, tags: &[String]) -> Self {
        let pick = |from: &[String], if_there: bool| -> Vec<String> {
            let mut picked = from.to_vec();
            picked.retain(|tag| tags.contains(tag) == if_there);
            picked.sort();
            picked.dedup();
            picked
        };
        Self { add: pick(&self.add, false), remove: pick(&self.remove, true) }
    }

    const fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

impl Repository {
    /// Changes the tags of snapshots, and returns those where something changed. Of a tag that is
    /// both added and taken away, nothing is changed where it is there.
    ///
    /// # Errors
    /// [`Refusal::TooManyTags`]; or when the store fails.
    pub fn tag(&mut self, ids: &[SnapshotId], tags: &Tags) -> Result<Vec<SnapshotId>> {
        self.expect_role(ROLE_FORGET, "change tags")?;
        expect_all(&self.state, ids)?;
        let named: HashSet<&SnapshotId> = ids.iter().collect();
        let mut named_here = self.state.snapshots.iter().filter(|s| named.contains(&s.id));
        // Its tags are sealed for its scope.
        if let Some(other) = named_here.find(|s| !self.access.has_scope(s.scope)) {
            return Err(Refusal::OtherScope { snapshot: other.id.to_string() }.into());
        }
        let all = self.snapshots()?;
        for snapshot in all.iter().filter(|s| named.contains(&s.id)) {
            let (now, change) = (&snapshot.summary.tags, tags.change(&snapshot.summary.tags));
            let count = now.len() + change.add.len() - change.remove.len();
            if count > TAGS_MAX && !change.add.is_empty() {
                let (snapshot, limit) = (snapshot.id, TAGS_MAX);
                return Err(Refusal::TooManyTags { snapshot, count, limit }.into());
            }
        }
        let mut changed = Vec::new();
        for id in ids {
            if self.tag_one(*id, tags)? {
                changed.push(*id);
            }
        }
        self.settle(&[], &[]);
        Ok(changed)
    }

    fn tag_one(&mut self, id: SnapshotId, tags: &Tags) -> Result<bool> {
        let access = Arc::clone(&self.access);
        self.append_if(&mut |state| {
            let found = state.snapshot(id).filter(|s| access.has_scope(s.scope));
            let missing = || Error::NoSnapshot { selector: id.to_string() };
            let now = unseal(&access, state, found.ok_or_else(missing)?)?.summary.tags;
            let change = tags.change(&now);
            if change.is_empty() {
                return Ok(None);
            }
            let Tags { add, remove } = change;
            let extra = Extra::default();
            Ok(Some(Body::Note(Note { snapshot: id, add, remove, text: None, extra })))
        })
    }
}
