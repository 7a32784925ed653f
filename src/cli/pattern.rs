//! Patterns for names and paths: those of `--exclude`, one at a time.

use crate::cli::exit::Failure;
use crate::cli::show;
use crate::pattern::Pattern;
use crate::repository::Bounds;
use esker_format::node::NodeKind;
use esker_format::page::Entry;
use esker_format::path::MapKey;

/// Patterns, one of which must match.
pub struct Patterns {
    patterns: Vec<Pattern>,
    /// Where all that matches lies.
    bounds: Bounds,
}

impl Patterns {
    /// Reads patterns.
    ///
    /// # Errors
    /// When one of them is none.
    pub fn new(texts: &[String], ignore_case: bool) -> Result<Self, Failure> {
        let read = |text: &String| {
            let refuse = |why: &str| {
                let shown = show::name(text.as_bytes());
                Failure::usage(format!("the pattern \"{shown}\" {why}"))
            };
            let pattern = Pattern::new(text.as_bytes(), ignore_case, None)
                .map_err(|error| refuse(error.reason))?;
            if pattern.is_negative() {
                return Err(refuse(
                    "begins with !, which has nothing to take back here; \\! is the character",
                ));
            }
            Ok(pattern)
        };
        let patterns = texts.iter().map(read).collect::<Result<_, _>>()?;
        let bounds = match texts {
            [one] if !ignore_case => bounds(one),
            _ => Bounds::All,
        };
        Ok(Self { patterns, bounds })
    }

    /// Whether one of them matches.
    pub fn match_entry(&self, entry: &Entry) -> bool {
        let (path, is_directory) = (entry.key.path(), entry.node.kind == NodeKind::Directory);
        self.patterns.iter().any(|pattern| pattern.matches_path(&path, is_directory))
    }

    /// Where all that matches lies, so that the rest need not be read.
    pub fn bounds(&self) -> Bounds {
        self.bounds.clone()
    }
}

/// Where everything lies that a pattern matches: below the directories that it names in full.
fn bounds(pattern: &str) -> Bounds {
    if !pattern.starts_with('/') {
        return Bounds::All;
    }
    let is_plain = |part: &&str| !part.contains(['*', '?', '[', '\\']);
    let parts: Vec<&str> = pattern.trim_end_matches('/').split('/').collect();
    let plain = parts.iter().take_while(|part| is_plain(part)).count();
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
    use esker_format::node::{Node, Time};

    fn key(path: &[u8]) -> MapKey {
        MapKey::from_path(path).unwrap()
    }

    /// Whether one of the patterns matches a path; one that ends with a slash is a directory.
    fn matches(patterns: &[&str], path: &[u8]) -> bool {
        let texts: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        let kind = if path.ends_with(b"/") { NodeKind::Directory } else { NodeKind::Fifo };
        let node = Node::bare(kind, 0, Time { seconds: 0, nanos: 0 });
        Patterns::new(&texts, false).unwrap().match_entry(&Entry { key: key(path), node })
    }

    #[test]
    fn a_pattern_without_a_slash_is_for_the_name_and_one_with_it_for_the_path() {
        assert!(matches(&["*.conf"], b"/etc/ssh/ssh.conf") && matches(&["ssh"], b"/etc/ssh"));
        assert!(matches(&["*"], b"/etc/.hidden"), "as in find, not as in a shell");
        assert!(!matches(&["ssh"], b"/etc/ssh/x") && !matches(&["etc*"], b"/etc/x"));
        assert!(matches(&["/etc/*.conf"], b"/etc/a.conf") && matches(&["/etc"], b"/etc/"));
        assert!(!matches(&["/etc/*.conf"], b"/etc/a/b.conf") && !matches(&["/etc"], b"/x/etc"));
        assert!(matches(&["/etc/**/*.conf"], b"/etc/a/b/c.conf"));
        assert!(matches(&["/etc/**/*.conf"], b"/etc/c.conf"));
        assert!(matches(&["ssh/*"], b"/etc/ssh/x") && !matches(&["ssh/*"], b"/etc/xssh/x"));
        assert!(matches(&["ssh/"], b"/etc/ssh/") && !matches(&["ssh/"], b"/etc/ssh"));
        assert!(matches(&["a[bc][0-9]?"], b"/ac7x") && !matches(&["a[bc][0-9]?"], b"/ad7x"));
        assert!(matches(&["\\*"], b"/*") && !matches(&["\\*"], b"/x"));
        assert!(matches(&["x*"], b"/x\xff\n") && matches(&["no", "yes"], b"/yes"));
        assert!(!matches(&["*"], b"/"), "the root has no name");
    }

    #[test]
    fn a_path_that_is_named_in_full_bounds_the_search() {
        assert_eq!(bounds("/etc/hosts"), Bounds::One(key(b"/etc/hosts")));
        assert_eq!(bounds("/etc/ssh/"), Bounds::One(key(b"/etc/ssh")));
        assert_eq!(bounds("/etc/*.conf"), Bounds::Below(key(b"/etc")));
        assert_eq!(bounds("/etc/a/**"), Bounds::Below(key(b"/etc/a")));
        assert_eq!(bounds("/e*/x"), Bounds::All);
        assert_eq!(bounds("etc/hosts"), Bounds::All);
        assert_eq!(bounds("/a/../b"), Bounds::All);
        let patterns = Patterns::new(&["/ÉTC/hosts".to_owned()], true).unwrap();
        assert_eq!(patterns.bounds(), Bounds::All);
        let node = Node::bare(NodeKind::Fifo, 0, Time { seconds: 0, nanos: 0 });
        let entry = Entry { key: key("/étc/Hosts".as_bytes()), node };
        assert!(patterns.match_entry(&entry), "whatever the case");
    }

    #[test]
    fn a_pattern_that_makes_no_sense_is_refused() {
        for pattern in ["", "/", "[a", "a\\", "!a"] {
            assert!(Patterns::new(&[pattern.to_owned()], false).is_err(), "{pattern}");
        }
    }
}
