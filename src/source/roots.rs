//! What is asked to be saved: any number of paths, made absolute.

use crate::source::select::{Reason, Select};
use crate::source::stat::Stat;
use esker_format::node::Time;
use rustix::fs::CWD;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Why the paths cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// Nothing was asked for.
    #[error("no path to save")]
    None,
}

/// Absolute paths in map order. A path is in each list once; one that lies within another is
/// covered by it.
#[derive(Debug, Default)]
pub struct Roots {
    /// What was asked for, whatever became of it.
    pub asked: Vec<PathBuf>,
    /// Paths to save.
    pub paths: Vec<PathBuf>,
    /// Paths that cannot be reached, and why.
    pub missing: Vec<(PathBuf, io::Error)>,
    /// Paths that are left out, and why.
    pub left_out: Vec<(PathBuf, Reason)>,
    way: Arc<Way>,
}

impl Roots {
    /// Makes `given` absolute. Links on the way are resolved, so that every stored path leads over
    /// directories; the last component is kept as it is, unless it ends with a slash or dots.
    ///
    /// What `select` leaves out by its own name is left out here as well; the names of the
    /// directories above are not looked at.
    ///
    /// # Errors
    /// When nothing is given.
    pub fn resolve(given: &[PathBuf], select: &Select) -> Result<Self, RootError> {
        if given.is_empty() {
            return Err(RootError::None);
        }
        let mut found: Vec<_> = given.iter().map(|path| absolute(path)).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found.dedup_by(|a, b| a.0 == b.0);
        let (mut roots, mut way) = (Self::default(), Way::default());
        for (path, stat) in found {
            roots.asked.push(path.clone());
            match stat {
                Err(error) => roots.missing.push((path, error)),
                Ok(stat) => match left_out(&path, &stat, select) {
                    Some(reason) => roots.left_out.push((path, reason)),
                    None => {
                        way.add(&path, stat.mtime);
                        roots.paths.push(path);
                    }
                },
            }
        }
        // On one file system, a path within another can be what leads to a further one.
        if !select.stays_on_one_file_system() {
            drop_covered(&mut roots.asked);
            drop_covered(&mut roots.paths);
        }
        roots.way = Arc::new(way);
        Ok(roots)
    }

    /// These absolute paths as they are, whether they are there or not, and without any links on the
    /// way to them.
    pub fn as_they_are(paths: Vec<PathBuf>) -> Self {
        let mut way = Way::default();
        for path in &paths {
            let none = Time { seconds: 0, nanos: 0 };
            way.add(path, look_at(path).map_or(none, |stat| stat.mtime));
        }
        Self { asked: paths.clone(), paths, way: Arc::new(way), ..Self::default() }
    }

    /// Paths of what is no file: nothing on this machine leads to them.
    pub fn named(paths: Vec<PathBuf>) -> Self {
        Self { asked: paths.clone(), paths, ..Self::default() }
    }

    /// Takes it that paths are not there, as if they had been left out on purpose. What is there and
    /// cannot be reached stays missing.
    pub fn allow_missing(&mut self) {
        let is_absent = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        };
        for (path, error) in std::mem::take(&mut self.missing) {
            match is_absent(&error) {
                true => self.left_out.push((path, Reason::Missing)),
                false => self.missing.push((path, error)),
            }
        }
    }

    /// The directories that lead to the roots, as a tree from `/` on.
    pub(super) fn way(&self) -> Arc<Way> {
        Arc::clone(&self.way)
    }
}

/// A directory on the way to roots, or a root.
#[derive(Debug, Default, Clone)]
pub(super) struct Way {
    /// Whether it was asked for, and is saved as a whole.
    pub is_root: bool,
    pub below: BTreeMap<CString, Arc<Way>>,
    /// The time that a directory above the roots is saved with: that of the first root below it. Its
    /// own changes with all else that is in it, and a run that finds nothing new would find this.
    pub time: Option<Time>,
}

impl Way {
    /// Leads to one more root, which was changed last at this time; roots come in order.
    fn add(&mut self, path: &Path, time: Time) {
        let mut at = self;
        for component in path.components() {
            if let Component::Normal(name) = component {
                at.time.get_or_insert(time);
                // A path from the system has no NUL in it.
                let name = CString::new(name.as_bytes()).unwrap_or_default();
                at = Arc::make_mut(at.below.entry(name).or_default());
            }
        }
        at.is_root = true;
    }
}

/// Takes out what lies within another; `paths` are in order.
fn drop_covered(paths: &mut Vec<PathBuf>) {
    let mut last: Option<PathBuf> = None;
    paths.retain(|path| {
        let is_covered = last.as_ref().is_some_and(|last| path.starts_with(last));
        if !is_covered {
            last = Some(path.clone());
        }
        !is_covered
    });
}

fn left_out(path: &Path, stat: &Stat, select: &Select) -> Option<Reason> {
    let (parent, name) = (path.parent()?, path.file_name()?);
    let parent = parent.as_os_str().as_bytes();
    let mut scope = select.scope(parent.strip_prefix(b"/").unwrap_or(parent));
    select.judge(&mut scope, name.as_bytes(), stat)
}

/// The absolute path, and what is there. It is the same whether something is there or not.
fn absolute(path: &Path) -> (PathBuf, io::Result<Stat>) {
    let bytes = path.as_os_str().as_bytes();
    let whole = bytes.ends_with(b"/") || path.file_name().is_none() || bytes.ends_with(b"/.");
    let found = if whole {
        path.canonicalize()
    } else {
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.canonicalize(),
            _ => std::env::current_dir().and_then(|folder| folder.canonicalize()),
        };
        parent.map(|parent| parent.join(path.file_name().unwrap_or(OsStr::new(""))))
    };
    match found {
        Ok(found) => {
            let stat = look_at(&found);
            (found, stat)
        }
        Err(error) => (as_far_as_it_goes(path), Err(error)),
    }
}

pub(super) fn look_at(path: &Path) -> io::Result<Stat> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    Ok(Stat::of_name(CWD.as_fd(), &name)?)
}

/// The absolute path of something that is not there: links are resolved as long as there are any.
fn as_far_as_it_goes(path: &Path) -> PathBuf {
    let Ok(whole) = std::path::absolute(path) else { return path.to_owned() };
    let (mut at, mut is_there) = (PathBuf::from("/"), true);
    for component in whole.components() {
        match component {
            Component::Normal(name) => at.push(name),
            Component::ParentDir => {
                at.pop();
            }
            _ => continue,
        }
        match at.canonicalize() {
            Ok(found) if is_there => at = found,
            _ => is_there = false,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    fn resolve(given: &[PathBuf]) -> Roots {
        Roots::resolve(given, &Select::default()).unwrap()
    }

    #[test]
    fn a_path_given_twice_or_within_another_is_saved_once_however_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir_all(root.join("a-b")).unwrap();
        let paths = |list: &[&str]| {
            let found = resolve(&list.iter().map(|p| root.join(p)).collect::<Vec<_>>());
            assert_eq!(found.asked, found.paths);
            found.paths
        };
        assert_eq!(paths(&["a", "a/b/.."]), [root.join("a")]);
        assert_eq!(paths(&["a/b", "a-b", "a"]), [root.join("a"), root.join("a-b")]);
        let some = resolve(&[root.join("a"), root.join("nothing")]);
        assert_eq!((some.paths.len(), some.missing.len(), some.asked.len()), (1, 1, 2));
        let none = Roots::resolve(&[], &Select::default());
        assert!(matches!(none, Err(RootError::None)));
    }

    #[test]
    fn on_one_file_system_a_path_within_another_counts_for_itself() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("a")).unwrap();
        let mut select = Select::default();
        select.stay_on_one_file_system();
        let roots = Roots::resolve(&[root.clone(), root.join("a")], &select).unwrap();
        assert_eq!(roots.paths, [root.clone(), root.join("a")]);
        assert_eq!(roots.asked, roots.paths);
    }

    #[test]
    fn a_link_is_saved_as_a_link_and_with_a_slash_as_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        let one = |p: &str| resolve(&[root.join(p)]).paths.remove(0);
        assert_eq!(one("link"), root.join("link"));
        let mut slash = root.join("link").into_os_string();
        slash.push("/");
        assert_eq!(resolve(&[slash.into()]).paths, [root.join("real")]);
    }

    #[test]
    fn what_is_missing_has_the_path_that_it_will_have() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        let given = [root.join("link/a/../b/./c"), root.join("link/d/"), root.join("link/e")];
        let before = resolve(&given);
        assert_eq!((before.paths.len(), before.missing.len()), (0, 3));
        std::fs::create_dir_all(root.join("real/a")).unwrap();
        std::fs::create_dir_all(root.join("real/b/c")).unwrap();
        std::fs::create_dir_all(root.join("real/d")).unwrap();
        std::fs::create_dir_all(root.join("real/e")).unwrap();
        let after = resolve(&given);
        assert_eq!(before.asked, after.asked);
        assert_eq!(after.paths, ["real/b/c", "real/d", "real/e"].map(|p| root.join(p)));
    }

    #[test]
    fn patterns_look_at_a_given_path_and_not_at_what_is_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("out/in")).unwrap();
        let mut select = Select::default();
        select.add_pattern(Pattern::new(b"out", false, None).unwrap());
        let given = [root.join("out"), root.join("out/in")];
        let roots = Roots::resolve(&given, &select).unwrap();
        assert_eq!(roots.paths, [root.join("out/in")]);
        assert_eq!(roots.left_out, [(root.join("out"), Reason::Pattern)]);
        assert_eq!(roots.asked, [root.join("out")]);
    }
}
