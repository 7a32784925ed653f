//! The thread that walks the map: it makes what has no content, and says what the workers do.

use super::Result;
use super::outcome::Outcome;
use super::pending::Pending;
use super::window::{Job, Part, Window};
use super::worker::describe;
use crate::repository::{Chunks, Error, Found, Items, Map, xattrs};
use crossbeam_channel::Sender;
use esker_format::content::{Content, Item};
use esker_format::ids::LinkGroup;
use esker_format::node::{Fidelity, Node, NodeKind, Time, Xattr};
use esker_format::path::MapKey;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Files without chunks that are handed on together.
const BATCH: usize = 64;
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
    /// Whether it is a file.
    pub is_file: bool,
}

/// What is to be done, as far as the map was read.
pub struct Plan<'r> {
    outcome: &'r Outcome<'r>,
    chunks: Chunks,
    window: Window,
    /// Files that need no frame.
    ready: Vec<Arc<Pending>>,
    /// The first name of everything that has several.
    first: HashMap<LinkGroup, MapKey>,
    links: Vec<Link>,
    /// Set when a page is lost, and perhaps directories with it.
    parents_lost: bool,
}

impl<'r> Plan<'r> {
    pub fn new(outcome: &'r Outcome<'r>, chunks: Chunks) -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        // Files of two windows can be open at a time.
        let open = limit.unwrap_or(u64::MAX).saturating_sub(DESCRIPTORS_SPARED) / 2;
        let window = Window::new(open.clamp(16, 4096) as usize);
        let (ready, first, links) = Default::default();
        Self { outcome, chunks, window, ready, first, links, parents_lost: false }
    }

    /// Walks the map and hands out work until there is no more. Returns the names that are to be
    /// made when all work is done. Reasons to give up are told to the outcome.
    pub fn run(mut self, mut map: Map, jobs: Sender<Job>) -> Result<Vec<Link>> {
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
        self.flush(&jobs)?;
        send(&jobs, Job::Files(std::mem::take(&mut self.ready)));
        self.outcome.progress.planned.store(true, Relaxed);
        Ok(self.links)
    }

    fn entry(&mut self, source: &MapKey, node: Node, jobs: &Sender<Job>) -> Result<()> {
        let key = self.outcome.place.target(source);
        if self.parents_lost {
            self.make_parents(&key);
        }
        if node.kind == NodeKind::Directory {
            return self.directory(source, &node);
        }
        if node.fidelity == Some(Fidelity::Unreadable) {
            self.outcome.partial(&key, "is not restored: it could not be read when it was saved");
            return Ok(());
        }
        if let Some(group) = node.links {
            if let Some(existing) = self.first.get(&group) {
                let (existing, is_file) = (existing.clone(), node.kind == NodeKind::File);
                self.links.push(Link { existing, key, group, is_file });
                return Ok(());
            }
            self.first.insert(group, key.clone());
        }
        if node.has_content() {
            return self.file(key, node, jobs);
        }
        let xattrs = self.xattrs(&key, &node)?;
        match self.outcome.tree.make_special(&key, &node, &xattrs) {
            Ok(problems) => {
                problems.into_iter().for_each(|problem| self.outcome.problem(problem));
                self.outcome.done(0);
            }
            Err(error) => self.outcome.problem(error),
        }
        Ok(())
    }

    /// Makes a directory.
    pub fn directory(&mut self, source: &MapKey, node: &Node) -> Result<()> {
        let key = self.outcome.place.target(source);
        let xattrs = self.xattrs(&key, node)?;
        match self.outcome.tree.make_directory(&key, node, &xattrs) {
            Ok(()) => self.outcome.done(0),
            Err(error) => self.outcome.problem(error),
        }
        if node.fidelity == Some(Fidelity::Unreadable) {
            self.outcome.partial(&key, "is restored empty: it could not be read when it was saved");
        }
        Ok(())
    }

    fn file(&mut self, key: MapKey, mut node: Node, jobs: &Sender<Job>) -> Result<()> {
        let xattrs = self.xattrs(&key, &node)?;
        if !self.outcome.progress.planned.load(Relaxed) {
            self.outcome.progress.of_bytes.fetch_add(node.len(), Relaxed);
        }
        let content = match node.content.take() {
            // The list is not needed again, unlike short content.
            Some(list @ Content::List(_)) => list,
            other => {
                node.content.clone_from(&other);
                other.unwrap_or(Content::Items(Vec::new()))
            }
        };
        let several = match &content {
            Content::Inline(_) => false,
            Content::Items(items) => items.len() > 1,
            Content::List(_) => true,
        };
        if several && self.window.open() {
            self.flush(jobs)?;
        }
        let file = Pending::new(key, node, xattrs);
        let mut items = Items::new(&content);
        let mut at = 0;
        while let Some((item, error)) = items.next(&mut self.chunks)? {
            self.item(&file, item, error, at, jobs)?;
            at += item.len();
        }
        // It is alone when nothing of it is on its way.
        if Arc::strong_count(&file) == 1 {
            self.ready.push(file);
            if self.ready.len() >= BATCH {
                send(jobs, Job::Files(std::mem::take(&mut self.ready)));
            }
        } else {
            file.release(self.outcome);
        }
        Ok(())
    }

    fn item(
        &mut self,
        file: &Arc<Pending>,
        item: Item,
        error: Option<Error>,
        at: u64,
        jobs: &Sender<Job>,
    ) -> Result<()> {
        let count = |len| self.outcome.progress.bytes.fetch_add(len, Relaxed);
        match (item, error) {
            (Item::Data(id, len), _) => match self.chunks.lookup().find(&id)? {
                Some(place) => {
                    let part = Part { file: Arc::clone(file), at, id, place, len };
                    if self.window.add(part) {
                        self.flush(jobs)?;
                    }
                }
                None => {
                    file.lose(len, &format!("chunk {id} is in no pack"));
                    count(len);
                }
            },
            (Item::Hole(len), _) => drop(count(len)),
            (Item::Zero(len), _) => {
                if let Some(new) = file.file(self.outcome)
                    && let Err(error) = new.allocate_zero(at, len)
                {
                    self.outcome.problem(error);
                }
                count(len);
            }
            (Item::Lost(len), Some(error)) => {
                file.lose(len, &describe(&error));
                count(len);
            }
            (Item::Lost(len), None) => {
                file.miss(len);
                count(len);
            }
        }
        Ok(())
    }

    /// Attributes of a node; a lost page of them is damage, and the rest goes on without.
    fn xattrs(&mut self, key: &MapKey, node: &Node) -> Result<Vec<Xattr>> {
        match xattrs(&mut self.chunks, node) {
            Err(error) if error.is_damage() => {
                let message = format!("has lost its extended attributes: {}", describe(&error));
                self.outcome.damage(key, node.links, message);
                Ok(Vec::new())
            }
            other => Ok(other?),
        }
    }

    /// Hands out what is in the window.
    fn flush(&mut self, jobs: &Sender<Job>) -> Result<()> {
        self.window.take(self.chunks.lookup())?.into_iter().for_each(|job| send(jobs, job));
        Ok(())
    }

    /// Makes the directories above an entry whose own entries are lost, as far as they are not
    /// there, so that what is below them is not lost too.
    fn make_parents(&mut self, key: &MapKey) {
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
fn send(jobs: &Sender<Job>, job: Job) {
    let _ = jobs.send(job);
}

/// A directory that only its owner, which is who restores, can enter.
fn stand_in() -> Node {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Node { uid, gid, ..Node::bare(NodeKind::Directory, 0o700, Time { seconds: 0, nanos: 0 }) }
}
