//! The walk over a target that has things in it: for each entry what is there, and what follows.

use super::base::{Base, IN_PLACE_MIN};
use super::compare::{Answer, Comparison};
use super::journal::Cut;
use super::rows::{Left, Row, Rows};
use super::step::{Step, Trust, step};
use crate::repository::Items;
use crate::restore::Result;
use crate::restore::change::{Action, What};
use crate::restore::pending::Pending;
use crate::restore::place::prefixes;
use crate::restore::plan::{Plan, There, send};
use crate::restore::tree::{Cause, Seen, TreeError};
use crate::restore::window::Job;
use crossbeam_channel::{Receiver, Sender};
use esker_format::content::{Content, Item};
use esker_format::ids::{ChunkId, LinkGroup};
use esker_format::node::{Fidelity, Node, NodeKind, Xattr};
use esker_format::path::MapKey;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Pieces of a file that are compared as one job.
const PIECES: usize = 256;

/// What the walk knows of the target.
pub struct Over {
    pub rows: Rows,
    pub cut: Option<Cut>,
    /// Entries that an earlier run left unfinished, and this one went through.
    pub done: HashSet<MapKey>,
    mount: u64,
    /// Things that stay where the snapshot has directories, as parents.
    shut: HashSet<Vec<u8>>,
    /// Files with several names, by device and inode, and the group that has them; none when it is
    /// a single entry.
    claimed: HashMap<(u64, u64), Option<LinkGroup>>,
    answers: (Sender<Answer>, Receiver<Answer>),
    outstanding: usize,
    /// Files that are to be changed where they are, until all is known that differs.
    held: HashMap<MapKey, Held>,
}

/// What differs of a file that is to be changed where it is.
#[derive(Default)]
struct Held {
    outstanding: usize,
    all_sent: bool,
    differing: Vec<(u64, ChunkId, u64)>,
}

impl Over {
    /// A walk over a target.
    pub fn new(target: &Seen, cut: Option<Cut>) -> Self {
        let mut rows = Rows::default();
        let mount = target.mount_or_device();
        rows.add(Vec::new(), Row { delete: false, same_mount: true });
        Self {
            rows,
            cut,
            done: HashSet::new(),
            mount,
            shut: HashSet::new(),
            claimed: HashMap::new(),
            answers: crossbeam_channel::unbounded(),
            outstanding: 0,
            held: HashMap::new(),
        }
    }

    fn trust(&self, key: &MapKey) -> Trust {
        match &self.cut {
            None => Trust::Whole,
            Some(cut) if cut.names(key) => Trust::Unfinished,
            Some(_) => Trust::Doubtful,
        }
    }

    fn is_shut(&self, parent: &[u8]) -> bool {
        !self.shut.is_empty() && prefixes(parent).any(|above| self.shut.contains(above))
    }

    /// Whether the file that is there belongs to another entry, which has it as one of its names;
    /// else this entry claims it. How many names are left by now says nothing: those that were met
    /// before may be on their way to another file.
    fn is_split(&mut self, node: &Node, seen: &Seen) -> bool {
        match self.claimed.get(&seen.identity) {
            Some(claim) => claim.is_none() || *claim != node.links,
            None => {
                if seen.names > 1 {
                    self.claimed.insert(seen.identity, node.links);
                }
                false
            }
        }
    }
}

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
        let seen = match self.outcome.look(&key) {
            Ok(seen) => seen,
            Err(error) => {
                self.outcome.problem(error);
                return Ok(());
            }
        };
        if self.is_guarded(&key, seen.as_ref()) {
            return Ok(());
        }
        let step = step(node, seen.as_ref(), self.outcome.how.overwrite, trust);
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
        let seen = match self.outcome.look(&key) {
            Ok(seen) => seen,
            Err(error) => {
                self.outcome.problem(error);
                return Ok(());
            }
        };
        if self.is_guarded(&key, seen.as_ref()) {
            return Ok(());
        }
        let step = step(&node, seen.as_ref(), self.outcome.how.overwrite, trust);
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

    /// Has a file compared, in pieces.
    fn compare(
        &mut self,
        key: MapKey,
        mut node: Node,
        xattrs: Vec<Xattr>,
        base: Base,
        jobs: &Sender<Job>,
    ) -> Result<()> {
        self.count_ahead(&node);
        let content = Self::take_content(&mut node);
        let several = matches!(&content, Content::List(_))
            || matches!(&content, Content::Items(items) if items.len() > 1);
        if several && self.opens_too_many() {
            self.settle_answers(jobs)?;
            self.flush(jobs)?;
        }
        if let Some(over) = &mut self.over
            && base.in_place
            && !self.outcome.how.dry_run
        {
            over.held.insert(key.clone(), Held::default());
        }
        let file = Pending::new(key, node, xattrs, Some(base));
        let mut items = Items::new(&content);
        let (mut at, mut pieces, mut sent) = (0, Vec::new(), false);
        while let Some((item, error)) = items.next(self.chunks())? {
            self.note_lost(&file, &item, error);
            pieces.push((at, item));
            at += item.len();
            if pieces.len() == PIECES {
                self.send_pieces(&file, std::mem::take(&mut pieces), false, jobs)?;
                sent = true;
            }
        }
        if !pieces.is_empty() || !sent {
            self.send_pieces(&file, pieces, !sent, jobs)?;
        }
        if let Some(held) = self.held(&file.key) {
            held.all_sent = true;
            self.fetch_held(&file, jobs)?;
        }
        file.release(self.outcome);
        Ok(())
    }

    fn send_pieces(
        &mut self,
        file: &Arc<Pending>,
        pieces: Vec<(u64, Item)>,
        is_all: bool,
        jobs: &Sender<Job>,
    ) -> Result<()> {
        let Some(over) = &mut self.over else { return Ok(()) };
        over.outstanding += 1;
        if let Some(held) = over.held.get_mut(&file.key) {
            held.outstanding += 1;
        }
        let answers = over.answers.0.clone();
        send(jobs, Job::Compare(Comparison::new(Arc::clone(file), pieces, is_all, answers)));
        while let Some(answer) = self.over.as_ref().and_then(|o| o.answers.1.try_recv().ok()) {
            self.answer(answer, jobs)?;
        }
        Ok(())
    }

    /// Waits until all that was to be compared is.
    pub fn settle_answers(&mut self, jobs: &Sender<Job>) -> Result<()> {
        while let Some(over) = &self.over
            && over.outstanding > 0
            && let Ok(answer) = over.answers.1.recv()
        {
            self.answer(answer, jobs)?;
        }
        Ok(())
    }

    fn held(&mut self, key: &MapKey) -> Option<&mut Held> {
        self.over.as_mut()?.held.get_mut(key)
    }

    /// Has all chunks fetched that differ in a file which is changed where it is, once they are
    /// known. If one of them is not to be had, none is: the old file stays as it is.
    fn fetch_held(&mut self, file: &Arc<Pending>, jobs: &Sender<Job>) -> Result<()> {
        let Some(over) = &mut self.over else { return Ok(()) };
        let known = |held: &Held| held.all_sent && held.outstanding == 0;
        if !over.held.get(&file.key).is_some_and(known) {
            return Ok(());
        }
        let Some(Held { differing, .. }) = over.held.remove(&file.key) else { return Ok(()) };
        for (_, id, len) in &differing {
            if self.chunks().lookup().find_present(id)?.is_none() {
                file.lose(*len, &format!("chunk {id} is in no pack that is there"));
            }
        }
        for (at, id, len) in differing {
            if file.is_lacking() {
                self.outcome.pass_bytes(len);
            } else {
                self.fetch(file, at, id, len, jobs)?;
            }
        }
        Ok(())
    }

    /// Has the chunks fetched that a comparison found different.
    fn answer(&mut self, answer: Answer, jobs: &Sender<Job>) -> Result<()> {
        if let Some(over) = &mut self.over {
            over.outstanding -= 1;
        }
        let Answer { file, differing } = answer;
        if let Some(held) = self.held(&file.key) {
            held.outstanding -= 1;
            held.differing.extend(differing);
            self.fetch_held(&file, jobs)?;
            self.give_back(file, jobs);
            return Ok(());
        }
        for (at, id, len) in differing {
            if self.outcome.how.dry_run {
                self.outcome.pass_bytes(len);
            } else {
                self.fetch(&file, at, id, len, jobs)?;
            }
        }
        self.give_back(file, jobs);
        Ok(())
    }
}
