//! A tar archive with pax headers.

use super::{Content, Entry, Form};
use crate::restore::stream::StreamError;
use esker_format::node::{Node, NodeKind};
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use tar::{Builder, EntryType, Header};

/// What a header has of a name; longer ones are in the pax header.
const NAME: usize = 100;
/// The same of the name of an owner.
const OWNER: usize = 31;
/// A tar consists of blocks of this size.
const BLOCK: u64 = 512;

/// A tar that is written. Dropped, a builder would write the end: that of an archive which failed, too.
pub struct Tar<'w>(ManuallyDrop<Builder<Counted<'w>>>);

/// Where it goes, and how many bytes did.
struct Counted<'w>(&'w mut dyn Write, u64);

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.0.write(bytes)?;
        self.1 += len as u64;
        Ok(len)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<'w> Tar<'w> {
    /// A tar into `out`.
    pub fn new(out: &'w mut dyn Write) -> Self {
        Self(ManuallyDrop::new(Builder::new(Counted(out, 0))))
    }

    /// Writes the headers of an entry.
    fn head(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let Entry { node, first, attributes, .. } = entry;
        let target = first.or(node.target.as_deref());
        let mut name = entry.name.to_vec();
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
        for (attribute, value) in *attributes {
            let attribute = String::from_utf8_lossy(attribute);
            add(&format!("SCHILY.xattr.{attribute}"), value.clone());
        }
        let pax: Vec<(&str, &[u8])> = pax.iter().map(|(k, v)| (&**k, &**v)).collect();
        if !pax.is_empty() {
            self.0.append_pax_extensions(pax)?;
        }
        let header = header(node, &name, target, first.is_some());
        self.0.get_mut().write_all(header.as_bytes())
    }
}

impl Form for Tar<'_> {
    fn refuses(&self, node: &Node, _: &[u8]) -> Option<&'static str> {
        (node.kind == NodeKind::Socket).then_some("is a socket, which no tar can have")
    }

    fn has_links(&self) -> bool {
        true
    }

    fn attributes(&self, list: &mut Vec<(Vec<u8>, Vec<u8>)>) -> Vec<String> {
        let is_text = |name: &[u8]| std::str::from_utf8(name).is_ok_and(|name| !name.contains('='));
        let told = list.extract_if(.., |(name, _)| !is_text(name)).map(|(name, _)| {
            let name = String::from_utf8_lossy(&name).escape_debug().to_string();
            format!("has the attribute {name}, which no tar can have")
        });
        told.collect()
    }

    fn entry(
        &mut self,
        entry: &Entry<'_>,
        content: Option<Content<'_>>,
    ) -> Result<(), StreamError> {
        self.head(entry)?;
        let Some(content) = content else { return Ok(()) };
        let out = self.0.get_mut();
        let len = content(out)?;
        out.write_all(&[0; BLOCK as usize][..(len.next_multiple_of(BLOCK) - len) as usize])?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        ManuallyDrop::into_inner(self.0).into_inner()?.flush()
    }

    fn give_up(mut self: Box<Self>) {
        // An archive that ends between two entries, or in the middle of content that is as long as a block, may be
        // taken for all; a torn block never is. Where nothing can be written, it is torn already.
        let out = self.0.get_mut();
        let torn = if out.1 % BLOCK == BLOCK - 1 { 2 } else { 1 };
        let _ = out.write_all(&[0; 2][..torn]);
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
