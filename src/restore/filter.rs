//! `--include` and `--exclude`: which entries of a snapshot are restored. Patterns are those of
//! gitignore, for absolute paths in the snapshot: a leading `/` is the root of the file system,
//! all others match at any depth, a trailing `/` means directories, `!` takes back.

use crate::pattern::{Pattern, PatternError};

/// What is to become of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It is restored.
    Taken,
    /// It is not meant; what is below it may be.
    Passed,
    /// It is left out, with all below it.
    LeftOut,
}

/// Which paths are meant.
#[derive(Debug, Default)]
pub struct Filter {
    includes: Vec<Pattern>,
    excludes: Vec<Pattern>,
}

impl Filter {
    /// Takes what matches one of `includes` (all, when there are none) with what is below that,
    /// and of that leaves out what matches one of `excludes`. The last pattern that matches counts.
    ///
    /// # Errors
    /// When a pattern could never match.
    pub fn new(includes: &[String], excludes: &[String]) -> Result<Self, PatternError> {
        let read = |list: &[String]| -> Result<Vec<Pattern>, PatternError> {
            list.iter().map(|text| Pattern::new(text.as_bytes(), false, None)).collect()
        };
        Ok(Self { includes: read(includes)?, excludes: read(excludes)? })
    }

    /// Whether it takes everything.
    pub const fn is_empty(&self) -> bool {
        self.includes.is_empty() && self.excludes.is_empty()
    }

    /// What is to become of an absolute path.
    pub fn choose(&self, path: &[u8], is_directory: bool) -> Choice {
        if self.is_empty() {
            return Choice::Taken;
        }
        let path = path.strip_prefix(b"/").unwrap_or(path);
        if path.is_empty() {
            // No pattern can name the root.
            return if self.includes.is_empty() { Choice::Taken } else { Choice::Passed };
        }
        // From the top on: what is left out takes all below it along.
        let mut ends: Vec<usize> = (0..path.len()).filter(|at| path[*at] == b'/').collect();
        ends.push(path.len());
        let parts = || ends.iter().map(|end| (&path[..*end], is_directory || *end != path.len()));
        if parts().any(|(part, directory)| last(&self.excludes, part, directory) == Some(true)) {
            return Choice::LeftOut;
        }
        let nearest = parts().rev().find_map(|(part, is_dir)| last(&self.includes, part, is_dir));
        match nearest {
            None if self.includes.is_empty() => Choice::Taken,
            Some(true) => Choice::Taken,
            _ => Choice::Passed,
        }
    }
}

/// What the last pattern that matches says.
fn last(patterns: &[Pattern], path: &[u8], is_directory: bool) -> Option<bool> {
    let name_at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let matches = |pattern: &&Pattern| pattern.matches(path, name_at, is_directory);
    patterns.iter().rev().find(matches).map(|pattern| !pattern.is_negative())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(includes: &[&str], excludes: &[&str]) -> Filter {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Filter::new(&own(includes), &own(excludes)).unwrap()
    }

    fn chosen(filter: &Filter, path: &str) -> Choice {
        let is_directory = path.ends_with('/') || path == "/";
        let path = if path == "/" { path } else { path.trim_end_matches('/') };
        filter.choose(path.as_bytes(), is_directory)
    }

    #[test]
    fn an_included_directory_brings_what_is_below_it_and_nothing_beside_it() {
        let filter = filter(&["/srv/www/", "*.conf"], &[]);
        for (path, choice) in [
            ("/srv/www/", Choice::Taken),
            ("/srv/www/a/b", Choice::Taken),
            ("/srv/www", Choice::Passed),
            ("/srv/", Choice::Passed),
            ("/", Choice::Passed),
            ("/etc/x/a.conf", Choice::Taken),
            ("/home/srv/www/", Choice::Passed),
        ] {
            assert_eq!(chosen(&filter, path), choice, "{path}");
        }
    }

    #[test]
    fn what_is_excluded_takes_all_below_it_along_and_a_later_pattern_takes_back() {
        let filter = filter(&[], &["cache", "*.log", "!keep.log", "a/b"]);
        for (path, choice) in [
            ("/x/cache/", Choice::LeftOut),
            ("/x/cache/keep.log", Choice::LeftOut),
            ("/x/y.log", Choice::LeftOut),
            ("/x/keep.log", Choice::Taken),
            ("/z/a/b", Choice::LeftOut),
            ("/", Choice::Taken),
        ] {
            assert_eq!(chosen(&filter, path), choice, "{path}");
        }
    }

    #[test]
    fn an_include_can_be_taken_back_and_an_exclude_counts_more() {
        let filter = filter(&["/a", "!/a/b"], &["c"]);
        assert_eq!(chosen(&filter, "/a/x"), Choice::Taken);
        assert_eq!(chosen(&filter, "/a/b/x"), Choice::Passed);
        assert_eq!(chosen(&filter, "/a/c"), Choice::LeftOut);
    }

    #[test]
    fn patterns_that_could_never_match_are_refused() {
        for bad in ["", "/", "!", "a//b", "../x", "./x"] {
            assert!(Filter::new(&[bad.to_owned()], &[]).is_err(), "{bad:?}");
        }
    }
}
