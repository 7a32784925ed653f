//! What differs between two nodes, one now and one then, at one path. Pure.

use esker_format::ids::LinkGroup;
use esker_format::node::Node;
use esker_format::path::MapKey;
use std::collections::{HashMap, HashSet};

/// A path at which two trees differ.
#[derive(Debug)]
pub struct Difference {
    /// The path.
    pub key: MapKey,
    /// What was there.
    pub old: Option<Node>,
    /// What is there now.
    pub new: Option<Node>,
    /// How they differ.
    pub change: Change,
    /// Which metadata differ too, in the order of [`Part`].
    pub parts: Vec<Part>,
}

/// How two trees differ at one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Only the new one has it.
    Added,
    /// Only the old one has it.
    Removed,
    /// It is of another kind.
    Kind,
    /// Its bytes, the target of the link or the number of the device differ.
    Content,
    /// Size and kind are equal and the time is not; the bytes were not compared.
    Touched,
    /// Only metadata differ.
    Metadata,
}

/// A part of the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Permission bits.
    Mode,
    /// Owner or group, by number or name.
    Owner,
    /// Time of the last modification.
    Mtime,
    /// Extended attributes, ACLs and capabilities among them.
    Xattrs,
    /// Which other names the file has.
    Links,
    /// Which of its zeros are holes.
    Holes,
    /// How far what is stored is what was there.
    Fidelity,
}

/// Whether two files have the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytes {
    /// They have, and the same holes.
    Same,
    /// They have, with other holes.
    OtherHoles,
    /// They have not.
    Differ,
    /// Nobody looked.
    Unknown,
}

/// Whether two nodes of one kind differ in what they say beside bytes and metadata: the size, the
/// target of the link, the number of the device.
pub fn differs_in_content(old: &Node, new: &Node) -> bool {
    (old.size, &old.target, old.device) != (new.size, &new.target, new.device)
}

/// Which metadata of two nodes differ. Links and holes are seen elsewhere.
pub fn parts(old: &Node, new: &Node) -> Vec<Part> {
    let owner = |n: &Node| (n.uid, n.gid, n.user.clone(), n.group.clone());
    let all = [
        (Part::Mode, old.mode != new.mode),
        (Part::Owner, owner(old) != owner(new)),
        (Part::Mtime, old.mtime != new.mtime),
        (Part::Xattrs, old.xattrs != new.xattrs),
        (Part::Fidelity, old.fidelity != new.fidelity),
    ];
    all.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect()
}

/// Puts together how two nodes at one path differ; none when they do not.
pub fn change(old: &Node, new: &Node, bytes: Bytes, parts: &mut Vec<Part>) -> Option<Change> {
    if bytes == Bytes::OtherHoles {
        parts.push(Part::Holes);
    }
    parts.sort_unstable();
    if old.kind != new.kind {
        // What the old kind had is no news.
        parts.clear();
        return Some(Change::Kind);
    }
    if differs_in_content(old, new) || bytes == Bytes::Differ {
        return Some(Change::Content);
    }
    if bytes == Bytes::Unknown && parts.contains(&Part::Mtime) && old.has_content() {
        return Some(Change::Touched);
    }
    (!parts.is_empty()).then_some(Change::Metadata)
}

/// Directories that only lead to what was saved. Their time says what happens beside that, and is
/// no difference.
#[derive(Debug, Default)]
pub struct Ways(HashSet<MapKey>);

impl Ways {
    /// The directories that lead to these paths.
    pub fn to<'p>(paths: impl IntoIterator<Item = &'p Vec<u8>>) -> Self {
        let mut ways = HashSet::new();
        for path in paths {
            let Ok(mut key) = MapKey::from_path(path) else { continue };
            while key != MapKey::root() {
                key = MapKey::from_parent(&key.parent);
                ways.insert(key.clone());
            }
        }
        Self(ways)
    }

    /// Whether a directory only leads to what was saved.
    pub fn has(&self, key: &MapKey) -> bool {
        self.0.contains(key)
    }

    /// Leaves out of the differences at a key what is none.
    pub fn pass_over(&self, key: &MapKey, parts: &mut Vec<Part>) {
        if self.0.contains(key) {
            parts.retain(|part| *part != Part::Mtime);
        }
    }
}

/// Tells whether files that had several names have the same ones still. A group has another number
/// when the file was made again, so that numbers are no answer: groups must match one to one.
#[derive(Debug, Default)]
pub struct Links {
    new_of: HashMap<LinkGroup, LinkGroup>,
    old_of: HashMap<LinkGroup, LinkGroup>,
}

impl Links {
    /// Whether the names of a file differ, as far as was seen.
    pub fn differ(&mut self, old: Option<LinkGroup>, new: Option<LinkGroup>) -> bool {
        match (old, new) {
            (None, None) => false,
            (Some(old), Some(new)) => {
                let (there, back) = (
                    *self.new_of.entry(old).or_insert(new),
                    *self.old_of.entry(new).or_insert(old),
                );
                (there, back) != (new, old)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use esker_format::node::{Fidelity, NodeKind, Time, Xattrs};

    const THEN: Time = Time { seconds: 5, nanos: 0 };
    const NOW: Time = Time { seconds: 5, nanos: 1 };

    fn file(size: u64) -> Node {
        Node { size: Some(size), ..Node::bare(NodeKind::File, 0o644, THEN) }
    }

    fn told(old: &Node, new: &Node, bytes: Bytes) -> Option<(Change, Vec<Part>)> {
        let mut parts = parts(old, new);
        change(old, new, bytes, &mut parts).map(|change| (change, parts))
    }

    #[test]
    fn each_part_of_the_metadata_is_told_by_its_own_name() {
        let old = file(3);
        type Edit = fn(&mut Node);
        let changes: [(Part, Edit); 6] = [
            (Part::Mode, |n| n.mode = 0o600),
            (Part::Owner, |n| n.gid = 1),
            (Part::Owner, |n| n.user = Some(b"other".to_vec())),
            (Part::Mtime, |n| n.mtime = NOW),
            (Part::Xattrs, |n| n.xattrs = Some(Xattrs::Inline(vec![(b"user.a".into(), vec![])]))),
            (Part::Fidelity, |n| n.fidelity = Some(Fidelity::Changed)),
        ];
        assert_eq!(told(&old, &old, Bytes::Same), None);
        for (part, change) in changes {
            let mut new = old.clone();
            change(&mut new);
            assert_eq!(told(&old, &new, Bytes::Same), Some((Change::Metadata, vec![part])));
            let content = Some((Change::Content, vec![part]));
            assert_eq!(told(&old, &new, Bytes::Differ), content);
            new.size = Some(4);
            assert_eq!(told(&old, &new, Bytes::Unknown), content);
        }
    }

    #[test]
    fn another_time_without_a_look_at_the_bytes_is_neither_content_nor_metadata() {
        let (old, new) = (file(3), Node { mtime: NOW, ..file(3) });
        let mtime = vec![Part::Mtime];
        assert_eq!(told(&old, &new, Bytes::Unknown), Some((Change::Touched, mtime.clone())));
        assert_eq!(told(&old, &new, Bytes::Same), Some((Change::Metadata, mtime.clone())));
        let directory = |mtime| Node::bare(NodeKind::Directory, 0o755, mtime);
        let told = told(&directory(THEN), &directory(NOW), Bytes::Unknown);
        assert_eq!(told, Some((Change::Metadata, mtime)), "a directory has no bytes");
    }

    #[test]
    fn kinds_targets_and_devices_are_content_and_holes_are_metadata() {
        let link = |to: &[u8]| Node {
            target: Some(to.to_vec()),
            ..Node::bare(NodeKind::Symlink, 0o777, THEN)
        };
        let device = |minor| Node {
            device: Some((1, minor)),
            ..Node::bare(NodeKind::CharDevice, 0o600, THEN)
        };
        let content = Some((Change::Content, Vec::new()));
        assert_eq!(told(&link(b"a"), &link(b"b"), Bytes::Same), content);
        assert_eq!(told(&link(b"a"), &link(b"a"), Bytes::Unknown), None);
        assert_eq!(told(&device(3), &device(5), Bytes::Same), content);
        assert_eq!(told(&link(b"a"), &file(0), Bytes::Same), Some((Change::Kind, Vec::new())));
        let holes = Some((Change::Metadata, vec![Part::Holes]));
        assert_eq!(told(&file(3), &file(3), Bytes::OtherHoles), holes);
    }

    #[test]
    fn the_time_of_a_directory_that_only_leads_to_what_was_saved_is_no_difference() {
        let key = |path: &str| MapKey::from_path(path.as_bytes()).unwrap();
        let ways = Ways::to(&[b"/srv/a/b".to_vec(), b"/etc".to_vec()]);
        for (path, left) in [
            ("/", 1),
            ("/srv", 1),
            ("/srv/a", 1),
            ("/srv/a/b", 2),
            ("/srv/a/b/c", 2),
            ("/etc", 2),
            ("/var", 2),
        ] {
            let mut parts = vec![Part::Mode, Part::Mtime];
            ways.pass_over(&key(path), &mut parts);
            assert_eq!(parts.len(), left, "{path}");
        }
        let mut parts = vec![Part::Mtime];
        Ways::to(&[b"/".to_vec()]).pass_over(&key("/"), &mut parts);
        assert_eq!(parts, [Part::Mtime], "all of it was saved");
    }

    #[test]
    fn names_of_one_file_are_compared_by_who_shares_them_and_not_by_number() {
        let group = |n: u8| Some(LinkGroup::new([n; 16]));
        let mut links = Links::default();
        assert!(!links.differ(None, None));
        assert!(links.differ(group(1), None) && links.differ(None, group(1)));
        // Files 1 and 2 were made again as 11 and 12.
        assert!(!links.differ(group(1), group(11)) && !links.differ(group(2), group(12)));
        assert!(!links.differ(group(1), group(11)));
        // A name of 1 has become one of 12, and one of 3 one of 11.
        assert!(links.differ(group(1), group(12)) && links.differ(group(3), group(11)));
    }
}
