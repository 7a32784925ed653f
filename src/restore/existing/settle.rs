//! What is there and has the right content: its metadata, and which names it shares.

use super::step::on_disk;
use crate::restore::change::{Action, What};
use crate::restore::outcome::Outcome;
use crate::restore::tree::Seen;
use esker_format::node::{Node, NodeKind, Xattr};
use esker_format::path::MapKey;

impl Outcome<'_> {
    /// Something whose content is as it should be: looks at its metadata, and corrects them.
    pub fn settle(
        &self,
        key: &MapKey,
        seen: &Seen,
        node: &Node,
        xattrs: &[Xattr],
        split: bool,
        touched: bool,
    ) {
        let differs = match self.tree.differs(key, seen, node, xattrs) {
            Ok(differs) => differs,
            Err(error) => return self.problem(error),
        };
        if !differs && !split {
            if touched {
                let problems = self.tree.correct(key, seen, node, xattrs);
                problems.into_iter().for_each(|problem| self.problem(problem));
            } else {
                self.tree.note_owner(seen, node);
            }
            return self.is_there(node.kind);
        }
        let what = if differs { What::Metadata } else { What::Links };
        // Other names of the file may be somebody else's.
        let is_shared = split || (seen.names > 1 && !self.how.in_place);
        if self.how.dry_run {
            if is_shared {
                self.replaced(node.links);
            }
            return self.did(Action::Change(what), key, node.kind);
        }
        if !is_shared {
            let problems = self.tree.correct(key, seen, node, xattrs);
            problems.into_iter().for_each(|problem| self.problem(problem));
            return self.did(Action::Change(what), key, node.kind);
        }
        if on_disk(node.kind) == NodeKind::File {
            self.copy_apart(key, seen, node, xattrs, what);
        } else {
            self.put_special(key, node, xattrs, Action::Change(what));
        }
    }

    /// Makes a file of its own from one that has other names too.
    fn copy_apart(&self, key: &MapKey, seen: &Seen, node: &Node, xattrs: &[Xattr], what: What) {
        let copy = || {
            self.journal.changing(&key.parent)?;
            let old = self.tree.open_file(key, seen)?;
            let new = self.tree.create_beside(key, node)?;
            new.take_over_data(&old, node.len())?;
            Ok(new)
        };
        match copy() {
            Ok(new)
                if self
                    .tree
                    .look(key)
                    .is_ok_and(|now| now.is_some_and(|now| seen.is_untouched(&now))) =>
            {
                let problems = new.finish(node, xattrs);
                problems.into_iter().for_each(|problem| self.problem(problem));
                self.did(Action::Change(what), key, node.kind);
            }
            Ok(_) => {
                self.changed_meanwhile(key);
                self.spoil(node.links);
            }
            Err(error) => {
                self.problem(error);
                self.spoil(node.links);
            }
        }
    }

    /// Puts a symlink, fifo, socket or device node in its place.
    pub fn put_special(&self, key: &MapKey, node: &Node, xattrs: &[Xattr], action: Action) {
        if self.how.dry_run {
            self.replaced(node.links);
            return self.did(action, key, node.kind);
        }
        let put = self.journal.changing(&key.parent);
        match put.and_then(|()| self.tree.replace_special(key, node, xattrs)) {
            Ok(problems) => {
                problems.into_iter().for_each(|problem| self.problem(problem));
                self.did(action, key, node.kind);
            }
            Err(error) => {
                self.problem(error);
                self.spoil(node.links);
            }
        }
    }
}
