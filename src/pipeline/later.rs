//! What came in any order, put into that of the path map.

use crate::pipeline::task::Saved;
use crate::source::FeedError;
use esker_format::key::ScopeKeys;
use esker_format::node::{Node, NodeKind, Time};
use esker_format::path::MapKey;
use std::collections::BTreeMap;

/// Entries of feeds, until all have come.
#[derive(Default)]
pub struct Later {
    entries: BTreeMap<MapKey, Saved>,
}

impl Later {
    /// Keeps an entry. Of two with one key the last one counts.
    pub fn add(&mut self, saved: Saved) {
        self.entries.insert(saved.key.clone(), saved);
    }

    /// Keeps a further name of something that came before.
    ///
    /// # Errors
    /// When there is no such thing, or it cannot have several names.
    pub fn link(&mut self, key: MapKey, of: &MapKey, keys: &ScopeKeys) -> Result<(), FeedError> {
        let shown = |key: &MapKey| String::from_utf8_lossy(&key.path()).into_owned();
        let refuse = |why| Err(FeedError::NotWhole { name: shown(&key), why });
        let Some(first) = self.entries.get_mut(of) else {
            return refuse(format!("it is a link to {}, which does not come before it", shown(of)));
        };
        if key == *of {
            return Ok(());
        }
        match &mut first.node {
            Some(node) if node.kind != NodeKind::Directory => {
                let hash = blake3::hash(&of.path());
                let half = |at: usize| {
                    hash.as_bytes()[at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
                };
                // Whoever is a link itself has the group of its first name.
                node.links.get_or_insert_with(|| keys.link_group(half(0), half(8)));
            }
            _ => return refuse(format!("it is a link to {}, a directory", shown(of))),
        }
        let saved = Saved { node: first.node.clone(), ..Saved::nothing(key, String::new()) };
        self.add(Saved { problem: None, ..saved });
        Ok(())
    }

    /// All entries in map order, and directories that lead to them where there are none.
    ///
    /// # Errors
    /// When something lies below what is no directory.
    pub fn finish(self, start: Time) -> Result<impl Iterator<Item = Saved>, FeedError> {
        let mut entries = self.entries;
        let mut missing = BTreeMap::new();
        for key in entries.keys() {
            let mut parent = key.parent.clone();
            while !parent.is_empty() {
                let above = MapKey::from_parent(&parent);
                parent.clone_from(&above.parent);
                let node = entries.get(&above).map(|saved| saved.node.as_ref());
                match node {
                    Some(Some(node)) if node.kind == NodeKind::Directory => break,
                    None if missing.contains_key(&above) => break,
                    None => {
                        let node = Some(Node::bare(NodeKind::Directory, 0o755, start));
                        let saved = Saved::nothing(above.clone(), String::new());
                        missing.insert(above, Saved { node, problem: None, ..saved });
                    }
                    Some(_) => {
                        let shown =
                            |key: &MapKey| String::from_utf8_lossy(&key.path()).into_owned();
                        let why = format!("it lies below {}, which is no directory", shown(&above));
                        return Err(FeedError::NotWhole { name: shown(key), why });
                    }
                }
            }
        }
        entries.extend(missing);
        Ok(entries.into_values())
    }
}
