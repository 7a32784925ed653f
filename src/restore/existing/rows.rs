//! Directories of the target that were there, in the order of the map: which of them the walk is
//! in, which it has left, and what in them the snapshot does not have.

use std::collections::{BTreeMap, HashSet};

/// What is known of a directory that was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The snapshot has it as a whole, and what is in it beside that goes.
    pub delete: bool,
    /// It is on the same mount as the target.
    pub same_mount: bool,
}

/// Directories that were there. One is known by the parent that its entries have.
#[derive(Debug, Default)]
pub struct Rows {
    /// Those that the walk comes to later.
    waiting: BTreeMap<Vec<u8>, Row>,
    at: Option<At>,
}

#[derive(Debug)]
struct At {
    parent: Vec<u8>,
    row: Option<Row>,
    /// Names that are there and that no entry has had so far.
    extra: HashSet<Vec<u8>>,
}

/// A directory that the walk has left, and what it has too much.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    /// The directory, as a parent.
    pub parent: Vec<u8>,
    /// Names; none when none of its entries were in the snapshot, and all of it is too much.
    pub extra: Option<Vec<Vec<u8>>>,
}

impl Rows {
    /// Adds a directory that was there. The walk comes to its entries later.
    pub fn add(&mut self, parent: Vec<u8>, row: Row) {
        match &mut self.at {
            // The target itself, whose own entry comes first of its entries.
            Some(at) if at.parent == parent => at.row = Some(row),
            _ => drop(self.waiting.insert(parent, row)),
        }
    }

    /// Whether the walk is in this directory and has begun with it.
    pub fn is_at(&self, parent: &[u8]) -> bool {
        self.at.as_ref().is_some_and(|at| at.parent == parent)
    }

    /// The directory that the walk is in, as a parent.
    pub fn parent(&self) -> Option<&[u8]> {
        self.at.as_ref().map(|at| &at.parent[..])
    }

    /// The directory that the walk is in, when it was there.
    pub fn row(&self) -> Option<Row> {
        self.at.as_ref()?.row
    }

    /// Goes on to the directory `parent`; returns those that were left by that and had something
    /// to delete in them, in order.
    pub fn enter(&mut self, parent: &[u8]) -> Vec<Left> {
        let mut left: Vec<Left> = self.leave().into_iter().collect();
        while let Some(first) = self.waiting.first_entry()
            && **first.key() < *parent
        {
            left.extend(untouched(first.remove_entry()));
        }
        let row = self.waiting.remove(parent);
        self.at = Some(At { parent: parent.to_vec(), row, extra: HashSet::new() });
        left
    }

    /// Says what is in the directory that the walk is in, before any entry of it is done.
    pub fn list(&mut self, names: Vec<Vec<u8>>) {
        if let Some(at) = &mut self.at {
            at.extra = names.into_iter().collect();
        }
    }

    /// The snapshot has an entry with this name.
    pub fn meet(&mut self, name: &[u8]) {
        if let Some(at) = &mut self.at {
            at.extra.remove(name);
        }
    }

    /// The walk is over; returns what [`Self::enter`] does.
    pub fn end(&mut self) -> Vec<Left> {
        let mut left: Vec<Left> = self.leave().into_iter().collect();
        left.extend(std::mem::take(&mut self.waiting).into_iter().filter_map(untouched));
        left
    }

    fn leave(&mut self) -> Option<Left> {
        let At { parent, row, extra } = self.at.take()?;
        if !row?.delete || extra.is_empty() {
            return None;
        }
        let mut extra: Vec<Vec<u8>> = extra.into_iter().collect();
        extra.sort();
        Some(Left { parent, extra: Some(extra) })
    }
}

fn untouched((parent, row): (Vec<u8>, Row)) -> Option<Left> {
    row.delete.then_some(Left { parent, extra: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Row = Row { delete: true, same_mount: true };

    fn names(names: &[&str]) -> Vec<Vec<u8>> {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    #[test]
    fn what_no_entry_has_is_told_when_its_directory_is_left() {
        let mut rows = Rows::default();
        rows.add(Vec::new(), WHOLE);
        assert_eq!(rows.enter(b""), []);
        rows.list(names(&["a", "b", "d", "c"]));
        rows.meet(b"a");
        rows.add(b"a".to_vec(), WHOLE);
        rows.meet(b"b");
        let extra = Some(names(&["c", "d"]));
        assert_eq!(rows.enter(b"a"), [Left { parent: Vec::new(), extra }]);
        assert_eq!(rows.row(), Some(WHOLE));
        assert_eq!(rows.end(), []);
    }

    #[test]
    fn a_directory_without_entries_in_the_snapshot_is_told_when_it_is_passed_or_at_the_end() {
        let mut rows = Rows::default();
        rows.enter(b"");
        for parent in [&b"a"[..], b"b", b"c"] {
            rows.add(parent.to_vec(), WHOLE);
        }
        let whole = |parent: &[u8]| Left { parent: parent.to_vec(), extra: None };
        assert_eq!(rows.enter(b"b"), [whole(b"a")]);
        assert_eq!(rows.end(), [whole(b"c")]);
    }

    #[test]
    fn a_directory_that_was_not_there_has_no_row() {
        let mut rows = Rows::default();
        rows.enter(b"new");
        assert_eq!(rows.row(), None);
        assert!(rows.is_at(b"new") && !rows.is_at(b""));
    }
}
