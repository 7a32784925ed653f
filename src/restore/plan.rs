//! The thread that walks the map: it makes what has no content, and says what the workers do.

use super::Result;
use super::change::Action;
use super::existing::journal::Cut;
use super::existing::{Base, Over};
use super::filter::Choice;
use super::group;
use super::outcome::Outcome;
use super::owner::Owners;
use super::pending::Pending;
use super::place::prefixes;
use super::window::{Job, Part, Window};
use super::worker::describe;
use crate::repository::{Chunks, Error, Found, Items, Map, xattrs};
use crossbeam_channel::Sender;
use esker_format::content::{Content, Item};
use esker_format::ids::{ChunkId, LinkGroup};
use esker_format::node::{Fidelity, Node, NodeKind, ORIGIN, Time, Xattr};
use esker_format::path::{MapKey, is_below};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Files without chunks that are handed on together.
const BATCH: usize = 64;
/// Directories that are held at least before some are let go.
const HELD_MIN: usize = 1024;
/// Descriptors that are left for everything but files being written.
const DESCRIPTORS_SPARED: u64 = 600;

/// A further name of something that is restored under another one.
pub struct Link {
    /// The name that it is made under.
    pub existing: MapKey,
    /// The further name.
    pub key: MapKey,
    /// The group that both are of.
    pub group: LinkGroup,
    /// What it is.
    pub kind: NodeKind,
    /// What is in its place.
    pub there: There,
}

/// What was in the place of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum There {
    /// Nothing can be: its directory was made by this restore.
    Nothing,
    /// A directory, which made way.
    Directory,
    /// Anything else, or nothing.
    Something,
}

/// What is left when the walk is over.
pub struct Planned {
    /// Names to be made.
    pub links: Vec<Link>,
    /// What an earlier run left behind, and what this one went through of that.
    pub left: Option<(Cut, HashSet<MapKey>)>,
    /// Pages were lost, and nobody knows all that the snapshot has.
    pub is_lossy: bool,
}

/// What is to be done, as far as the map was read.
pub struct Plan<'r> {
    pub outcome: &'r Outcome<'r>,
    chunks: Chunks,
    window: Window,
    /// Files that need no frame.
    ready: Vec<Arc<Pending>>,
    /// The first name of everything that has several.
    first: HashMap<LinkGroup, MapKey>,
    links: Vec<Link>,
    /// Set when a page is lost, and perhaps directories with it.
    parents_lost: bool,
    /// What is there already; none in a target that was empty.
    pub over: Option<Over>,
    owners: Owners,
    /// Directories that are made when something below them is taken, by the parent that their
    /// entries have.
    held: BTreeMap<Vec<u8>, (MapKey, Node)>,
    /// So many of them are held before those that the walk has passed are let go.
    held_max: usize,
}

impl<'r> Plan<'r> {
    /// Nothing planned yet; frames come together from a store that is far away.
    pub fn new(outcome: &'r Outcome<'r>, chunks: Chunks, over: Option<Over>, is_far: bool) -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        // Files of two windows can be open at a time.
        let open = limit.unwrap_or(u64::MAX).saturating_sub(DESCRIPTORS_SPARED) / 2;
        // Where one is there, two are open for each.
        let open = if over.is_some() { open / 2 } else { open };
        let window = Window::new(open.clamp(16, 4096) as usize, is_far);
        let (ready, first, links, held) = Default::default();
        let owners = Owners::new(outcome.how.owner);
        let parents_lost = false;
        let held_max = HELD_MIN;
        Self {
            outcome,
            chunks,
            window,
            ready,
            first,
            links,
            parents_lost,
            over,
            owners,
            held,
            held_max,
        }
    }

    /// Walks the map and hands out work until there is no more. Returns the names that are to be
    /// made when all work is done. Reasons to give up are told to the outcome.
    pub fn run(mut self, mut map: Map, jobs: Sender<Job>) -> Result<Planned> {
        while !self.outcome.is_over()
            && let Some(found) = map.next(&mut self.chunks)?
        {
            match found {
                Found::Entry(entry) => self.entry(&entry.key, entry.node, &jobs)?,
                Found::Lost { first, entries, error } => {
                    self.parents_lost = true;
                    let message = format!(
                        "and the entries behind it, {entries} in all, are lost: {}",
                        describe(&error)
                    );
                    self.outcome.damage(&self.outcome.place.target(&first), None, message);
                }
            }
        }
        self.purge_rest();
        self.settle_answers(&jobs)?;
        self.flush(&jobs)?;
        send(&jobs, Job::Files(std::mem::take(&mut self.ready)));
        self.outcome.progress.planned.store(true, Relaxed);
        let is_lossy = self.parents_lost;
        let left = self.over.and_then(|over| Some((over.cut?, over.done)));
        Ok(Planned { links: self.links, left, is_lossy })
    }

    /// Whether pages were lost, and nobody knows all that the snapshot has.
    pub const fn is_lossy(&self) -> bool {
        self.parents_lost
    }

    fn entry(&mut self, source: &MapKey, mut node: Node, jobs: &Sender<Job>) -> Result<()> {
        let key = self.outcome.place.target(source);
        let is_directory = node.kind == NodeKind::Directory;
        let choice = self.outcome.how.filter.choose(&source.path(), is_directory);
        node.links = group::of(&node);
        self.owners.translate(&mut node);
        if choice == Choice::Taken {
            self.make_held(&key)?;
        }
        if self.parents_lost && choice == Choice::Taken {
            self.make_parents(&key);
        }
        self.enter(&key);
        if choice == Choice::Taken && self.outcome.is_reserved(&key) {
            return Ok(());
        }
        match choice {
            Choice::Taken if is_directory => self.directory(source, &node),
            Choice::Taken => self.other(key, node, jobs),
            Choice::Passed if is_directory => self.hold(source, key, node),
            Choice::Passed | Choice::LeftOut => Ok(()),
        }
    }

    /// The directory that the target stands for.
    pub fn root(&mut self, source: &MapKey, node: &Node) -> Result<()> {
        let mut node = node.clone();
        self.owners.translate(&mut node);
        match self.outcome.how.filter.choose(&source.path(), true) {
            Choice::Taken => self.directory(source, &node),
            Choice::Passed => self.hold(source, MapKey::root(), node),
            Choice::LeftOut => Ok(()),
        }
    }

    /// An entry that is no directory.
    fn other(&mut self, key: MapKey, node: Node, jobs: &Sender<Job>) -> Result<()> {
        if node.fidelity == Some(Fidelity::Unreadable) {
            self.outcome.partial(&key, "is not restored: it could not be read when it was saved");
            return Ok(());
        }
        if node.kind == NodeKind::Image && self.outcome.tree.is_system_root() {
            let message = "is not restored to /: name a directory, or a disk and --device";
            self.outcome.partial(&key, message);
            return Ok(());
        }
        if !self.is_fresh() {
            return self.merge(key, node, jobs);
        }
        if let Some(group) = node.links
            && self.further_name(&key, &node, group, There::Nothing)
        {
            return Ok(());
        }
        if self.outcome.how.dry_run {
            self.outcome.pass_bytes(node.len());
            self.outcome.did(Action::Add, &key, node.kind);
            return Ok(());
        }
        if node.has_content() {
            let xattrs = self.xattrs(&key, &node)?;
            return self.fill(key, node, xattrs, None, jobs);
        }
        let xattrs = self.xattrs(&key, &node)?;
        match self.outcome.tree.make_special(&key, &node, &xattrs) {
            Ok(problems) => {
                problems.into_iter().for_each(|problem| self.outcome.problem(problem));
                self.outcome.did(Action::Add, &key, node.kind);
            }
            Err(error) => {
                self.outcome.problem(error);
                self.outcome.spoil(node.links);
            }
        }
        Ok(())
    }

    /// Whether it is one more name of something that was met before; then it is made at the end.
    pub fn further_name(
        &mut self,
        key: &MapKey,
        node: &Node,
        group: LinkGroup,
        there: There,
    ) -> bool {
        if let Some(existing) = self.first.get(&group) {
            let (existing, key, kind) = (existing.clone(), key.clone(), node.kind);
            self.links.push(Link { existing, key, group, kind, there });
            return true;
        }
        self.first.insert(group, key.clone());
        false
    }

    /// Makes a directory.
    pub fn directory(&mut self, source: &MapKey, node: &Node) -> Result<()> {
        let key = self.outcome.place.target(source);
        if node.fidelity == Some(Fidelity::Unreadable) {
            self.outcome.partial(&key, "is restored empty: it could not be read when it was saved");
        }
        if self.over.is_some() && (key == MapKey::root() || !self.is_fresh()) {
            let on_the_way = !self.outcome.is_in_source(source);
            return self.merge_directory(source, node, on_the_way);
        }
        if self.outcome.how.dry_run {
            self.outcome.did(Action::Add, &key, node.kind);
            return Ok(());
        }
        let xattrs = self.xattrs(&key, node)?;
        match self.outcome.tree.make_directory(&key, node, &xattrs) {
            Ok(()) => self.outcome.did(Action::Add, &key, node.kind),
            Err(error) => self.outcome.problem(error),
        }
        Ok(())
    }

    /// A directory that is not meant, but perhaps something below it. When it is there, it is
    /// looked into; else it is made when it is needed.
    fn hold(&mut self, source: &MapKey, key: MapKey, node: Node) -> Result<()> {
        if self.over.is_some()
            && (key == MapKey::root() || !self.is_fresh())
            && matches!(self.outcome.tree.look(&key), Ok(Some(seen)) if seen.kind == Some(node.kind))
        {
            return self.merge_directory(source, &node, true);
        }
        // Those that the walk has passed are not needed any more. Looking for them now and then
        // is enough to keep few.
        if self.held.len() >= self.held_max {
            let is_above = |parent: &Vec<u8>| is_below(&key.parent, parent) || parent.is_empty();
            self.held.retain(|parent, _| *parent >= key.parent || is_above(parent));
            self.held_max = HELD_MIN.max(self.held.len() * 2);
        }
        self.held.insert(key.as_parent(), (source.clone(), node));
        Ok(())
    }

    /// Makes the directories above something that is taken.
    fn make_held(&mut self, key: &MapKey) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        for parent in prefixes(&key.parent) {
            if let Some((source, node)) = self.held.remove(parent) {
                self.enter(&self.outcome.place.target(&source));
                self.directory(&source, &node)?;
            }
        }
        Ok(())
    }

    /// Has a file made, or replaced, from what the repository has.
    pub fn fill(
        &mut self,
        key: MapKey,
        mut node: Node,
        xattrs: Vec<Xattr>,
        base: Option<Base>,
        jobs: &Sender<Job>,
    ) -> Result<()> {
        self.count_ahead(&node);
        let content = Self::take_content(&mut node);
        let several = match &content {
            Content::Inline(_) => false,
            Content::Items(items) => items.len() > 1,
            Content::List(_) => true,
        };
        if several && self.opens_too_many() {
            self.flush(jobs)?;
        }
        let file = Pending::new(key, node, xattrs, base);
        let mut items = Items::new(&content);
        let mut at = 0;
        while let Some((item, error)) = items.next(&mut self.chunks)? {
            self.item(&file, item, error, at, jobs)?;
            at += item.len();
        }
        self.give_back(file, jobs);
        Ok(())
    }

    /// Counts what a file has, as far as that is not known from the beginning.
    pub fn count_ahead(&self, node: &Node) {
        if !self.outcome.progress.planned.load(Relaxed) {
            self.outcome.progress.of_bytes.fetch_add(node.len(), Relaxed);
        }
    }

    /// The content of a node, which keeps it only where it is short.
    pub fn take_content(node: &mut Node) -> Content {
        match node.content.take() {
            // The list is not needed again, unlike short content.
            Some(list @ Content::List(_)) => list,
            other => {
                node.content.clone_from(&other);
                other.unwrap_or(Content::Items(Vec::new()))
            }
        }
    }

    /// Counts a file of several pieces; true when others have to be finished first.
    pub const fn opens_too_many(&mut self) -> bool {
        self.window.open()
    }

    /// What reads pages.
    pub const fn chunks(&mut self) -> &mut Chunks {
        &mut self.chunks
    }

    /// Gives back a file that the plan is done with.
    pub fn give_back(&mut self, file: Arc<Pending>, jobs: &Sender<Job>) {
        // It is alone when nothing of it is on its way.
        if Arc::strong_count(&file) == 1 {
            self.finish_soon(file, jobs);
        } else {
            file.release(self.outcome);
        }
    }

    /// Has a file finished that needs nothing more.
    pub fn finish_soon(&mut self, file: Arc<Pending>, jobs: &Sender<Job>) {
        self.ready.push(file);
        if self.ready.len() >= BATCH {
            send(jobs, Job::Files(std::mem::take(&mut self.ready)));
        }
    }

    fn item(
        &mut self,
        file: &Arc<Pending>,
        item: Item,
        error: Option<Error>,
        at: u64,
        jobs: &Sender<Job>,
    ) -> Result<()> {
        let count = |len| self.outcome.pass_bytes(len);
        match item {
            Item::Data(..) if self.outcome.how.dry_run => count(item.len()),
            Item::Data(id, len) => self.fetch(file, at, id, len, jobs)?,
            Item::Hole(len) => count(len),
            // A disk cannot tell zeros from holes; a file that stands for it has holes.
            Item::Zero(len) if file.node.kind == NodeKind::Image => count(len),
            Item::Zero(len) => {
                if !self.outcome.how.dry_run
                    && let Some(new) = file.file(self.outcome)
                    && let Err(error) = new.allocate_zero(at, len)
                {
                    self.outcome.problem(error);
                }
                count(len);
            }
            Item::Lost(len) => {
                self.note_lost(file, &item, error);
                count(len);
            }
        }
        Ok(())
    }

    /// Remembers what a file lacks.
    pub fn note_lost(&self, file: &Pending, item: &Item, error: Option<Error>) {
        match (item, error) {
            (Item::Lost(len), Some(error)) => file.lose(*len, &describe(&error)),
            (Item::Lost(len), None) => file.miss(*len),
            _ => {}
        }
    }

    /// Has a chunk fetched.
    pub fn fetch(
        &mut self,
        file: &Arc<Pending>,
        at: u64,
        id: ChunkId,
        len: u64,
        jobs: &Sender<Job>,
    ) -> Result<()> {
        match self.chunks.lookup().find(&id)? {
            Some(place) => {
                let part = Part { file: Arc::clone(file), at, id, place, len };
                if self.window.add(part) {
                    let full = self.window.take(self.chunks.lookup())?;
                    full.into_iter().for_each(|job| send(jobs, job));
                }
            }
            None => {
                file.lose(len, &format!("chunk {id} is in no pack"));
                self.outcome.pass_bytes(len);
            }
        }
        Ok(())
    }

    /// Attributes of a node; a lost page of them is damage, and the rest goes on without.
    pub fn xattrs(&mut self, key: &MapKey, node: &Node) -> Result<Vec<Xattr>> {
        match xattrs(&mut self.chunks, node) {
            Err(error) if error.is_damage() => {
                let message = format!("has lost its extended attributes: {}", describe(&error));
                self.outcome.damage(key, node.links, message);
                Ok(Vec::new())
            }
            other => {
                let mut list = other?;
                if matches!(node.kind, NodeKind::Stream | NodeKind::Image) {
                    list.retain(|(name, _)| !name.starts_with(ORIGIN));
                }
                Ok(list)
            }
        }
    }

    /// Hands out all that is in the window.
    pub fn flush(&mut self, jobs: &Sender<Job>) -> Result<()> {
        self.window.take_all(self.chunks.lookup())?.into_iter().for_each(|job| send(jobs, job));
        Ok(())
    }

    /// Makes the directories above an entry whose own entries are lost, as far as they are not
    /// there, so that what is below them is not lost too.
    fn make_parents(&mut self, key: &MapKey) {
        if self.outcome.how.dry_run {
            return;
        }
        let mut above = Vec::new();
        let mut at = key.clone();
        while !at.parent.is_empty() {
            at = MapKey::from_parent(&at.parent);
            if self.outcome.tree.directory(&at).is_ok() {
                break;
            }
            above.push(at.clone());
        }
        for key in above.into_iter().rev() {
            match self.outcome.tree.make_directory(&key, &stand_in(), &[]) {
                Ok(()) => {
                    let message = "is restored without its owner, mode and time, which are lost";
                    self.outcome.damage(&key, None, message.to_owned());
                }
                Err(error) => self.outcome.problem(error),
            }
        }
    }
}

/// Workers take everything until the sender is dropped; they end early only by a panic, which the
/// scope that they run in passes on.
pub fn send(jobs: &Sender<Job>, job: Job) {
    let _ = jobs.send(job);
}

/// A directory that only its owner, which is who restores, can enter.
fn stand_in() -> Node {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Node { uid, gid, ..Node::bare(NodeKind::Directory, 0o700, Time { seconds: 0, nanos: 0 }) }
}
