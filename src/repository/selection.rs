//! `SNAPSHOT[:PATH]`: finding what is meant.

use crate::repository::choice::{Choice, Filter, unescape};
use crate::repository::{Bounds, Chunks, Error, Found, Map, Repository, Result, Snapshot, shorten};
use esker_format::page::Entry;
use esker_format::path::MapKey;
use esker_format::snapshot::Manifest;

/// A snapshot, or an entry in one.
pub struct Selected {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Whether it is the latest among those of several series, so that another may be meant: what
    /// cannot be taken back must refuse it.
    pub of_several: bool,
    /// Its manifest.
    pub manifest: Manifest,
    /// The path, when one was given.
    pub key: Option<MapKey>,
    /// The entry at the path.
    pub entry: Option<Entry>,
}

/// Finds the snapshot, and the entry when a path is given.
///
/// # Errors
/// When there is no such snapshot or path.
pub fn select(repository: &Repository, what: &str) -> Result<Selected> {
    look_into(repository, repository.choose(what, &Filter::default())?)
}

/// Reads the manifest of a chosen snapshot, and finds the entry when a path is given.
///
/// # Errors
/// When there is no such path.
pub fn look_into(repository: &Repository, choice: Choice) -> Result<Selected> {
    let Choice { snapshot, of_several, path } = choice;
    let manifest = repository.manifest(snapshot.id)?;
    let Some(path) = path else {
        return Ok(Selected { snapshot, of_several, manifest, key: None, entry: None });
    };
    let missing = || Error::NoPath { path: path.clone(), snapshot: shorten(&snapshot.id) };
    let key = map_key(&path).ok_or_else(missing)?;
    let entry = entry_at(repository, snapshot.scope, &manifest, &key)?.ok_or_else(missing)?;
    Ok(Selected { snapshot, of_several, manifest, key: Some(key), entry: Some(entry) })
}

/// The key of an absolute path as lists print it; none when no entry can have it.
pub fn map_key(path: &str) -> Option<MapKey> {
    MapKey::from_path(&unescape(path)).ok()
}

/// The entry with a key; none when the snapshot of that scope does not have it.
///
/// # Errors
/// When store or index fail, or the page that it would be in is lost.
pub fn entry_at(
    repository: &Repository,
    scope: u32,
    manifest: &Manifest,
    key: &MapKey,
) -> Result<Option<Entry>> {
    let root = manifest.root.as_ref().map(|r| (r, manifest.root_level as u8));
    let mut chunks = Chunks::new(repository, scope, 0)?;
    match Map::new(root, Bounds::One(key.clone())).next(&mut chunks)? {
        Some(Found::Entry(entry)) => Ok(Some(*entry)),
        Some(Found::Lost { error, .. }) => Err(error),
        None => Ok(None),
    }
}
