//! A snapshot, or a part of it, as an archive that other programs read.
//!
//! ```text
//! mod    what is in it, in which order
//! tar    headers and content of a tar
//! zip    of a zip
//! ```
//! Holes become zeros, and a stream or an image a file. What an archive cannot have is a problem that is told.

mod tar;
mod zip;

use self::tar::Tar;
use self::zip::Zip;
use super::stream::{Source, StreamError};
use crate::repository::{Bounds, ChunkSource, Chunks, Found, Map, Result, Selected, xattrs};
use esker_format::ids::LinkGroup;
use esker_format::node::{Fidelity, Node, NodeKind, ORIGIN};
use esker_format::page;
use esker_format::path::MapKey;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64};

/// Memory for frames of pages.
const BUDGET: usize = 8 << 20;

/// The same for content of small files, which lie together.
const CONTENT_BUDGET: usize = 16 << 20;

/// What to export.
pub struct Export<'e> {
    /// Where it is.
    pub from: &'e dyn ChunkSource,
    /// What it is.
    pub selected: &'e Selected,
    /// Threads that fetch.
    pub threads: usize,
}

/// What was exported.
#[derive(Debug, Default)]
pub struct Exported {
    /// Entries of the archive.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Paths that are not in it as they were, and why.
    pub problems: Vec<(Vec<u8>, String)>,
}

/// Writes content; returns how many bytes.
type Content<'c> = &'c mut dyn FnMut(&mut dyn Write) -> std::result::Result<u64, StreamError>;

/// What an archive says of an entry.
struct Entry<'e> {
    node: &'e Node,
    name: &'e [u8],
    /// The name under which it is in the archive already.
    first: Option<&'e [u8]>,
    attributes: &'e [(Vec<u8>, Vec<u8>)],
}

/// An archive of some form that is written.
trait Form {
    /// Why it cannot have an entry at all.
    fn refuses(&self, node: &Node, name: &[u8]) -> Option<&'static str>;
    /// Whether it can say that two names are of one file.
    fn has_links(&self) -> bool;
    /// Leaves of a list of attributes those that it can have; returns what is to be said of others.
    fn attributes(&self, list: &mut Vec<(Vec<u8>, Vec<u8>)>) -> Vec<String>;
    /// Writes an entry, and what it contains if that is to be in it.
    fn entry(
        &mut self,
        entry: &Entry<'_>,
        content: Option<Content<'_>>,
    ) -> std::result::Result<(), StreamError>;
    /// Writes the end.
    fn finish(self: Box<Self>) -> io::Result<()>;
    /// Sees to it that nobody takes what was written for all.
    fn give_up(self: Box<Self>);
}

impl Export<'_> {
    /// Writes a tar archive with pax headers.
    ///
    /// # Errors
    /// When something of it is damaged or cannot be had or written, or `stop` was set. What was
    /// written until then has no end, so that nobody takes it for all.
    pub fn tar(
        &self,
        out: &mut dyn Write,
        stop: &AtomicBool,
    ) -> std::result::Result<Exported, StreamError> {
        self.write(Box::new(Tar::new(out)), stop)
    }

    /// Writes a zip archive, without links between names, attributes, devices, pipes and fractions of
    /// seconds.
    ///
    /// # Errors
    /// As [`tar`](Self::tar).
    pub fn zip(
        &self,
        out: &mut dyn Write,
        stop: &AtomicBool,
    ) -> std::result::Result<Exported, StreamError> {
        self.write(Box::new(Zip::new(out)), stop)
    }

    fn write(
        &self,
        form: Box<dyn Form + '_>,
        stop: &AtomicBool,
    ) -> std::result::Result<Exported, StreamError> {
        let contents = self.from.chunks(self.selected.snapshot.scope, CONTENT_BUDGET)?;
        let (links, exported) = (HashMap::new(), Exported::default());
        let mut writing = Writing { form, contents, links, exported };
        let done = self.entries(&mut writing, stop);
        let Writing { form, exported, .. } = writing;
        match done {
            Ok(()) => {
                form.finish()?;
                Ok(exported)
            }
            Err(error) => {
                form.give_up();
                Err(error)
            }
        }
    }

    fn entries(
        &self,
        writing: &mut Writing<'_>,
        stop: &AtomicBool,
    ) -> std::result::Result<(), StreamError> {
        let Selected { snapshot, manifest, key, entry, .. } = self.selected;
        let mut chunks = self.from.chunks(snapshot.scope, BUDGET)?;
        let (start, above) = match (key, entry) {
            (Some(key), Some(entry)) if entry.node.kind != NodeKind::Directory => {
                self.entry(entry, &key.name, writing, &mut chunks, stop)?;
                (None, Vec::new())
            }
            (Some(key), _) => (Some(key.clone()), key.as_parent()),
            (None, _) => (Some(MapKey::root()), Vec::new()),
        };
        if start == Some(MapKey::root()) {
            let root = manifest.root.as_ref().map(|page| (page, manifest.root_level as u8));
            if let Some(Found::Entry(entry)) = Map::new(root, Bounds::All).next(&mut chunks)?
                && entry.key == MapKey::root()
                && entry.node.kind != NodeKind::Directory
            {
                writing.problem(
                    entry.key.path(),
                    "is no directory, and has no name that an archive could have",
                );
            }
        }
        // What is in a directory follows it at once: whoever unpacks it gives it its times when something
        // else comes.
        let mut entries: Vec<page::Entry> = Vec::new();
        let mut next = start;
        while let Some(directory) = next.take() {
            let root = manifest.root.as_ref().map(|page| (page, manifest.root_level as u8));
            let mut map = Map::new(root, Bounds::Below(directory.clone()));
            let (parent, first) = (directory.as_parent(), entries.len());
            while let Some(found) = map.next(&mut chunks)? {
                let entry = match found {
                    Found::Entry(entry) => *entry,
                    Found::Lost { error, .. } => return Err(error.into()),
                };
                if entry.key.parent != parent {
                    break;
                }
                if entry.node.kind == NodeKind::Directory {
                    entries.push(entry);
                } else {
                    let name = relative(&entry.key, &above);
                    self.entry(&entry, &name, writing, &mut chunks, stop)?;
                }
            }
            entries[first..].reverse();
            if let Some(entry) = entries.pop() {
                let name = relative(&entry.key, &above);
                self.entry(&entry, &name, writing, &mut chunks, stop)?;
                next = Some(entry.key);
            }
        }
        Ok(())
    }

    fn entry(
        &self,
        entry: &page::Entry,
        name: &[u8],
        writing: &mut Writing<'_>,
        chunks: &mut Chunks,
        stop: &AtomicBool,
    ) -> std::result::Result<(), StreamError> {
        let page::Entry { key, node } = entry;
        let path = key.path();
        let is_unreadable = node.fidelity == Some(Fidelity::Unreadable);
        if let Some(why) = writing.form.refuses(node, name) {
            writing.problem(path, why);
            return Ok(());
        }
        if is_unreadable && node.kind != NodeKind::Directory {
            writing.problem(path, "could not be read when it was saved");
            return Ok(());
        }
        if is_unreadable {
            writing.problem(path.clone(), "could not be listed when it was saved");
        }
        let first = match node.links {
            Some(group) if writing.form.has_links() => writing.first_of(group, name),
            _ => None,
        };
        let mut attributes = self.attributes(node, chunks)?;
        for why in writing.form.attributes(&mut attributes) {
            writing.problem(path.clone(), &why);
        }
        let (unread, mut len, contents) = (AtomicU64::new(0), 0, &mut writing.contents);
        let shown = String::from_utf8_lossy(&path);
        let mut content = |out: &mut dyn Write| {
            let (from, threads) = (self.from, self.threads);
            let (scope, unread) = (self.selected.snapshot.scope, Some(&unread));
            let source = Source { from, scope, name: &shown, node, threads, unread };
            len = source.write_among(contents, &mut Unflushed(out), stop)?;
            Ok(len)
        };
        let content =
            (first.is_none() && node.has_content()).then_some(&mut content as Content<'_>);
        let first = first.as_deref();
        writing.form.entry(&Entry { node, name, first, attributes: &attributes }, content)?;
        writing.exported.entries += 1;
        writing.exported.bytes += len;
        let unread = unread.into_inner();
        if unread > 0 {
            let why =
                format!("has zeros for {unread} bytes that could not be read when it was saved");
            writing.problem(path.clone(), &why);
        }
        Ok(())
    }

    fn attributes(&self, node: &Node, chunks: &mut Chunks) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut list = xattrs(chunks, node)?;
        if matches!(node.kind, NodeKind::Stream | NodeKind::Image) {
            list.retain(|(name, _)| !name.starts_with(ORIGIN));
        }
        Ok(list)
    }
}

/// An archive that is written.
struct Writing<'w> {
    form: Box<dyn Form + 'w>,
    contents: Chunks,
    /// The first name of what has several.
    links: HashMap<LinkGroup, Vec<u8>>,
    exported: Exported,
}

impl Writing<'_> {
    fn problem(&mut self, path: Vec<u8>, why: &str) {
        self.exported.problems.push((path, why.to_owned()));
    }

    /// The name under which this is in the archive already.
    fn first_of(&mut self, group: LinkGroup, name: &[u8]) -> Option<Vec<u8>> {
        let first = self.links.get(&group).cloned();
        if first.is_none() {
            self.links.insert(group, name.to_vec());
        }
        first
    }
}

/// The content of one entry of many: what is behind it is flushed once.
struct Unflushed<'w>(&'w mut dyn Write);

impl Write for Unflushed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The name in the archive: below what was asked for, or below the root.
fn relative(key: &MapKey, above: &[u8]) -> Vec<u8> {
    let below = key.parent.get(above.len()..).unwrap_or_default();
    let below = below.strip_prefix(&[0]).unwrap_or(below);
    let mut name: Vec<u8> = below.iter().map(|b| if *b == 0 { b'/' } else { *b }).collect();
    if !name.is_empty() {
        name.push(b'/');
    }
    name.extend_from_slice(&key.name);
    name
}
