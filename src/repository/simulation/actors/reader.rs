//! Restores snapshots that were acknowledged, and compares.

use super::Part;
use crate::repository::simulation::host::Host;
use crate::repository::simulation::tree::{self, Tree};
use crate::repository::{Bounds, Chunks, Error, Found, Items, Repository, Result, walk};
use esker_format::content::Item;
use esker_format::frame::FrameType;
use esker_format::ids::SnapshotId;
use esker_format::page::Entry;

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

fn restore(repository: &mut Repository, id: SnapshotId, host: &mut Host) -> Result<()> {
    if repository.state().snapshot(id).is_none() {
        repository.refresh()?;
    }
    let mut between = || {
        if host.random.chance(2_000) {
            let seconds = host.random.below(24 * 3600);
            host.world.pause(host.number, seconds);
        }
    };
    let (is_equal, what) = match read(repository, id, &mut between) {
        Ok(tree) => {
            let world = host.world.look();
            let is_equal = world.oracle.saved.get(&id).is_some_and(|s| s.tree == tree);
            (is_equal, format!("was restored as {tree:?}"))
        }
        Err(error) if error.is_damage() => (false, format!("cannot be restored: {error:?}")),
        Err(error) => return Err(error),
    };
    match (is_equal, is_wanted(host, id)) {
        (true, _) => host.world.look().counters.count("restores"),
        (false, true) => host.world.stop(format!("snapshot {id} {what}")),
        // It was forgotten meanwhile, and may be gone.
        (false, false) => host.world.look().counters.count("restores of what was forgotten"),
    }
    Ok(())
}

fn is_wanted(host: &Host, id: SnapshotId) -> bool {
    host.world.look().oracle.saved.get(&id).is_some_and(|saved| saved.is_wanted)
}

/// What is in a snapshot, chunk by chunk. `between` is what happens between two files.
///
/// # Errors
/// When something of it cannot be read.
pub fn read(repository: &Repository, id: SnapshotId, between: &mut dyn FnMut()) -> Result<Tree> {
    let manifest = repository.manifest(id)?;
    let root = manifest.root.as_ref().map(|root| (root, manifest.root_level as u8));
    let scope = repository.state().snapshot(id).map_or(0, |snapshot| snapshot.scope);
    let mut chunks = Chunks::new(repository, scope, 1 << 20)?;
    let mut entries = Vec::new();
    walk(&mut chunks, root, Bounds::All, &mut |found| match found {
        Found::Entry(entry) => {
            entries.push(*entry);
            Ok(())
        }
        Found::Lost { error, .. } => Err(error),
    })?;
    let files = entries.into_iter().map(|entry| {
        between();
        file(&entry, &mut chunks)
    });
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
