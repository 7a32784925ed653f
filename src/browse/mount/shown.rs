//! What the file system has where: the logic of it, without a word of FUSE.

use super::attributes::Attributes;
use super::catalog::{Catalog, List, Wanted};
use super::holes::Holes;
use super::place::{PARTITIONS_MAX, Place};
use super::saved::Saved;
use crate::browse::lock;
use crate::browse::part::{Part, partitions};
use crate::repository::view::{Child, File, Tree, View};
use crate::repository::{Error, Result};
use esker_format::content::Content;
use esker_format::image::DiskPartition;
use esker_format::node::{Node, NodeKind, ORIGIN, Time, Xattr};
use esker_format::page::Entry;
use esker_format::path::MapKey;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

/// What the directory with the partitions of an image is called behind its name.
const PARTS: &[u8] = b".parts";

/// Items of the content of an image that are counted: some tenths of a second.
const COUNTED: u64 = 1 << 20;

/// Things that are told at most: a disk that is gone would fill any log.
const TOLD: usize = 10_000;

/// Something that whoever mounted should know.
#[derive(Debug)]
pub enum Event<'e> {
    /// The log could not be read on: what is shown is what was there before.
    Stale(&'e Error),
    /// A snapshot was forgotten, and a collection has taken what it needs.
    Collected {
        /// The snapshot, as `by-id` has it.
        snapshot: &'e str,
    },
    /// Some of a file or a directory cannot be read.
    Unreadable {
        /// The snapshot, as `by-id` has it.
        snapshot: &'e str,
        /// The path in it.
        path: &'e [u8],
        /// Why.
        error: &'e Error,
    },
}

/// Who is told.
pub type Observer = Box<dyn Fn(Event<'_>) + Send + Sync>;

/// The file system.
pub struct Shown {
    view: Arc<View>,
    catalog: Catalog,
    observer: Observer,
    /// What was told already.
    told: Mutex<HashSet<(u64, bool)>>,
    /// Whose directories are that nobody saved, and from when they are.
    owner: (u32, u32),
    since: Time,
    is_far: bool,
    holes: Holes,
}

/// A thing in a directory: where it is, what it is called, and what to ask for to have those behind it.
pub type Listed<'l> = (Place, &'l [u8], NodeKind, u64);

impl Shown {
    /// Shows these snapshots of a repository.
    pub fn new(view: &Arc<View>, wanted: Wanted, since: Time, observer: Observer) -> Self {
        let owner = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        Self {
            catalog: Catalog::new(Arc::clone(view), wanted),
            is_far: view.is_far(),
            view: Arc::clone(view),
            observer,
            told: Mutex::default(),
            owner,
            since,
            holes: Holes::default(),
        }
    }

    /// What has this inode number.
    pub fn place(&self, inode: u64) -> Option<Place> {
        match Place::of(inode)? {
            Place::Root if self.catalog.is_one() => Some(Place::Top(1)),
            place => Some(place),
        }
    }

    /// Whether it may be another thing a moment later.
    pub const fn may_change(place: Place) -> bool {
        place.snapshot().is_none() || matches!(place, Place::Top(_))
    }

    /// The thing with a name in a directory, and its attributes.
    ///
    /// # Errors
    /// When what leads there cannot be read.
    pub fn look_up(&self, at: Place, name: &[u8]) -> Result<Option<(Place, Attributes)>> {
        let found = match at {
            Place::Top(_) | Place::Entry(..) | Place::Parts(..) => return self.below(at, name),
            _ => std::str::from_utf8(name).ok().and_then(|name| self.at_top(at, name)),
        };
        let Some(found) = found else { return Ok(None) };
        Ok(self.attributes(found)?.map(|attributes| (found, attributes)))
    }

    fn at_top(&self, at: Place, name: &str) -> Option<Place> {
        let list = self.list();
        Some(match (at, name) {
            (Place::Root, "by-id") => Place::ById,
            (Place::Root, "by-time") => Place::ByTime,
            (Place::Root, "by-series") => Place::BySeries,
            (Place::ById, name) => Place::Top(*list.ids.get(name)?),
            (Place::ByTime, name) => Place::Time(*list.times.get(name)?),
            (Place::BySeries, name) => Place::Series(*list.series.get(name)?),
            (Place::Series(series), "latest") => {
                list.latest(series).map(|_| Place::Latest(series))?
            }
            (Place::Series(series), name) => {
                Place::OfSeries(*list.of_series.get(&series)?.get(name)?)
            }
            _ => return None,
        })
    }

    fn below(&self, at: Place, name: &[u8]) -> Result<Option<(Place, Attributes)>> {
        let Some((number, saved)) = self.saved(at) else { return Ok(None) };
        let tree = saved.tree(&self.view)?;
        if let Place::Parts(_, image) = at {
            let Some(entry) = tree.entry(image.into())? else { return Ok(None) };
            let list = self.partitions(tree, &entry)?;
            let found = list.iter().enumerate().find(|(_, part)| is_called(part, name));
            let found = found.and_then(|(at, _)| u16::try_from(at).ok());
            let place = found.map(|at| Place::Partition(number, image, at));
            let Some(place) = place else { return Ok(None) };
            return Ok(self.attributes(place)?.map(|attributes| (place, attributes)));
        }
        let Some(parent) = key(tree, at)? else { return Ok(None) };
        let key = MapKey { parent: parent.as_parent(), name: name.to_vec() };
        if let Some((entry, found)) = tree.find(&key)? {
            let place = Place::Entry(number, entry as u32);
            return Ok(Some((place, self.of_entry(&saved, place, &found)?)));
        }
        // What was saved under such a name comes first.
        let Some(image) = name.strip_suffix(PARTS) else { return Ok(None) };
        let key = MapKey { name: image.to_vec(), ..key };
        match tree.find(&key)? {
            Some((entry, found)) if !self.partitions(tree, &found)?.is_empty() => {
                let place = Place::Parts(number, entry as u32);
                Ok(Some((place, directory_of(&found.node, place))))
            }
            _ => Ok(None),
        }
    }

    /// The attributes of what is at a place; none when nothing is there any more.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn attributes(&self, at: Place) -> Result<Option<Attributes>> {
        let bare = || Attributes::directory(at.number(), self.owner, self.since);
        match at {
            Place::Root | Place::ById | Place::ByTime | Place::BySeries | Place::Series(_) => {
                Ok(Some(bare()))
            }
            Place::Latest(_) | Place::Time(_) | Place::OfSeries(_) => {
                let Some((target, time)) = self.target_at_top(at) else { return Ok(None) };
                Ok(Some(Attributes::link(at.number(), self.owner, time, &target)))
            }
            Place::Top(_) => {
                let Some((_, saved)) = self.saved(at) else { return Ok(None) };
                let top = Attributes { mtime: saved.time, ..bare() };
                // A thousand snapshots are listed without looking into each of them.
                if !self.catalog.is_one() {
                    return Ok(Some(top));
                }
                let root = saved.tree(&self.view)?.find(&MapKey::root())?;
                let root = root.filter(|(_, entry)| entry.node.kind == NodeKind::Directory);
                Ok(Some(root.map_or(top, |(_, e)| Attributes::of(&e.node, at.number(), 1))))
            }
            Place::Entry(_, number) | Place::Parts(_, number) | Place::Partition(_, number, _) => {
                let Some((_, saved)) = self.saved(at) else { return Ok(None) };
                let tree = saved.tree(&self.view)?;
                let Some(entry) = tree.entry(number.into())? else { return Ok(None) };
                match at {
                    Place::Parts(..) => Ok(Some(directory_of(&entry.node, at))),
                    Place::Partition(.., part) => {
                        let list = self.partitions(tree, &entry)?;
                        let Some(part) = list.get(usize::from(part)) else { return Ok(None) };
                        let part = Part::of(file(tree, &entry), part);
                        let all = Attributes::file(&entry.node, at.number(), part.len());
                        Ok(Some(self.without_holes(all, &entry.node, &part)))
                    }
                    _ => self.of_entry(&saved, at, &entry).map(Some),
                }
            }
        }
    }

    /// What an image or a partition of it really takes, where that is soon counted: there are few of them, and
    /// much of them is holes.
    fn without_holes(&self, all: Attributes, image: &Node, part: &Part) -> Attributes {
        let is_short = match &image.content {
            Some(Content::List(list)) => !self.is_far && list.items <= COUNTED,
            _ => true,
        };
        match is_short.then(|| self.holes.taken(all.inode, part)).flatten() {
            Some(taken) => all.with_taken(taken),
            None => all,
        }
    }

    /// The attributes of an entry. Names of one file have the same number.
    fn of_entry(&self, saved: &Saved, at: Place, entry: &Entry) -> Result<Attributes> {
        let (Place::Entry(snapshot, number), Some(group)) = (at, entry.node.links) else {
            let all = Attributes::of(&entry.node, at.number(), 1);
            if entry.node.kind != NodeKind::Image {
                return Ok(all);
            }
            let image = Part::whole(file(saved.tree(&self.view)?, entry));
            return Ok(self.without_holes(all, &entry.node, &image));
        };
        let tree = saved.tree(&self.view)?;
        let (first, count) = saved.links.of(tree, group, number, self.is_far)?;
        Ok(Attributes::of(&entry.node, Place::Entry(snapshot, first).number(), count))
    }

    /// Visits what is in a directory from `offset` on, which is 0 at first.
    ///
    /// # Errors
    /// When some of it cannot be read, behind what can.
    pub fn list_at(
        &self,
        at: Place,
        offset: u64,
        visit: &mut dyn FnMut(Listed<'_>, Option<Attributes>) -> ControlFlow<()>,
    ) -> Result<()> {
        match at {
            Place::Top(_) | Place::Entry(..) => self.list_entries(at, offset, visit),
            Place::Parts(snapshot, image) => {
                let Some((_, saved)) = self.saved(at) else { return Ok(()) };
                let tree = saved.tree(&self.view)?;
                let Some(entry) = tree.entry(image.into())? else { return Ok(()) };
                let parts = self.partitions(tree, &entry)?;
                for (number, part) in parts.iter().enumerate().skip(offset as usize) {
                    let place = Place::Partition(snapshot, image, number as u16);
                    let name = part.number.to_string();
                    let listed = (place, name.as_bytes(), NodeKind::File, number as u64 + 1);
                    if visit(listed, self.attributes(place)?).is_break() {
                        break;
                    }
                }
                Ok(())
            }
            _ => {
                for (number, (name, place)) in
                    self.names_at_top(at).iter().enumerate().skip(offset as usize)
                {
                    let kind = match place {
                        Place::Time(_) | Place::OfSeries(_) | Place::Latest(_) => NodeKind::Symlink,
                        _ => NodeKind::Directory,
                    };
                    // Whoever wants to know more of a snapshot looks it up.
                    if visit((*place, name.as_bytes(), kind, number as u64 + 1), None).is_break() {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    fn names_at_top(&self, at: Place) -> Vec<(String, Place)> {
        let list = self.list();
        let all = |names: &std::collections::BTreeMap<String, u32>, place: fn(u32) -> Place| {
            names.iter().map(|(name, number)| (name.clone(), place(*number))).collect()
        };
        let top =
            [("by-id", Place::ById), ("by-time", Place::ByTime), ("by-series", Place::BySeries)];
        match at {
            Place::Root => top.map(|(name, place)| (name.to_owned(), place)).into(),
            Place::ById => all(&list.ids, Place::Top),
            Place::ByTime => all(&list.times, Place::Time),
            Place::BySeries => all(&list.series, Place::Series),
            Place::Series(series) => {
                let own = list.of_series.get(&series);
                let mut names = own.map_or_else(Vec::new, |own| all(own, Place::OfSeries));
                if !names.is_empty() {
                    names.push(("latest".to_owned(), Place::Latest(series)));
                }
                names
            }
            _ => Vec::new(),
        }
    }

    /// An offset is twice the number of an entry, and one more behind it: there is room for the partitions
    /// of an image.
    fn list_entries(
        &self,
        at: Place,
        offset: u64,
        visit: &mut dyn FnMut(Listed<'_>, Option<Attributes>) -> ControlFlow<()>,
    ) -> Result<()> {
        let Some((snapshot, saved)) = self.saved(at) else { return Ok(()) };
        let tree = saved.tree(&self.view)?;
        let Some(key) = key(tree, at)? else { return Ok(()) };
        let (from, only_parts) = match offset {
            0 => (None, false),
            _ => (Some(offset / 2), offset % 2 == 1),
        };
        let mut failed = None;
        tree.list(&key, from, &mut |child| {
            let (number, entry) = match child {
                Child::Entry(number, entry) => (number, entry),
                Child::Lost(_, error) => {
                    self.tell_of(at, &error);
                    failed.get_or_insert(error);
                    return ControlFlow::Continue(());
                }
            };
            let name = &entry.key.name;
            let place = Place::Entry(snapshot, number as u32);
            let behind = number * 2 + 1;
            if !(only_parts && Some(number) == from) {
                let attributes = match self.of_entry(&saved, place, entry) {
                    Ok(attributes) => attributes,
                    Err(error) => {
                        failed = Some(error);
                        return ControlFlow::Break(());
                    }
                };
                visit((place, name, entry.node.kind, behind), Some(attributes))?;
            }
            if entry.node.kind == NodeKind::Image && self.has_parts(tree, entry) {
                let place = Place::Parts(snapshot, number as u32);
                let name = [name, PARTS].concat();
                let attributes = Some(directory_of(&entry.node, place));
                visit((place, &name, NodeKind::Directory, number * 2 + 2), attributes)?;
            }
            ControlFlow::Continue(())
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// Whether the partitions of an image are beside it: nothing that was saved has their name.
    fn has_parts(&self, tree: &Tree, entry: &Entry) -> bool {
        let name = [&entry.key.name, PARTS].concat();
        let key = MapKey { name, ..entry.key.clone() };
        let is_taken = tree.find(&key).is_ok_and(|found| found.is_some());
        !is_taken && self.partitions(tree, entry).is_ok_and(|list| !list.is_empty())
    }

    fn partitions(&self, tree: &Tree, entry: &Entry) -> Result<Vec<DiskPartition>> {
        let mut list = partitions(tree, &entry.node)?;
        // Of a disk that was cut short nothing is there of some of them.
        list.retain(|part| part.start < entry.node.len());
        list.truncate(PARTITIONS_MAX.into());
        Ok(list)
    }

    /// Where a link leads.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn target(&self, at: Place) -> Result<Option<Vec<u8>>> {
        let Place::Entry(_, number) = at else {
            return Ok(self.target_at_top(at).map(|(target, _)| target.into_bytes()));
        };
        let Some((_, saved)) = self.saved(at) else { return Ok(None) };
        let entry = saved.tree(&self.view)?.entry(number.into())?;
        Ok(entry.and_then(|entry| entry.node.target))
    }

    fn target_at_top(&self, at: Place) -> Option<(String, Time)> {
        let to = |number: u32| self.catalog.saved(number);
        match at {
            Place::Latest(series) => {
                let list = self.list();
                let name = list.latest(series)?;
                let number = *list.of_series.get(&series)?.get(name)?;
                Some((name.to_owned(), to(number)?.time))
            }
            Place::Time(number) => to(number).map(|s| (format!("../by-id/{}", s.name), s.time)),
            Place::OfSeries(number) => {
                to(number).map(|s| (format!("../../by-id/{}", s.name), s.time))
            }
            _ => None,
        }
    }

    /// The extended attributes of what is at a place.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn xattrs(&self, at: Place) -> Result<Vec<Xattr>> {
        let Some((_, saved)) = self.saved(at) else { return Ok(Vec::new()) };
        let tree = saved.tree(&self.view)?;
        let entry = match at {
            Place::Entry(_, number) => tree.entry(number.into())?,
            Place::Top(_) => tree.find(&MapKey::root())?.map(|(_, entry)| entry),
            _ => None,
        };
        let Some(entry) = entry else { return Ok(Vec::new()) };
        let mut list = tree.xattrs(&entry.node)?;
        if matches!(entry.node.kind, NodeKind::Stream | NodeKind::Image) {
            list.retain(|(name, _)| !name.starts_with(ORIGIN));
        }
        Ok(list)
    }

    /// Opens a file; none when there is no such file.
    ///
    /// # Errors
    /// When what leads there cannot be read.
    pub fn open(&self, at: Place) -> Result<Option<Part>> {
        let Some((_, saved)) = self.saved(at) else { return Ok(None) };
        let tree = saved.tree(&self.view)?;
        let (Place::Entry(_, number) | Place::Partition(_, number, _)) = at else {
            return Ok(None);
        };
        let entry = tree.entry(number.into())?;
        let Some(entry) = entry.filter(|entry| entry.node.has_content()) else { return Ok(None) };
        let file = file(tree, &entry);
        let Place::Partition(.., part) = at else { return Ok(Some(Part::whole(file))) };
        let list = self.partitions(tree, &entry)?;
        Ok(list.get(usize::from(part)).map(|part| Part::of(file, part)))
    }

    /// Tells that something could not be read, once of each thing.
    pub fn tell_of(&self, at: Place, error: &Error) {
        let Some((snapshot, saved)) = self.saved(at) else { return };
        // One line for all files of what is gone.
        let gone = (Place::Top(snapshot).number(), true);
        let was_told = {
            let told = lock(&self.told);
            told.len() >= TOLD
                || told.contains(&gone)
                || told.contains(&(at.number(), error.is_damage()))
        };
        if was_told {
            return;
        }
        if error.is_damage() && self.view.has_lost(&saved.id) {
            if lock(&self.told).insert(gone) {
                (self.observer)(Event::Collected { snapshot: &saved.name });
            }
            return;
        }
        let number = match at {
            Place::Entry(_, number) | Place::Parts(_, number) | Place::Partition(_, number, _) => {
                Some(number)
            }
            _ => None,
        };
        let tree = saved.tree(&self.view).ok();
        let entry = tree.zip(number).and_then(|(tree, n)| tree.entry(n.into()).ok().flatten());
        let path = entry.map_or_else(|| b"/".to_vec(), |entry| entry.key.path());
        self.tell(at, &saved, &path, error);
    }

    fn tell(&self, at: Place, saved: &Saved, path: &[u8], error: &Error) {
        let mut told = lock(&self.told);
        if told.len() < TOLD && told.insert((at.number(), error.is_damage())) {
            (self.observer)(Event::Unreadable { snapshot: &saved.name, path, error });
        }
    }

    fn saved(&self, at: Place) -> Option<(u32, Arc<Saved>)> {
        let number = at.snapshot()?;
        Some((number, self.catalog.saved(number)?))
    }

    fn list(&self) -> Arc<List> {
        let (list, done) = self.catalog.list();
        if let Err(error) = done {
            let mut told = lock(&self.told);
            if told.insert((0, error.is_damage())) {
                (self.observer)(Event::Stale(&error));
            }
        }
        list
    }
}

/// The key of a directory; none of anything else.
fn key(tree: &Tree, at: Place) -> Result<Option<MapKey>> {
    match at {
        Place::Top(_) => Ok(Some(MapKey::root())),
        Place::Entry(_, number) => {
            let entry = tree.entry(number.into())?;
            let directory = entry.filter(|entry| entry.node.kind == NodeKind::Directory);
            Ok(directory.map(|entry| entry.key))
        }
        _ => Ok(None),
    }
}

fn file(tree: &Arc<Tree>, entry: &Entry) -> Arc<File> {
    let name = String::from_utf8_lossy(&entry.key.path()).into_owned();
    File::new(tree, name, &entry.node)
}

/// The directory beside an image: who may read that may look into it.
fn directory_of(image: &Node, at: Place) -> Attributes {
    let mode = 0o111 & (image.mode >> 2) | image.mode & 0o777;
    let owner = (image.uid, image.gid);
    Attributes { mode, ..Attributes::directory(at.number(), owner, image.mtime) }
}

fn is_called(part: &DiskPartition, name: &[u8]) -> bool {
    part.number.to_string().as_bytes() == name
}
