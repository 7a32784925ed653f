//! Whether all that snapshots refer to is there: manifests, pages, chunks.

use crate::repository::check::objects::message;
use crate::repository::check::{Bad, Finding, Progress, Report};
use crate::repository::chunks::Chunks;
use crate::repository::content::Items;
use crate::repository::error::{Error, Result};
use crate::repository::map::{Bounds, Found, Map};
use crate::repository::{Location, Repository};
use esker_format::content::{Content, Item};
use esker_format::frame::FrameType;
use esker_format::ids::{ChunkId, SnapshotId};
use esker_format::node::{Xattrs, decode_xattrs};
use esker_format::page::Entry;
use esker_format::snapshot::Manifest;
use std::collections::hash_map;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

/// Memory for frames of pages.
const BUDGET: usize = 8 << 20;

/// Walks all snapshots, newest first; a map that several share is walked once.
pub fn walk(
    repository: &Repository,
    report: &mut Report,
    bad: &Bad,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<()> {
    let mut readers: HashMap<u32, Chunks> = HashMap::new();
    // By scope: what is sound in one says nothing of a snapshot of another that names it.
    let mut sound: HashSet<(u32, ChunkId)> = HashSet::new();
    for unlisted in repository.unlisted().iter().filter(|one| !one.is_forgotten) {
        let message = format!("its {}", message(&unlisted.error));
        report.findings.push(Finding::Snapshot { snapshot: unlisted.id, message });
    }
    // What only a forgotten one needs may be gone.
    for snapshot in repository.snapshots()?.iter().rev().filter(|s| !s.is_forgotten) {
        let manifest = match repository.manifest(snapshot.id) {
            Ok(manifest) => manifest,
            Err(error) if error.is_damage() => {
                let message = format!("its manifest {}", message(&error));
                report.findings.push(Finding::Snapshot { snapshot: snapshot.id, message });
                continue;
            }
            Err(error) => return Err(error),
        };
        let scope = snapshot.scope;
        if manifest.root.as_ref().is_some_and(|root| sound.contains(&(scope, root.page))) {
            continue;
        }
        let before = report.findings.len();
        let chunks = match readers.entry(scope) {
            hash_map::Entry::Occupied(reader) => reader.into_mut(),
            hash_map::Entry::Vacant(place) => place.insert(Chunks::new(repository, scope, BUDGET)?),
        };
        let mut one = One { id: snapshot.id, chunks, report, bad, progress };
        one.map(&manifest, stop)?;
        if report.findings.len() == before
            && let Some(root) = manifest.root
        {
            sound.insert((scope, root.page));
        }
    }
    Ok(())
}

/// One snapshot.
struct One<'w> {
    id: SnapshotId,
    chunks: &'w mut Chunks,
    report: &'w mut Report,
    bad: &'w Bad,
    progress: &'w Progress,
}

impl One<'_> {
    fn map(&mut self, manifest: &Manifest, stop: &AtomicBool) -> Result<()> {
        let root = manifest.root.as_ref().map(|root| (root, manifest.root_level as u8));
        let mut map = Map::new(root, Bounds::All);
        while let Some(found) = map.next(self.chunks)? {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            match found {
                Found::Entry(entry) => self.entry(&entry)?,
                Found::Lost { first, entries, error } => {
                    let message = format!(
                        "and the entries behind it, {entries} in all, are lost: {}",
                        message(&error)
                    );
                    self.path(first.path(), message);
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> Result<()> {
        self.progress.entries.fetch_add(1, Ordering::Relaxed);
        if let Some(Xattrs::Page(id, len)) = &entry.node.xattrs {
            let read = self.chunks.get(id, *len, FrameType::Page).and_then(|page| {
                decode_xattrs(page).map_err(|e| Error::damaged(format!("page {id}"), e))
            });
            match read {
                Err(error) if error.is_damage() => {
                    let message = format!("has lost its extended attributes: {}", message(&error));
                    self.path(entry.key.path(), message);
                }
                other => drop(other?),
            }
        }
        match &entry.node.content {
            Some(content) => self.content(entry, content),
            None => Ok(()),
        }
    }

    fn content(&mut self, entry: &Entry, content: &Content) -> Result<()> {
        let (mut lost, mut why) = (0, None);
        let mut items = Items::new(content);
        while let Some((item, error)) = items.next(self.chunks)? {
            let missing = match (item, error) {
                (Item::Data(id, len), _) => self.missing(&id, len)?,
                (_, Some(error)) => Some(message(&error)),
                _ => None,
            };
            if missing.is_some() {
                lost += item.len();
                why = missing;
            }
        }
        if let Some(why) = why {
            let message = format!("has lost {lost} of {} bytes: {why}", entry.node.len());
            self.path(entry.key.path(), message);
        }
        Ok(())
    }

    /// Why a chunk cannot be had; none when it can.
    fn missing(&mut self, id: &ChunkId, len: u64) -> Result<Option<String>> {
        let mut places = Vec::new();
        self.chunks.lookup().copies(id, &mut places)?;
        let is_good = |at: &Location| u64::from(at.len) == len && !self.bad.has(at.pack, at.frame);
        Ok(match places.first() {
            None => Some("a chunk is in no pack".to_owned()),
            Some(_) if places.iter().any(is_good) => None,
            Some(place) => Some(format!("pack {} of the log is missing or damaged", place.pack)),
        })
    }

    fn path(&mut self, path: Vec<u8>, message: String) {
        self.report.findings.push(Finding::Path { snapshot: self.id, path, message });
    }
}
