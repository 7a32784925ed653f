//! The walk over a target that has things in it: for each entry what is there, and what follows.

use super::base::{Base, IN_PLACE_MIN};
use super::rows::{Left, Row};
use super::step::{Step, Trust, step};
use crate::restore::Result;
use crate::restore::change::{Action, What};
use crate::restore::pending::Pending;
use crate::restore::plan::{Plan, There};
use crate::restore::tree::{Cause, Seen, TreeError};
use crate::restore::window::Job;
use crossbeam_channel::Sender;
use esker_format::node::{Fidelity, Node, NodeKind, Xattr};
use esker_format::path::MapKey;

impl Plan<'_> {
    /// Goes on to the directory of an entry, and finishes those that are passed by that.
    pub fn enter(&mut self, key: &MapKey) {
        let Some(over) = &mut self.over else { return };
        if *key == MapKey::root() {
            return;
        }
        if !over.rows.is_at(&key.parent) {
            let left = over.rows.enter(&key.parent);
            let lists = over.rows.row().is_some_and(|row| row.delete);
            self.purge(left);
            if lists {
                let at = MapKey::from_parent(&key.parent);
                match self.outcome.tree.names(&at) {
                    Ok(names) => self.list(names),
                    Err(error) => self.outcome.problem(error),
                }
            }
        }
        if let Some(over) = &mut self.over {
            over.rows.meet(&key.name);
        }
    }

    fn list(&mut self, names: Vec<Vec<u8>>) {
        if let Some(over) = &mut self.over {
            over.rows.list(names);
        }
    }

    /// Finishes what is left when the walk is over.
    pub fn purge_rest(&mut self) {
        if let Some(over) = &mut self.over {
            let left = over.rows.end();
            self.purge(left);
        }
    }

    /// Removes what directories that were passed have too much.
    fn purge(&mut self, left: Vec<Left>) {
        for Left { parent, extra } in left {
            if self.outcome.is_over() || self.is_lossy() {
                return;
            }
            let at = MapKey::from_parent(&parent);
            let names = extra.map_or_else(|| self.outcome.tree.names(&at), Ok);
            let mut names = match names {
                Ok(names) => names,
                Err(error) => {
                    self.outcome.problem(error);
                    continue;
                }
            };
            names.sort();
            for name in names {
                let key = MapKey { parent: parent.clone(), name };
                self.remove_extra(&key);
            }
        }
    }

    /// Removes something that the snapshot does not have, with all below it.
    fn remove_extra(&self, key: &MapKey) {
        let (outcome, dry) = (self.outcome, self.outcome.how.dry_run);
        outcome.tree.sweep(key, dry, &mut outcome.scope.broom(outcome));
    }

    /// Removes a directory, with all in it, that is where something else is to be.
    fn make_way(&self, key: &MapKey) -> bool {
        let (outcome, dry) = (self.outcome, self.outcome.how.dry_run);
        outcome.tree.sweep(key, dry, &mut outcome.scope.broom(outcome).making_way(key))
    }

    /// Whether nothing of the directory that the walk is in was there before.
    pub fn is_fresh(&self) -> bool {
        let Some(over) = &self.over else { return true };
        // With pages lost, nobody knows which directories were made here.
        let is_shut = over.rows.parent().is_some_and(|parent| over.is_shut(parent));
        over.rows.row().is_none() && !is_shut && !self.is_lossy()
    }

    /// A directory of the snapshot, in a directory that was there; true when it was there or is.
    /// `on_the_way`: it only leads to what is restored, and keeps what it has.
    pub fn merge_directory(
        &mut self,
        source: &MapKey,
        node: &Node,
        on_the_way: bool,
    ) -> Result<()> {
        let key = self.outcome.place.target(source);
        let Some(over) = &self.over else { return Ok(()) };
        if over.is_shut(&key.parent) && key != MapKey::root() {
            self.outcome.kept(&key);
            return Ok(());
        }
        let trust = over.trust(&key);
        let Some((seen, step)) = self.meet(&key, node, trust) else { return Ok(()) };
        match seen {
            Some(seen) if seen.kind == Some(NodeKind::Directory) => {
                let keeps = step == Step::Keep || (on_the_way && trust != Trust::Unfinished);
                self.adopt(source, &key, &seen, node, keeps)
            }
            Some(_) if step == Step::Keep => {
                self.outcome.kept(&key);
                if let Some(over) = &mut self.over {
                    over.shut.insert(key.as_parent());
                }
                Ok(())
            }
            Some(seen) => {
                if !self.outcome.how.dry_run
                    && let Err(error) = self.outcome.tree.remove(&key, &seen)
                {
                    self.outcome.problem(error);
                    return Ok(());
                }
                self.make_merged(&key, node, Action::Change(What::Kind))
            }
            None => self.make_merged(&key, node, Action::Add),
        }
    }

    /// What is there, and what follows; none when it cannot be looked at, or is not to be touched,
    /// which was told then.
    fn meet(&mut self, key: &MapKey, node: &Node, trust: Trust) -> Option<(Option<Seen>, Step)> {
        let seen = match self.outcome.look(key) {
            Ok(seen) => seen,
            Err(error) => {
                self.outcome.problem(error);
                return None;
            }
        };
        if self.is_guarded(key, seen.as_ref()) {
            return None;
        }
        let step = step(node, seen.as_ref(), self.outcome.how.overwrite, trust);
        Some((seen, step))
    }

    /// Whether something has this name that the restore itself works with. It stays, and all that
    /// would be in it.
    fn is_guarded(&mut self, key: &MapKey, seen: Option<&Seen>) -> bool {
        let Some(what) = seen.and_then(|seen| self.outcome.scope.guards(seen)) else {
            return false;
        };
        self.outcome.partial(key, format!("is not restored: {what} in use is there"));
        self.outcome.kept(key);
        if let Some(over) = &mut self.over {
            over.shut.insert(key.as_parent());
        }
        true
    }

    /// Takes a directory that is there.
    fn adopt(
        &mut self,
        source: &MapKey,
        key: &MapKey,
        seen: &Seen,
        node: &Node,
        keeps: bool,
    ) -> Result<()> {
        self.add_row(source, key, seen, node);
        let tree = self.outcome.tree;
        if keeps {
            self.outcome.is_there(NodeKind::Directory);
            if !self.outcome.how.dry_run
                && let Err(error) = tree.visit_directory(key, seen)
            {
                self.outcome.problem(error);
            }
            return Ok(());
        }
        let xattrs = self.xattrs(key, node)?;
        match tree.differs(key, seen, node, &xattrs) {
            Ok(false) => self.outcome.is_there(NodeKind::Directory),
            Ok(true) => {
                self.outcome.did(Action::Change(What::Metadata), key, NodeKind::Directory);
            }
            Err(error) => self.outcome.problem(error),
        }
        if !self.outcome.how.dry_run
            && let Err(error) = tree.adopt_directory(key, seen, node, &xattrs)
        {
            self.outcome.problem(error);
        }
        Ok(())
    }

    /// Remembers that a directory was there, and whether what it has too much goes.
    fn add_row(&mut self, source: &MapKey, key: &MapKey, seen: &Seen, node: &Node) {
        let how = self.outcome.how;
        let Some(over) = &mut self.over else { return };
        let above = over.rows.row().is_none_or(|row| row.same_mount);
        let same_mount = *key == MapKey::root()
            || (above && !seen.is_mount && seen.mount_or_device() == over.mount);
        // What could not be listed when it was saved may have had anything in it.
        let is_known = node.fidelity != Some(Fidelity::Unreadable);
        let delete = how.delete && same_mount && is_known && self.outcome.scope.has(source);
        over.rows.add(key.as_parent(), Row { delete, same_mount });
    }

    fn make_merged(&mut self, key: &MapKey, node: &Node, action: Action) -> Result<()> {
        if self.outcome.how.dry_run {
            self.outcome.did(action, key, NodeKind::Directory);
            return Ok(());
        }
        let xattrs = self.xattrs(key, node)?;
        let made = self.outcome.journal.making(key);
        match made.and_then(|()| self.outcome.tree.make_directory(key, node, &xattrs)) {
            Ok(()) => self.outcome.did(action, key, NodeKind::Directory),
            Err(error) => self.outcome.problem(error),
        }
        Ok(())
    }

    /// An entry that is no directory, in a directory that was there.
    pub fn merge(&mut self, key: MapKey, node: Node, jobs: &Sender<Job>) -> Result<()> {
        let Some(over) = &mut self.over else { return Ok(()) };
        if over.is_shut(&key.parent) {
            self.outcome.kept(&key);
            return Ok(());
        }
        if over.cut.is_some() {
            over.done.insert(key.clone());
        }
        let trust = over.trust(&key);
        let Some((seen, step)) = self.meet(&key, &node, trust) else { return Ok(()) };
        if step == Step::Keep {
            self.outcome.kept(&key);
            return Ok(());
        }
        let in_the_way = seen.filter(|seen| seen.kind == Some(NodeKind::Directory));
        if let Some(seen) = in_the_way
            && let Err(error) = self.clear_way(&key, &seen)
        {
            self.outcome.problem(error);
            return Ok(());
        }
        let there = if in_the_way.is_some() { There::Directory } else { There::Something };
        if let Some(group) = node.links
            && self.further_name(&key, &node, group, there)
        {
            return Ok(());
        }
        if node.has_content() {
            return self.merge_file(key, node, seen, step, jobs);
        }
        self.merge_special(&key, &node, seen, step)
    }

    /// Removes a directory that is where something else is to be.
    fn clear_way(&self, key: &MapKey, seen: &Seen) -> std::result::Result<(), TreeError> {
        let in_the_way = || TreeError::in_the_way(key, Cause::InTheWay);
        let over = self.over.as_ref().and_then(|over| over.rows.row());
        if over.is_some_and(|row| row.delete) && !self.is_lossy() {
            return if self.make_way(key) { Ok(()) } else { Err(in_the_way()) };
        }
        if seen.is_mount {
            return Err(TreeError::in_the_way(key, Cause::Mounted));
        }
        if self.outcome.how.dry_run {
            let is_empty = self.outcome.tree.names(key)?.is_empty();
            return if is_empty { Ok(()) } else { Err(in_the_way()) };
        }
        self.outcome.tree.remove(key, seen)
    }

    fn merge_special(
        &mut self,
        key: &MapKey,
        node: &Node,
        seen: Option<Seen>,
        step: Step,
    ) -> Result<()> {
        let xattrs = self.xattrs(key, node)?;
        let is_same = match (&seen, step) {
            (Some(seen), Step::Trust | Step::Compare) => self.is_same_special(key, node, seen),
            _ => false,
        };
        if let (Some(seen), true) = (&seen, is_same) {
            let split = self.over.as_mut().is_some_and(|over| over.is_split(node, seen));
            self.outcome.settle(key, seen, node, &xattrs, split, false);
            return Ok(());
        }
        let action = match (&seen, step) {
            (None, _) => Action::Add,
            (_, Step::Replace) => Action::Change(What::Kind),
            _ => Action::Change(What::Content),
        };
        self.outcome.put_special(key, node, &xattrs, action);
        Ok(())
    }

    fn is_same_special(&self, key: &MapKey, node: &Node, seen: &Seen) -> bool {
        match node.kind {
            NodeKind::Symlink => {
                self.outcome.tree.read_link(key).is_ok_and(|target| node.target == Some(target))
            }
            NodeKind::BlockDevice | NodeKind::CharDevice => node.device == Some(seen.device),
            _ => true,
        }
    }

    fn merge_file(
        &mut self,
        key: MapKey,
        node: Node,
        seen: Option<Seen>,
        step: Step,
        jobs: &Sender<Job>,
    ) -> Result<()> {
        let xattrs = self.xattrs(&key, &node)?;
        let base = match (seen, step) {
            (Some(seen), Step::Trust | Step::Compare) => self.base(&node, seen, &key, &xattrs),
            (seen, _) => Base::other(seen.filter(|_| step == Step::Replace)),
        };
        match step {
            Step::Trust => {
                self.count_ahead(&node);
                self.outcome.pass_bytes(node.len());
                self.finish_soon(Pending::new(key, node, xattrs, Some(base)), jobs);
                Ok(())
            }
            Step::Compare => self.compare(key, node, xattrs, base, jobs),
            _ => self.fill(key, node, xattrs, Some(base), jobs),
        }
    }

    /// What is there of a file, and how it may be changed.
    fn base(&mut self, node: &Node, seen: Seen, key: &MapKey, xattrs: &[Xattr]) -> Base {
        let mut base = Base::to_compare(seen);
        let how = self.outcome.how;
        base.split = self.over.as_mut().is_some_and(|over| over.is_split(node, &seen));
        let is_large = seen.size.min(node.len()) >= IN_PLACE_MIN;
        let is_alone = seen.names <= 1 && !base.split;
        // What changes hands is not written while others may read it.
        let has_owner = || {
            let mut timeless = node.clone();
            timeless.mtime = seen.mtime;
            self.outcome.tree.differs(key, &seen, &timeless, xattrs).is_ok_and(|differs| !differs)
        };
        base.in_place = how.in_place || (is_large && is_alone && has_owner());
        base.split &= !how.in_place;
        base
    }
}
