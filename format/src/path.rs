//! Keys of the path map: a parent path and a name, ordered by component.
//!
//! A parent is written with NUL between its components, so that plain byte order of
//! (parent, name) is map order: the children of a directory stand together, and so does every
//! subtree. The root of the file system is the empty name under the empty parent.

use crate::error::{FormatError, Result, malformed, within};
use crate::limits::{DEPTH_MAX, NAME_MAX, PATH_MAX};

/// Where an entry stands in the path map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MapKey {
    /// Components of the parent path with NUL between them; empty for the root and its children.
    pub parent: Vec<u8>,
    /// The last component; empty for the root alone.
    pub name: Vec<u8>,
}

impl MapKey {
    /// The key of the root of the file system.
    pub fn root() -> Self {
        Self::default()
    }
    /// The key of an absolute path such as `/etc/passwd`.
    ///
    /// # Errors
    /// When the path is relative or has a component that no entry can have.
    pub fn from_path(path: &[u8]) -> Result<Self> {
        let what = "path";
        let rest = path.strip_prefix(b"/").ok_or(malformed(what, "not absolute"))?;
        let mut parts: Vec<&[u8]> = rest.split(|b| *b == b'/').filter(|p| !p.is_empty()).collect();
        let Some(name) = parts.pop() else { return Ok(Self::root()) };
        let key = Self { parent: parts.join(&0), name: name.to_vec() };
        key.check()?;
        Ok(key)
    }
    /// The absolute path, such as `/etc/passwd`.
    pub fn path(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.parent.len() + self.name.len() + 2);
        out.push(b'/');
        if !self.parent.is_empty() {
            out.extend(self.parent.iter().map(|b| if *b == 0 { b'/' } else { *b }));
            out.push(b'/');
        }
        out.extend_from_slice(&self.name);
        out
    }
    /// The key of the directory whose children have this parent.
    pub fn from_parent(parent: &[u8]) -> Self {
        let (parent, name) = match parent.iter().rposition(|byte| *byte == 0) {
            Some(at) => (&parent[..at], &parent[at + 1..]),
            None => (&[][..], parent),
        };
        Self { parent: parent.to_vec(), name: name.to_vec() }
    }
    /// The parent that the children of this entry have.
    pub fn as_parent(&self) -> Vec<u8> {
        if self.parent.is_empty() {
            return self.name.clone();
        }
        [&self.parent[..], &[0], &self.name[..]].concat()
    }
    /// The two parts as one byte string in map order, for cuts and for page heads.
    pub fn joined(&self) -> Vec<u8> {
        [&self.parent[..], &[0, 0], &self.name[..]].concat()
    }
    /// Whether this entry is `ancestor` or lies below it.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        let below = ancestor.as_parent();
        self == ancestor
            || (self != &Self::root() && (below.is_empty() || is_below(&self.parent, &below)))
    }
    /// Fails unless both parts follow the rules.
    ///
    /// # Errors
    /// When a component is empty, `.`, `..`, too long, or has a `/` or NUL in it.
    pub fn check(&self) -> Result<()> {
        check_key(&self.parent, &self.name)
    }
}

/// As [`MapKey::check`], on the parts.
///
/// # Errors
/// As [`MapKey::check`].
pub fn check_key(parent: &[u8], name: &[u8]) -> Result<()> {
    if name.is_empty() && parent.is_empty() {
        return Ok(());
    }
    check_parent(parent)?;
    check_name(name)
}

/// Whether `parent` is `ancestor` or a path below it.
pub fn is_below(parent: &[u8], ancestor: &[u8]) -> bool {
    parent.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest[0] == 0)
}

/// Fails unless `name` can be an entry of a directory.
///
/// # Errors
/// When it is empty, `.`, `..`, too long, or has a `/` or NUL in it.
pub fn check_name(name: &[u8]) -> Result<()> {
    let what = "name";
    within(what, name.len(), NAME_MAX)?;
    match name {
        b"" => Err(malformed(what, "empty")),
        b"." | b".." => Err(malformed(what, "a dot directory")),
        _ if name.contains(&b'/') || name.contains(&0) => {
            Err(malformed(what, "has a separator in it"))
        }
        _ => Ok(()),
    }
}

/// Fails unless `parent` is empty or a list of possible names.
///
/// # Errors
/// As [`check_name`], or when it is too long or too deep.
pub fn check_parent(parent: &[u8]) -> Result<()> {
    if parent.is_empty() {
        return Ok(());
    }
    within("path", parent.len(), PATH_MAX)?;
    let mut depth = 0;
    for component in parent.split(|b| *b == 0) {
        check_name(component)?;
        depth += 1;
    }
    if depth > DEPTH_MAX {
        return Err(FormatError::TooLarge {
            what: "path depth",
            size: depth as u64,
            limit: DEPTH_MAX as u64,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_of_keys_keeps_every_subtree_together() {
        let mut paths = ["/", "/a", "/a-b", "/a/z", "/a-b/c", "/a/b", "/a/b/c", "/b"]
            .map(|p| MapKey::from_path(p.as_bytes()).unwrap());
        paths.sort();
        let sorted = paths.map(|k| String::from_utf8(k.path()).unwrap());
        assert_eq!(sorted, ["/", "/a", "/a-b", "/b", "/a/b", "/a/z", "/a/b/c", "/a-b/c"]);
    }

    #[test]
    fn within_means_the_entry_itself_or_below_it_by_component() {
        let key = |p: &str| MapKey::from_path(p.as_bytes()).unwrap();
        assert!(key("/a/b").is_within(&key("/a")));
        assert!(key("/a").is_within(&key("/a")));
        assert!(key("/a/b").is_within(&key("/")));
        assert!(key("/").is_within(&key("/")));
        assert!(!key("/ab").is_within(&key("/a")));
        assert!(!key("/ab/c").is_within(&key("/a")));
        assert!(!key("/").is_within(&key("/a")));
    }

    #[test]
    fn names_that_could_escape_are_refused() {
        for bad in [&b""[..], b".", b"..", b"a/b", b"a\0b", &[b'x'; 256]] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for bad in [&b"a\0\0b"[..], b"a\0..", b"\0a", b"a\0", b"a/b"] {
            assert!(check_parent(bad).is_err(), "{bad:?}");
        }
    }
}
