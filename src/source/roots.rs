//! What is asked to be saved: any number of paths, made absolute, none twice and none in another.

use esker_format::node::Time;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Why the paths cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// Nothing was asked for.
    #[error("no path to save")]
    None,
    /// The same place twice.
    #[error("{} is given twice", .0.display())]
    Twice(PathBuf),
    /// One place within another, which has it already.
    #[error("{} lies in {}, which is saved as a whole", inner.display(), outer.display())]
    Nested {
        /// The inner path.
        inner: PathBuf,
        /// The outer path.
        outer: PathBuf,
    },
}

/// Absolute paths in map order.
#[derive(Debug)]
pub struct Roots {
    /// Paths to save.
    pub paths: Vec<PathBuf>,
    /// Paths that cannot be reached, and why.
    pub missing: Vec<(PathBuf, io::Error)>,
}

impl Roots {
    /// Makes `given` absolute. Links on the way are resolved, so that every stored path leads over
    /// directories; the last component is kept as it is, unless it ends with a slash or dots.
    ///
    /// # Errors
    /// When a path is given twice or lies in another.
    pub fn resolve(given: &[PathBuf]) -> Result<Self, RootError> {
        if given.is_empty() {
            return Err(RootError::None);
        }
        let (mut paths, mut missing) = (Vec::new(), Vec::new());
        for path in given {
            match absolute(path) {
                Ok(path) => paths.push(path),
                Err(error) => missing.push((path.clone(), error)),
            }
        }
        paths.sort();
        for pair in paths.windows(2) {
            if pair[0] == pair[1] {
                return Err(RootError::Twice(pair[0].clone()));
            }
            if pair[1].starts_with(&pair[0]) {
                return Err(RootError::Nested { inner: pair[1].clone(), outer: pair[0].clone() });
            }
        }
        Ok(Self { paths, missing })
    }

    /// The directories that lead to the roots, as a tree from `/` on.
    pub(super) fn ways(&self) -> Way {
        let mut top = Way::default();
        for path in &self.paths {
            let time = time_of(path);
            let mut at = &mut top;
            for component in path.components() {
                if let Component::Normal(name) = component {
                    at.time.get_or_insert(time);
                    // A path from the system has no NUL in it.
                    let name = CString::new(name.as_bytes()).unwrap_or_default();
                    at = at.below.entry(name).or_default();
                }
            }
        }
        top
    }
}

/// A directory on the way to roots; one without anything below it is a root and saved as a whole.
#[derive(Debug, Default, Clone)]
pub(super) struct Way {
    pub below: BTreeMap<CString, Way>,
    /// The time that it is saved with: that of the first root below it. Its own changes with all
    /// else that is in it, and a run that finds nothing new would find this.
    pub time: Option<Time>,
}

/// When a root was changed last; the beginning of time when nobody can say.
fn time_of(path: &Path) -> Time {
    let found = path.symlink_metadata();
    found.map_or(Time { seconds: 0, nanos: 0 }, |m| Time {
        seconds: m.mtime(),
        nanos: m.mtime_nsec() as u32,
    })
}

fn absolute(path: &Path) -> io::Result<PathBuf> {
    let bytes = path.as_os_str().as_bytes();
    let whole = bytes.ends_with(b"/") || path.file_name().is_none() || bytes.ends_with(b"/.");
    let found = if whole {
        path.canonicalize()?
    } else {
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.canonicalize()?,
            _ => std::env::current_dir()?.canonicalize()?,
        };
        parent.join(path.file_name().unwrap_or(OsStr::new("")))
    };
    found.symlink_metadata()?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_given_twice_or_within_another_is_refused_however_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir_all(root.join("a-b")).unwrap();
        let resolve =
            |list: &[&str]| Roots::resolve(&list.iter().map(|p| root.join(p)).collect::<Vec<_>>());
        assert!(matches!(resolve(&["a", "a/b/.."]), Err(RootError::Twice(_))));
        assert!(matches!(resolve(&["a/b", "a-b", "a"]), Err(RootError::Nested { .. })));
        assert_eq!(resolve(&["a", "a-b"]).unwrap().paths, [root.join("a"), root.join("a-b")]);
        let some = resolve(&["a", "nothing"]).unwrap();
        assert_eq!((some.paths.len(), some.missing.len()), (1, 1));
        assert!(matches!(Roots::resolve(&[]), Err(RootError::None)));
    }

    #[test]
    fn a_link_is_saved_as_a_link_and_with_a_slash_as_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        let one = |p: &str| Roots::resolve(&[root.join(p)]).unwrap().paths.remove(0);
        assert_eq!(one("link"), root.join("link"));
        let mut slash = root.join("link").into_os_string();
        slash.push("/");
        assert_eq!(Roots::resolve(&[slash.into()]).unwrap().paths, [root.join("real")]);
    }
}
