//! Restores snapshots that were acknowledged, and compares.

use super::Part;
use crate::repository::simulation::host::Host;
use crate::repository::simulation::tree::{self, Tree};
use crate::repository::{Bounds, Chunks, Error, Found, Items, Repository, Result, walk};
use esker_format::content::Item;
use esker_format::frame::FrameType;
use esker_format::ids::SnapshotId;
use esker_format::page::Entry;

/// A reader that meets what is gone looks at the log again, so many times at most.
const TRIES: usize = 4;

/// A host that restores.
pub struct Reader;

impl Part for Reader {
    fn run(&mut self, host: &mut Host) -> Result<()> {
        let mut repository = host.open()?;
        for _ in 0..=host.random.below(3) {
            let wanted = wanted(host);
            if wanted.is_empty() {
                return Ok(());
            }
            let snapshot = wanted[host.random.below(wanted.len() as u64) as usize];
            restore(&mut repository, snapshot, host)?;
        }
        Ok(())
    }
}

/// Acknowledged snapshots that nobody has begun to forget.
pub fn wanted(host: &Host) -> Vec<SnapshotId> {
    let world = host.world.look();
    let saved = world.oracle.saved.iter();
    saved.filter(|(_, saved)| saved.is_wanted).map(|(id, _)| *id).collect()
}

fn restore(repository: &mut Repository, id: SnapshotId, host: &Host) -> Result<()> {
    let mut last = None;
    for _ in 0..TRIES {
        match read(repository, id) {
            Ok(tree) => {
                let mut world = host.world.look();
                world.counters.count("restores");
                let is_equal = world.oracle.saved.get(&id).is_some_and(|s| s.tree == tree);
                drop(world);
                if !is_equal {
                    host.world.stop(format!("snapshot {id} was restored as {tree:?}"));
                }
                return Ok(());
            }
            Err(error) if error.is_damage() => last = Some(error),
            Err(error) => return Err(error),
        }
        if !is_wanted(host, id) {
            return Ok(());
        }
        host.world.look().counters.count("restores that looked again");
        repository.refresh()?;
    }
    host.world.stop(format!("snapshot {id} cannot be restored: {last:?}"))
}

fn is_wanted(host: &Host, id: SnapshotId) -> bool {
    host.world.look().oracle.saved.get(&id).is_some_and(|saved| saved.is_wanted)
}

/// What is in a snapshot, chunk by chunk.
///
/// # Errors
/// When something of it cannot be read.
pub fn read(repository: &Repository, id: SnapshotId) -> Result<Tree> {
    let manifest = repository.manifest(id)?;
    let root = manifest.root.as_ref().map(|root| (root, manifest.root_level as u8));
    let mut chunks = Chunks::new(repository, 0, 1 << 20)?;
    let mut entries = Vec::new();
    walk(&mut chunks, root, Bounds::All, &mut |found| match found {
        Found::Entry(entry) => {
            entries.push(*entry);
            Ok(())
        }
        Found::Lost { error, .. } => Err(error),
    })?;
    let files = entries.into_iter().map(|entry| file(&entry, &mut chunks));
    files.collect()
}

fn file(entry: &Entry, chunks: &mut Chunks) -> Result<(String, Vec<u64>)> {
    let mut numbers = Vec::new();
    if let Some(content) = &entry.node.content {
        let mut items = Items::new(content);
        while let Some((item, lost)) = items.next(chunks)? {
            if let Some(error) = lost {
                return Err(error);
            }
            let Item::Data(id, len) = item else { continue };
            let bytes = chunks.get(&id, len, FrameType::Data)?;
            let number = (0..tree::POOL).find(|number| tree::chunk(*number) == bytes);
            numbers.push(number.ok_or_else(|| Error::NoChunk { id: id.to_string() })?);
        }
    }
    let name = String::from_utf8_lossy(&entry.key.name).into_owned();
    Ok((name, numbers))
}
