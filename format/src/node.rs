//! What a snapshot knows about one path.

use crate::cbor::{Cbor, Extra, Reader, Writer};
use crate::content::{Content, check_page_len};
use crate::error::{FormatError, Result, malformed, within};
use crate::ids::{ChunkId, LinkGroup};
use crate::limits::{
    LINK_TARGET_MAX, NODE_EXTRA_MAX, OWNER_NAME_MAX, PAGE_MAX, XATTRS_COUNT_MAX, XATTRS_INLINE_MAX,
    XATTRS_MAX,
};
use crate::{cbor_enum, cbor_map};

cbor_enum! {
    /// What kind of thing a node is.
    pub enum NodeKind {
        /// A directory.
        Directory = 1,
        /// A regular file.
        File = 2,
        /// A symbolic link.
        Symlink = 3,
        /// A named pipe.
        Fifo = 4,
        /// A socket in the file system.
        Socket = 5,
        /// A block device node.
        BlockDevice = 6,
        /// A character device node.
        CharDevice = 7,
        /// The output of a command or of a pipe.
        Stream = 8,
        /// The content of a block device or disk image.
        Image = 9,
    }
}

cbor_enum! {
    /// How far what was stored is what was there. Absent means complete.
    pub enum Fidelity {
        /// The file changed while it was read.
        Changed = 1,
        /// Some of it could not be read; the content has lost ranges or ends early.
        Damaged = 2,
        /// It grew while it was read and was stored to the size first seen.
        Grew = 3,
        /// Nothing of its content could be read.
        Unreadable = 4,
    }
}

/// A point in time: seconds since 1970 (before it: negative) and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

impl Cbor for Time {
    fn put(&self, w: &mut Writer) {
        w.array(2);
        w.i64(self.seconds);
        w.u64(self.nanos.into());
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        let what = "time";
        r.array_of(what, 2)?;
        let time = Self { seconds: r.i64(what)?, nanos: u32::get(r)? };
        time.check()?;
        Ok(time)
    }
}

impl Time {
    fn check(self) -> Result<()> {
        if self.nanos > 999_999_999 {
            return Err(malformed("time", "a billion nanoseconds or more"));
        }
        Ok(())
    }
}

/// An extended attribute: name and value.
pub type Xattr = (Vec<u8>, Vec<u8>);

/// Attributes of a stream or image whose names begin with this say where it came from. They are for
/// whoever reads the snapshot; a file that is made of it does not get them.
pub const ORIGIN: &[u8] = b"esker.";

/// The extended attributes of a node, names ascending. POSIX ACLs and capabilities are among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Xattrs {
    /// Up to 512 bytes of names and values.
    Inline(Vec<Xattr>),
    /// A page of its own (see [`encode_xattrs`]) and its length.
    Page(ChunkId, u64),
}

impl Cbor for Xattrs {
    fn put(&self, w: &mut Writer) {
        match self {
            Self::Inline(list) => list.put(w),
            Self::Page(id, len) => {
                w.map(2);
                w.u64(0);
                id.put(w);
                w.u64(1);
                w.u64(*len);
            }
        }
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        let what = "extended attributes";
        if r.peek(what)? == minicbor::data::Type::Array {
            // Names have a byte at least, so there are no more of them than bytes.
            let xattrs = Self::Inline(r.list(what, XATTRS_INLINE_MAX)?);
            xattrs.check()?;
            return Ok(xattrs);
        }
        let page = XattrsPage::get(r)?;
        if !page.extra.is_empty() {
            return Err(malformed(what, "fields that nobody knows"));
        }
        let xattrs = Self::Page(page.id, page.len);
        xattrs.check()?;
        Ok(xattrs)
    }
}

impl Xattrs {
    fn check(&self) -> Result<()> {
        match self {
            Self::Inline(list) => {
                check_xattrs(list)?;
                within("extended attributes", xattrs_size(list), XATTRS_INLINE_MAX)
            }
            Self::Page(_, len) => check_page_len(*len),
        }
    }
}

cbor_map! {
    /// The encoded form of [`Xattrs::Page`].
    pub struct XattrsPage {
        /// The page.
        0 => id: ChunkId,
        /// Its length in bytes.
        1 => len: u64,
    }
}

/// Bytes of names and values, which is what the limits count.
pub fn xattrs_size(list: &[Xattr]) -> usize {
    list.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// The page that holds a large set of extended attributes.
pub fn encode_xattrs(list: &Vec<Xattr>) -> Vec<u8> {
    crate::cbor::encode(list)
}

/// Reads such a page.
///
/// # Errors
/// When the bytes are not a sorted set of attributes within the limits.
pub fn decode_xattrs(page: &[u8]) -> Result<Vec<Xattr>> {
    let list: XattrList = crate::cbor::decode("extended attributes", page, PAGE_MAX)?;
    check_xattrs(&list.0)?;
    Ok(list.0)
}

/// A list with its own limit, which is seen before the list is built.
struct XattrList(Vec<Xattr>);

impl Cbor for XattrList {
    fn put(&self, w: &mut Writer) {
        self.0.put(w);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        r.list("extended attributes", XATTRS_COUNT_MAX).map(Self)
    }
}

fn check_xattrs(list: &[Xattr]) -> Result<()> {
    let what = "extended attributes";
    within(what, list.len(), XATTRS_COUNT_MAX)?;
    within(what, xattrs_size(list), XATTRS_MAX)?;
    if list.is_empty() || !list.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(malformed(what, "empty or not in order"));
    }
    if list.iter().any(|(name, _)| name.is_empty() || name.len() > 255 || name.contains(&0)) {
        return Err(malformed(what, "an impossible name"));
    }
    Ok(())
}

cbor_map! {
    /// A node. Inode, change time, access time and device are not in it: they would break sharing.
    pub struct Node {
        /// What it is.
        0 => kind: NodeKind,
        /// Permission bits, 0 to 7777 octal.
        1 => mode: u32,
        /// Owner.
        2 => uid: u32,
        /// Group.
        3 => gid: u32,
        /// Owner's name, when it has one.
        4 => user: Option<Vec<u8>>,
        /// Group's name, when it has one.
        5 => group: Option<Vec<u8>>,
        /// Time of the last modification.
        6 => mtime: Time,
        /// Length in bytes of a file, stream or image.
        7 => size: Option<u64>,
        /// Its bytes; none when it is empty or unreadable.
        8 => content: Option<Content>,
        /// Target of a symbolic link.
        9 => target: Option<Vec<u8>>,
        /// Major and minor number of a device node.
        10 => device: Option<(u32, u32)>,
        /// Extended attributes.
        11 => xattrs: Option<Xattrs>,
        /// Set when the file had more than one name.
        12 => links: Option<LinkGroup>,
        /// What is wrong with it; absent when it is complete.
        13 => fidelity: Option<Fidelity>,
    }
}

impl Node {
    /// A node with what every kind has, and nothing else. The owner is 0 and has no name.
    pub fn bare(kind: NodeKind, mode: u32, mtime: Time) -> Self {
        Self {
            kind,
            mode,
            uid: 0,
            gid: 0,
            user: None,
            group: None,
            mtime,
            size: None,
            content: None,
            target: None,
            device: None,
            xattrs: None,
            links: None,
            fidelity: None,
            extra: Extra::default(),
        }
    }
    /// Length of the content in bytes.
    pub fn len(&self) -> u64 {
        self.size.unwrap_or(0)
    }
    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Whether this kind of node has content.
    pub const fn has_content(&self) -> bool {
        matches!(self.kind, NodeKind::File | NodeKind::Stream | NodeKind::Image)
    }
    /// Fails unless the fields fit the kind and each other.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] or [`FormatError::TooLarge`].
    pub fn check(&self) -> Result<()> {
        let what = "node";
        if self.mode > 0o7777 {
            return Err(malformed(what, "mode beyond 7777"));
        }
        self.mtime.check()?;
        within("unknown fields of a node", self.extra.size(), NODE_EXTRA_MAX)?;
        if let Some(xattrs) = &self.xattrs {
            xattrs.check()?;
        }
        for name in [&self.user, &self.group].into_iter().flatten() {
            within("owner name", name.len(), OWNER_NAME_MAX)?;
        }
        if self.size.is_some() != self.has_content()
            || (self.content.is_some() && !self.has_content())
        {
            return Err(malformed(what, "content does not fit the kind"));
        }
        if let Some(content) = &self.content {
            content.check()?;
            if content.len()? != self.len() {
                return Err(malformed(what, "size and content differ"));
            }
        }
        if self.content.is_none() && !self.is_empty() && self.fidelity != Some(Fidelity::Unreadable)
        {
            return Err(malformed(what, "a size without content"));
        }
        match &self.target {
            Some(target) if self.kind == NodeKind::Symlink => {
                within("link target", target.len(), LINK_TARGET_MAX)?;
                if target.is_empty() || target.contains(&0) {
                    return Err(malformed(what, "an impossible link target"));
                }
            }
            None if self.kind != NodeKind::Symlink => {}
            _ => return Err(malformed(what, "link target does not fit the kind")),
        }
        let device = matches!(self.kind, NodeKind::BlockDevice | NodeKind::CharDevice);
        if self.device.is_some() != device {
            return Err(malformed(what, "device number does not fit the kind"));
        }
        if self.links.is_some() && self.kind == NodeKind::Directory {
            return Err(malformed(what, "a directory with several names"));
        }
        Ok(())
    }
}

/// Reads one encoded node, as the file table keeps it.
///
/// # Errors
/// When the bytes are not a node.
pub fn decode_node(bytes: &[u8]) -> Result<Node> {
    let node: Node = crate::cbor::decode("node", bytes, PAGE_MAX)?;
    node.check()?;
    Ok(node)
}

impl From<FormatError> for std::io::Error {
    fn from(error: FormatError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}
