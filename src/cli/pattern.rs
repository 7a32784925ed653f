//! Patterns for names and paths, as shells have them.

use crate::cli::exit::Failure;
use crate::cli::show;
use crate::repository::Bounds;
use esker_format::path::MapKey;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Patterns, one of which must match.
pub struct Patterns {
    /// Those without a slash are for names.
    names: GlobSet,
    /// The others are for whole paths.
    paths: GlobSet,
    /// Where all that matches lies.
    bounds: Bounds,
}

impl Patterns {
    /// Reads patterns.
    ///
    /// # Errors
    /// When one of them is none.
    pub fn new(patterns: &[String], ignore_case: bool) -> Result<Self, Failure> {
        let (mut names, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let refuse = |why: String| {
                let shown = show::name(pattern.as_bytes());
                let hint = "* and ? stand for any characters but /, ** for directories, [ab] for \
                            one of those, {a,b} for one of these; \\ takes that meaning away";
                Failure::Usage(format!("the pattern \"{shown}\" {why}"), Some(hint.to_owned()))
            };
            if pattern.is_empty() {
                return Err(refuse("is empty".to_owned()));
            }
            let whole = match pattern.strip_suffix('/') {
                Some("") | None => pattern.clone(),
                Some(directory) => directory.to_owned(),
            };
            let is_path = pattern.contains('/');
            // A path that does not begin at the root matches at any depth.
            let text =
                if is_path && !whole.starts_with('/') { format!("**/{whole}") } else { whole };
            let glob = GlobBuilder::new(&text)
                .literal_separator(true)
                .case_insensitive(ignore_case)
                .build()
                .map_err(|e| refuse(format!("makes no sense: {}", e.kind())))?;
            if is_path {
                paths.add(glob)
            } else {
                names.add(glob)
            };
        }
        let set = |set: GlobSetBuilder| {
            set.build().map_err(|e| Failure::usage(format!("the patterns are too much: {e}")))
        };
        let bounds = match patterns {
            [one] if !ignore_case => bounds(one),
            _ => Bounds::All,
        };
        Ok(Self { names: set(names)?, paths: set(paths)?, bounds })
    }

    /// Whether one of them matches.
    pub fn match_key(&self, key: &MapKey) -> bool {
        let is_match = |set: &GlobSet, bytes: &[u8]| set.is_match(OsStr::from_bytes(bytes));
        (!self.names.is_empty() && is_match(&self.names, &key.name))
            || (!self.paths.is_empty() && is_match(&self.paths, &key.path()))
    }

    /// Where all that matches lies, so that the rest need not be read.
    pub fn bounds(&self) -> Bounds {
        self.bounds.clone()
    }
}

/// Where everything lies that a pattern matches: below the directories that it names in full.
fn bounds(pattern: &str) -> Bounds {
    if !pattern.starts_with('/') || pattern.ends_with('/') {
        return Bounds::All;
    }
    let special = |part: &&str| part.contains(['*', '?', '[', ']', '{', '}', '\\', ',']);
    let parts: Vec<&str> = pattern.split('/').collect();
    let plain = parts.iter().take_while(|part| !special(part)).count();
    let key = MapKey::from_path(format!("/{}", parts[..plain].join("/")).as_bytes());
    match key {
        Ok(key) if plain == parts.len() => Bounds::One(key),
        Ok(key) if key != MapKey::root() => Bounds::Below(key),
        _ => Bounds::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &[u8]) -> MapKey {
        MapKey::from_path(path).unwrap()
    }

    fn matches(patterns: &[&str], path: &[u8]) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        Patterns::new(&patterns, false).unwrap().match_key(&key(path))
    }

    #[test]
    fn a_pattern_without_a_slash_is_for_the_name_and_one_with_it_for_the_path() {
        assert!(matches(&["*.conf"], b"/etc/ssh/ssh.conf") && matches(&["ssh"], b"/etc/ssh"));
        assert!(matches(&["*"], b"/etc/.hidden"), "as in find, not as in a shell");
        assert!(!matches(&["ssh"], b"/etc/ssh/x") && !matches(&["etc*"], b"/etc/x"));
        assert!(matches(&["/etc/*.conf"], b"/etc/a.conf"));
        assert!(!matches(&["/etc/*.conf"], b"/etc/a/b.conf") && !matches(&["/etc"], b"/x/etc"));
        assert!(matches(&["/etc/**/*.conf"], b"/etc/a/b/c.conf"));
        assert!(matches(&["/etc/**/*.conf"], b"/etc/c.conf"));
        assert!(matches(&["ssh/*"], b"/etc/ssh/x") && !matches(&["ssh/*"], b"/etc/xssh/x"));
        assert!(matches(&["ssh/"], b"/etc/ssh") && matches(&["/"], b"/"));
        assert!(matches(&["a{b,c}[0-9]?"], b"/ac7x") && !matches(&["a{b,c}[0-9]?"], b"/ad7x"));
        assert!(matches(&["\\*"], b"/*") && !matches(&["\\*"], b"/x"));
        assert!(matches(&["x*"], b"/x\xff\n") && matches(&["no", "yes"], b"/yes"));
    }

    #[test]
    fn a_path_that_is_named_in_full_bounds_the_search() {
        let of = |pattern: &str| bounds(pattern);
        assert_eq!(of("/etc/hosts"), Bounds::One(key(b"/etc/hosts")));
        assert_eq!(of("/"), Bounds::All);
        assert_eq!(of("/etc/*.conf"), Bounds::Below(key(b"/etc")));
        assert_eq!(of("/etc/a/**"), Bounds::Below(key(b"/etc/a")));
        assert_eq!(of("/{etc,var}/x"), Bounds::All);
        assert_eq!(of("etc/hosts"), Bounds::All);
        assert_eq!(of("/a/../b"), Bounds::All);
        let patterns = Patterns::new(&["/ETC/hosts".to_owned()], true).unwrap();
        assert_eq!(patterns.bounds(), Bounds::All);
        assert!(patterns.match_key(&key(b"/etc/Hosts")));
    }

    #[test]
    fn a_pattern_that_makes_no_sense_is_refused() {
        for pattern in ["", "[a", "{a,b", "a\\"] {
            assert!(Patterns::new(&[pattern.to_owned()], false).is_err(), "{pattern}");
        }
    }
}
