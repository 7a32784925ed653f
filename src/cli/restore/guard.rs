//! What a restore works with and must not destroy: the repository, the cache folder, the key file.

use crate::cli::Global;
use crate::cli::exit::Failure;
use crate::cli::place::Places;
use crate::cli::snapshot::skips;
use crate::repository::Repository;
use crate::restore::Guarded;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What stays wherever it lies: what `snapshot` leaves out.
pub fn guarded(global: &Global, places: &Places, repository: &Repository) -> Vec<Guarded> {
    let skips = skips(global, places, repository).into_iter();
    skips
        .map(|skip| Guarded {
            what: skip.what,
            identity: (skip.identity.device, skip.identity.inode),
        })
        .collect()
}

/// Fails when the target is one of these, or lies in one.
///
/// # Errors
/// With what to do instead.
pub fn check_target(target: &Path, guarded: &[Guarded]) -> Result<(), Failure> {
    let Some(target) = real(target) else { return Ok(()) };
    for above in target.ancestors() {
        let Ok(found) = std::fs::metadata(above) else { continue };
        let identity = (found.dev(), found.ino());
        if let Some(found) = guarded.iter().find(|guarded| guarded.identity == identity) {
            let message =
                format!("{} is in {} ({})", target.display(), found.what, above.display());
            return refuse(message, "restore into another directory");
        }
    }
    Ok(())
}

/// Fails when the target, which is exchanged as a whole, has one of these in it: they would leave
/// with the old directory.
///
/// # Errors
/// With what to do instead.
pub fn check_swap(target: &Path, global: &Global, places: &Places) -> Result<(), Failure> {
    let Ok(target) = target.canonicalize() else { return Ok(()) };
    let key = global.key_file.as_ref().unwrap_or(&places.default_key);
    let repository = places.folder().map(|path| ("the repository", path));
    let others = [("the cache", places.cache.as_path()), ("the key file", key.as_path())];
    for (what, path) in repository.into_iter().chain(others) {
        // The name counts, and what it leads to when it is a link.
        let found = [real(path), path.canonicalize().ok()].into_iter().flatten();
        if let Some(path) = found.filter(|_| path.exists()).find(|path| path.starts_with(&target)) {
            let (target, path) = (target.display(), path.display());
            let message = format!("{target} cannot be exchanged: {what} is in it ({path})");
            return refuse(message, "restore without --swap: what is in use stays where it is");
        }
    }
    Ok(())
}

fn refuse(message: String, hint: &str) -> Result<(), Failure> {
    Err(Failure::Usage(message, Some(hint.to_owned())))
}

/// A path without links above its last name; what is not there yet counts by what is above it.
fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let (mut above, mut below) = (path.as_path(), PathBuf::new());
    loop {
        let Some(name) = above.file_name() else { return above.canonicalize().ok() };
        let rest =
            if below.as_os_str().is_empty() { name.into() } else { Path::new(name).join(&below) };
        above = above.parent()?;
        below = rest;
        if let Ok(real) = above.canonicalize() {
            return Some(real.join(below));
        }
    }
}
