//! A snapshot, or a part of it, as a tar archive with pax headers: what other programs read.
//!
//! Holes become zeros, and a stream or an image a file. What no tar can have is a problem that is told.

use super::stream::{Source, StreamError};
use crate::repository::{Bounds, Chunks, Found, Map, Repository, Result, Selected, xattrs};
use esker_format::ids::LinkGroup;
use esker_format::node::{Fidelity, Node, NodeKind, ORIGIN};
use esker_format::page::Entry;
use esker_format::path::MapKey;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64};
use tar::{Builder, EntryType, Header};

/// Memory for frames of pages.
const BUDGET: usize = 8 << 20;
/// What a header has of a name; longer ones are in the pax header.
const NAME: usize = 100;
/// The same of the name of an owner.
const OWNER: usize = 31;
/// A tar consists of blocks of this size.
const BLOCK: u64 = 512;

/// What to export.
pub struct Export<'e> {
    /// Where it is.
    pub repository: &'e Repository,
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

impl Export<'_> {
    /// Writes the archive.
    ///
    /// # Errors
    /// When something of it is damaged or cannot be had or written, or `stop` was set. What was
    /// written until then has no end, so that nobody takes it for all.
    pub fn write(
        &self,
        out: &mut dyn Write,
        stop: &AtomicBool,
    ) -> std::result::Result<Exported, StreamError> {
        let Selected { snapshot, manifest, key, entry, .. } = self.selected;
        let mut chunks = Chunks::new(self.repository, snapshot.scope, BUDGET)?;
        let mut writing = Writing {
            tar: Builder::new(out),
            links: HashMap::new(),
            exported: Exported::default(),
        };
        let (start, above) = match (key, entry) {
            (Some(key), Some(entry)) if entry.node.kind != NodeKind::Directory => {
                self.entry(entry, &key.name, &mut writing, &mut chunks, stop)?;
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
                    "is no directory, and has no name that a tar could have",
                );
            }
        }
        // What is in a directory follows it at once: whoever unpacks it gives it its times when something
        // else comes.
        let mut entries: Vec<Entry> = Vec::new();
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
                    self.entry(&entry, &name, &mut writing, &mut chunks, stop)?;
                }
            }
            entries[first..].reverse();
            if let Some(entry) = entries.pop() {
                let name = relative(&entry.key, &above);
                self.entry(&entry, &name, &mut writing, &mut chunks, stop)?;
                next = Some(entry.key);
            }
        }
        let Writing { tar, exported, .. } = writing;
        tar.into_inner()?.flush()?;
        Ok(exported)
    }

    fn entry(
        &self,
        entry: &Entry,
        name: &[u8],
        writing: &mut Writing<'_>,
        chunks: &mut Chunks,
        stop: &AtomicBool,
    ) -> std::result::Result<(), StreamError> {
        let Entry { key, node } = entry;
        let path = key.path();
        let is_unreadable = node.fidelity == Some(Fidelity::Unreadable);
        if node.kind == NodeKind::Socket {
            writing.problem(path, "is a socket, which no tar can have");
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
            Some(group) => writing.first_of(group, name),
            None => None,
        };
        let mut attributes = self.attributes(node, chunks)?;
        let is_text = |name: &[u8]| std::str::from_utf8(name).is_ok_and(|name| !name.contains('='));
        for (name, _) in attributes.extract_if(.., |(name, _)| !is_text(name)) {
            let name = String::from_utf8_lossy(&name).escape_debug().to_string();
            writing
                .problem(path.clone(), &format!("has the attribute {name}, which no tar can have"));
        }
        writing.head(node, name, first.as_deref(), &attributes)?;
        writing.exported.entries += 1;
        if first.is_some() || !node.has_content() {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&path);
        let scope = self.selected.snapshot.scope;
        let (repository, threads) = (self.repository, self.threads);
        let unread = AtomicU64::new(0);
        let counted = Some(&unread);
        let source = Source { repository, scope, name: &shown, node, threads, unread: counted };
        let out = writing.tar.get_mut();
        let len = source.write(out, stop)?;
        out.write_all(&[0; BLOCK as usize][..(len.next_multiple_of(BLOCK) - len) as usize])?;
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
    tar: Builder<&'w mut dyn Write>,
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

    /// Writes the headers of an entry.
    fn head(
        &mut self,
        node: &Node,
        name: &[u8],
        first: Option<&[u8]>,
        attributes: &[(Vec<u8>, Vec<u8>)],
    ) -> io::Result<()> {
        let target = first.or(node.target.as_deref());
        let mut name = name.to_vec();
        if node.kind == NodeKind::Directory {
            name.push(b'/');
        }
        let mut pax: Vec<(String, Vec<u8>)> = Vec::new();
        let mut add = |key: &str, value: Vec<u8>| pax.push((key.to_owned(), value));
        if name.len() > NAME {
            add("path", name.clone());
        }
        if let Some(target) = target.filter(|target| target.len() > NAME) {
            add("linkpath", target.to_vec());
        }
        // One byte of the header stays for the end of the text; half a name would be that of somebody else.
        for (key, owner) in [("uname", &node.user), ("gname", &node.group)] {
            if let Some(owner) = owner.as_ref().filter(|owner| owner.len() > OWNER) {
                add(key, owner.clone());
            }
        }
        if node.mtime.nanos > 0 || node.mtime.seconds < 0 {
            add("mtime", seconds(node).into_bytes());
        }
        for (attribute, value) in attributes {
            let attribute = String::from_utf8_lossy(attribute);
            add(&format!("SCHILY.xattr.{attribute}"), value.clone());
        }
        let pax: Vec<(&str, &[u8])> = pax.iter().map(|(k, v)| (&**k, &**v)).collect();
        if !pax.is_empty() {
            self.tar.append_pax_extensions(pax)?;
        }
        let header = header(node, &name, target, first.is_some());
        self.tar.get_mut().write_all(header.as_bytes())
    }
}

fn header(node: &Node, name: &[u8], target: Option<&[u8]>, is_link: bool) -> Header {
    let mut header = Header::new_ustar();
    let put = |field: &mut [u8], bytes: &[u8]| {
        let len = bytes.len().min(field.len());
        field[..len].copy_from_slice(&bytes[..len]);
    };
    let old = header.as_old_mut();
    put(&mut old.name, name);
    put(&mut old.linkname, target.unwrap_or_default());
    header.set_mode(node.mode);
    header.set_uid(node.uid.into());
    header.set_gid(node.gid.into());
    header.set_mtime(node.mtime.seconds.max(0).unsigned_abs());
    header.set_size(if is_link || !node.has_content() { 0 } else { node.len() });
    header.set_entry_type(match node.kind {
        _ if is_link => EntryType::Link,
        NodeKind::Directory => EntryType::Directory,
        NodeKind::Symlink => EntryType::Symlink,
        NodeKind::Fifo => EntryType::Fifo,
        NodeKind::BlockDevice => EntryType::Block,
        NodeKind::CharDevice => EntryType::Char,
        _ => EntryType::Regular,
    });
    if let Some(ustar) = header.as_ustar_mut() {
        put(&mut ustar.uname[..OWNER], node.user.as_deref().unwrap_or_default());
        put(&mut ustar.gname[..OWNER], node.group.as_deref().unwrap_or_default());
        if let Some((major, minor)) = node.device {
            ustar.set_device_major(major);
            ustar.set_device_minor(minor);
        }
    }
    header.set_cksum();
    header
}

/// The time of modification with its fraction.
fn seconds(node: &Node) -> String {
    let (seconds, nanos) = (node.mtime.seconds, node.mtime.nanos);
    if seconds < 0 && nanos > 0 {
        // The fraction is added to the seconds, and written it is taken from them.
        let whole = (seconds + 1).unsigned_abs();
        return format!("-{whole}.{:09}", 1_000_000_000 - nanos);
    }
    format!("{seconds}.{nanos:09}")
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
