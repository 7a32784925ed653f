//! What names a series, and what a snapshot can be given of names.

use crate::pipeline::error::{Error, Result};
use esker_format::limits::{ENTRY_MAX, PATHS_MAX, TAGS_MAX, TEXT_MAX};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Bytes of a label made of paths that are all in it.
const ALL_PATHS_MAX: usize = 4096;

/// Bytes of tags and paths: a commit entry repeats them, and has half its room for packs.
const LISTS_MAX: usize = ENTRY_MAX / 2;
/// What encoding adds to each of them at most.
const HEAD: usize = 9;

/// The label of a run without one: what it saves. The same paths, in order, give the same label.
pub fn default_label(paths: &[PathBuf]) -> String {
    let shown = |path: &PathBuf| path.to_string_lossy().into_owned();
    let all = paths.iter().map(shown).collect::<Vec<_>>().join(" ");
    let [first, others @ ..] = paths else { return all };
    if all.len() <= ALL_PATHS_MAX || others.is_empty() {
        return all;
    }
    let mut hasher = blake3::Hasher::new();
    for path in paths {
        hasher.update(bytes(path)).update(&[0]);
    }
    let hash = hasher.finalize().to_hex();
    format!("{} and {} more ({})", shown(first), others.len(), &hash[..16])
}

/// Fails unless a snapshot can have these names, before anything is done for it.
///
/// # Errors
/// [`Error::TooMuch`] says which of them it cannot have.
pub fn check_names(host: &str, label: &str, tags: &[String], paths: &[PathBuf]) -> Result<()> {
    within("the host name", host.len(), TEXT_MAX, "bytes")?;
    within("the label", label.len(), TEXT_MAX, "bytes")?;
    for tag in tags {
        within("a tag", tag.len(), TEXT_MAX, "bytes")?;
    }
    within("the list of tags", tags.len(), TAGS_MAX, "entries")?;
    within("the list of paths", paths.len(), PATHS_MAX, "entries")?;
    let tags: usize = tags.iter().map(|t| t.len() + HEAD).sum();
    within("the list of tags", tags, LISTS_MAX, "bytes")?;
    let paths: usize = paths.iter().map(|p| bytes(p).len() + HEAD).sum();
    within("the list of paths", paths, LISTS_MAX - tags, "bytes")
}

fn within(what: &'static str, size: usize, limit: usize, unit: &'static str) -> Result<()> {
    if size > limit {
        return Err(Error::TooMuch { what, size, limit, unit });
    }
    Ok(())
}

/// The bytes of a path.
pub fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(numbers: std::ops::Range<u32>) -> Vec<PathBuf> {
        numbers.map(|n| format!("/some/where/{n:05}").into()).collect()
    }

    #[test]
    fn a_few_paths_are_their_own_label_and_many_are_told_apart_by_all_of_them() {
        assert_eq!(default_label(&paths(0..2)), "/some/where/00000 /some/where/00001");
        let label = default_label(&paths(0..2000));
        assert!(label.starts_with("/some/where/00000 and 1999 more ("), "{label}");
        assert_eq!(label, default_label(&paths(0..2000)));
        let mut other = paths(0..2000);
        other[1000] = "/some/where/else".into();
        assert_ne!(label, default_label(&other));
    }

    #[test]
    fn what_is_too_much_for_a_snapshot_is_named() {
        let fails = |host: usize, label: usize, tags: &[String], paths: &[PathBuf]| {
            let (host, label) = ("x".repeat(host), "x".repeat(label));
            check_names(&host, &label, tags, paths).unwrap_err().to_string()
        };
        let (long, many) = ("x".repeat(TEXT_MAX + 1), vec![String::new(); TAGS_MAX + 1]);
        assert!(fails(TEXT_MAX + 1, 0, &[], &[]).starts_with("the host name has 65537 bytes"));
        assert!(fails(0, TEXT_MAX + 1, &[], &[]).starts_with("the label has 65537 bytes"));
        assert!(fails(0, 0, &[long], &[]).starts_with("a tag has 65537 bytes"));
        assert!(fails(0, 0, &many, &[]).starts_with("the list of tags has 1025 entries"));
        let large = vec!["x".repeat(TEXT_MAX); 32];
        assert!(fails(0, 0, &large, &[]).starts_with("the list of tags has 2097440 bytes"));
        let (large, few) = (&large[..31], &["x".repeat(TEXT_MAX).into()]);
        assert!(fails(0, 0, large, few).starts_with("the list of paths has 65545 bytes"));
        let most = paths(0..65_537);
        assert!(fails(0, 0, &[], &most).starts_with("the list of paths has 65537 entries"));
        let long = vec![PathBuf::from("x".repeat(4096)); 1024];
        assert!(fails(0, 0, &[], &long).starts_with("the list of paths has 4203520 bytes"));
    }
}
