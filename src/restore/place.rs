//! Where the entries of a snapshot go below the target.

use esker_format::path::MapKey;

/// Which part of a snapshot goes where.
#[derive(Debug)]
pub struct Place {
    /// The path of the directory that the target stands for, as a parent in the map; none when
    /// the target stands for the root of the file system.
    stands_for: Vec<u8>,
}

impl Place {
    /// Absolute paths are made again below the target.
    pub const fn whole() -> Self {
        Self { stands_for: Vec::new() }
    }

    /// The target stands for the directory `key`.
    pub fn below(key: &MapKey) -> Self {
        Self { stands_for: key.as_parent() }
    }

    /// The target holds the entry `key` alone.
    pub fn only(key: &MapKey) -> Self {
        Self { stands_for: key.parent.clone() }
    }

    /// The key below the target of an entry of the snapshot.
    pub fn target(&self, key: &MapKey) -> MapKey {
        if self.stands_for.is_empty() {
            return key.clone();
        }
        match key.parent.strip_prefix(&self.stands_for[..]) {
            Some(rest) => {
                let parent = rest.strip_prefix(&[0]).unwrap_or(rest).to_vec();
                MapKey { parent, name: key.name.clone() }
            }
            // The directory itself.
            None => MapKey::root(),
        }
    }

    /// The key in the snapshot of an entry below the target.
    pub fn source(&self, key: &MapKey) -> MapKey {
        if self.stands_for.is_empty() {
            return key.clone();
        }
        if *key == MapKey::root() {
            return MapKey::from_parent(&self.stands_for);
        }
        let mut parent = self.stands_for.clone();
        if !key.parent.is_empty() {
            parent.push(0);
            parent.extend_from_slice(&key.parent);
        }
        MapKey { parent, name: key.name.clone() }
    }
}

/// A parent and all parents above it, the target's own first.
pub fn prefixes(parent: &[u8]) -> impl Iterator<Item = &[u8]> {
    let nul = |(at, byte): (usize, &u8)| (*byte == 0).then_some(at);
    let ends = parent.iter().enumerate().filter_map(nul);
    let above = ends.map(|end| &parent[..end]);
    let own = (!parent.is_empty()).then_some(parent);
    std::iter::once(&[][..]).chain(above).chain(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefixes_of_a_parent_are_its_ancestors_by_component() {
        let of = |parent: &'static [u8]| prefixes(parent).collect::<Vec<_>>();
        assert_eq!(of(b""), [b""]);
        assert_eq!(of(b"a"), [&b""[..], b"a"]);
        assert_eq!(of(b"ab\0c\0d"), [&b""[..], b"ab", b"ab\0c", b"ab\0c\0d"]);
    }

    fn key(path: &str) -> MapKey {
        MapKey::from_path(path.as_bytes()).unwrap()
    }

    #[test]
    fn the_contents_of_a_directory_go_into_the_target() {
        let place = Place::below(&key("/srv/data"));
        for (source, target) in
            [("/srv/data/a", "/a"), ("/srv/data/a/b/c", "/a/b/c"), ("/srv/data", "/")]
        {
            assert_eq!(place.target(&key(source)), key(target));
            assert_eq!(place.source(&key(target)), key(source));
        }
    }

    #[test]
    fn a_single_file_goes_into_the_target_under_its_own_name() {
        for (source, target) in [("/srv/data/file", "/file"), ("/file", "/file")] {
            let place = Place::only(&key(source));
            assert_eq!(place.target(&key(source)), key(target));
            assert_eq!(place.source(&key(target)), key(source));
        }
    }

    #[test]
    fn without_a_path_everything_keeps_its_own() {
        let place = Place::whole();
        assert_eq!(place.target(&key("/a/b")), key("/a/b"));
        assert_eq!(place.source(&key("/")), key("/"));
    }
}
