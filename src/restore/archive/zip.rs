//! A zip archive: what every desktop opens.
//!
//! It is written from front to back, so sizes and checksums follow each entry, and the list of all at the end
//! counts; what it says of each entry is kept in memory until then, about 200 bytes and the name. Names, modes,
//! owners, times in whole seconds and content are in it, symbolic links as the programs of Info-ZIP have them.

use super::{Content, Entry, Form, Unflushed};
use crate::restore::stream::StreamError;
use esker_format::node::{Node, NodeKind};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use rawzip::extra_fields::ExtraFieldId;
use rawzip::path::{EntryPath, ZipFilePath};
use rawzip::time::UtcDateTime;
use rawzip::{CompressionMethod, ErrorKind, Header, ZipArchiveWriter};
use std::io::{self, Write};

/// Bytes of a name at most: 16 bits say how many they are, also together with what else is said of it.
const NAME: usize = u16::MAX as usize - 100;

/// From this length on sizes have 64 bits.
const LARGE: u64 = u32::MAX as u64;

/// Owner and group, as Info-ZIP has them.
const OWNER: ExtraFieldId = ExtraFieldId::new(0x7875);

/// A name in UTF-8, for one whose bytes go without a word on that.
const MEANING: ExtraFieldId = ExtraFieldId::new(0x7075);

/// A zip that is written.
pub struct Zip<'w>(ZipArchiveWriter<Unflushed<'w>>);

impl<'w> Zip<'w> {
    /// A zip into `out`.
    pub fn new(out: &'w mut dyn Write) -> Self {
        Self(ZipArchiveWriter::new(Unflushed(out)))
    }

    fn directory(&mut self, node: &Node, name: &[u8]) -> Result<(), rawzip::Error> {
        let name = [name, b"/"].concat();
        let mut builder = self.0.new_dir(path(&name)).unix_permissions(mode(node));
        builder = builder.last_modified(time(node));
        for (id, value) in extra(node) {
            builder = builder.extra_field(id, &value, Header::LOCAL)?;
        }
        if let Some(value) = meaning(&name) {
            builder = builder.extra_field(MEANING, &value, Header::default())?;
        }
        builder.create().map(drop)
    }

    fn file(&mut self, node: &Node, name: &[u8], content: Content<'_>) -> Result<(), StreamError> {
        let builder = self.0.new_file(path(name)).unix_permissions(mode(node));
        // Stored as it is, nobody who reads from a pipe knew where it ends.
        let mut builder =
            builder.last_modified(time(node)).compression_method(CompressionMethod::DEFLATE);
        for (id, value) in extra(node) {
            builder = builder.extra_field(id, &value, Header::LOCAL).map_err(io)?;
        }
        if let Some(value) = meaning(name) {
            builder = builder.extra_field(MEANING, &value, Header::default()).map_err(io)?;
        }
        let (mut entry, config) = builder.start().map_err(io)?;
        let encoder = DeflateEncoder::new(&mut entry, Compression::default());
        let mut data = config.wrap(encoder);
        content(&mut data)?;
        let (encoder, descriptor) = data.finish().map_err(io)?;
        encoder.finish()?;
        entry.finish(descriptor).map_err(io)?;
        Ok(())
    }
}

impl Form for Zip<'_> {
    fn refuses(&self, node: &Node, name: &[u8]) -> Option<&'static str> {
        match node.kind {
            NodeKind::Socket => Some("is a socket, which no zip can have"),
            NodeKind::Fifo => Some("is a pipe, which no zip can have"),
            NodeKind::BlockDevice | NodeKind::CharDevice => {
                Some("is a device, which no zip can have")
            }
            _ if name.len() >= NAME => Some("has a path longer than any of a zip"),
            _ => None,
        }
    }

    fn has_links(&self) -> bool {
        false
    }

    fn attributes(&self, list: &mut Vec<(Vec<u8>, Vec<u8>)>) -> Vec<String> {
        // No zip has any; to say so of each would hide what else there is to say.
        list.clear();
        Vec::new()
    }

    fn entry(
        &mut self,
        entry: &Entry<'_>,
        content: Option<Content<'_>>,
    ) -> Result<(), StreamError> {
        let Entry { node, name, .. } = entry;
        match node.kind {
            NodeKind::Directory => Ok(self.directory(node, name).map_err(io)?),
            NodeKind::Symlink => {
                let target = node.target.as_deref().unwrap_or_default();
                let target = |out: &mut dyn Write| {
                    out.write_all(target)?;
                    Ok(target.len() as u64)
                };
                self.file(node, name, &mut { target })
            }
            _ => self.file(node, name, content.unwrap_or(&mut |_| Ok(0))),
        }
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.finish().map_err(io)?.0.flush()
    }

    fn give_up(self: Box<Self>) {
        // Without the list at its end it is none.
    }
}

/// A name as it is. What is no text, or what would be taken for a path of another system, goes without a word on
/// what its bytes mean.
fn path(name: &[u8]) -> EntryPath<'_> {
    match plain(name) {
        Some(text) => EntryPath::conformant(text),
        None => EntryPath::verbatim(name),
    }
}

/// A name that is text, and would not be changed for being a path of another system.
fn plain(name: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(name).ok()?;
    (ZipFilePath::from_str(text).as_str() == text).then_some(text)
}

/// What the bytes of a name mean, where they are text and their header does not say so.
fn meaning(name: &[u8]) -> Option<Vec<u8>> {
    if name.is_ascii() || plain(name).is_some() || std::str::from_utf8(name).is_err() {
        return None;
    }
    let mut sum = Crc::new();
    sum.update(name);
    // Version one, and what it is said of.
    Some([&[1][..], &sum.sum().to_le_bytes(), name].concat())
}

fn mode(node: &Node) -> u32 {
    let kind = match node.kind {
        NodeKind::Directory => 0o040_000,
        NodeKind::Symlink => 0o120_000,
        _ => 0o100_000,
    };
    kind | (node.mode & 0o7777)
}

fn time(node: &Node) -> UtcDateTime {
    UtcDateTime::from_unix(node.mtime.seconds)
}

/// What a header has no place for, as far as it can be said.
fn extra(node: &Node) -> Vec<(ExtraFieldId, Vec<u8>)> {
    let mut fields = Vec::new();
    // Some read it with a sign, and some without.
    if let Some(seconds) = i32::try_from(node.mtime.seconds).ok().filter(|seconds| *seconds >= 0) {
        // One: the time of modification is there.
        let value = [&[1][..], &seconds.to_le_bytes()].concat();
        fields.push((ExtraFieldId::EXTENDED_TIMESTAMP, value));
    }
    let (uid, gid) = (node.uid.to_le_bytes(), node.gid.to_le_bytes());
    // Version one, and four bytes for each.
    fields.push((OWNER, [&[1, 4][..], &uid, &[4], &gid].concat()));
    if node.has_content() && node.len() >= LARGE {
        // Who reads from a pipe learns by it that the sizes behind the content have 64 bits.
        fields.push((ExtraFieldId::ZIP64, vec![0; 16]));
    }
    fields
}

fn io(error: rawzip::Error) -> io::Error {
    match error.into_kind() {
        ErrorKind::IO(error) => error,
        other => io::Error::other(format!("no zip can be made: {other:?}")),
    }
}
