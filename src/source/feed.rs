//! What is read once, from its first byte to its last: the output of a command, a pipe, a disk.

use crate::source::metadata::{Subject, node, xattrs_of};
use crate::source::owners::Owners;
use crate::source::roots::look_at;
use crate::source::stat::Stat;
use esker_format::ids::LinkGroup;
use esker_format::node::{Node, NodeKind, Time, Xattr};
use esker_format::path::MapKey;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Why nothing of a run is to be kept.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Somebody said so.
    #[error("stopped")]
    Stopped,
    /// It did not come to a good end.
    #[error("{name} was not saved: {why}")]
    NotWhole {
        /// Its name in the snapshot.
        name: String,
        /// What went wrong.
        why: String,
    },
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// So many bytes, at least one, at the beginning of the space that was given.
    Data(usize),
    /// So many bytes that take no room.
    Hole(u64),
    /// So many zeros.
    Zero(u64),
    /// So many bytes that could not be read.
    Lost(u64),
    /// Nothing any more.
    End,
}

/// What a feed is, once all of it was read.
pub struct Fed {
    /// Its node, without size and content.
    pub node: Node,
    /// Its extended attributes, names ascending.
    pub xattrs: Vec<Xattr>,
    /// What could not be saved whole.
    pub problem: Option<String>,
    /// What the file system said of it, where an equal answer means that it is unchanged.
    pub stat: Option<Stat>,
    /// Set when it is only a further name of what came before under this key.
    pub link: Option<MapKey>,
}

impl Fed {
    /// A directory that leads to a feed: as it is on this machine, or as one that anybody would make.
    pub fn directory(path: &[u8], time: Time) -> Self {
        let bare = || Self::whole(NodeKind::Directory, time, Vec::new()).with_mode(0o755);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(open) = rustix::fs::open(path, flags, Mode::empty()) else { return bare() };
        let Ok(stat) = look_at(Path::new(OsStr::from_bytes(path))) else { return bare() };
        let node =
            node(&stat, NodeKind::Directory, &mut Owners::default(), || LinkGroup::new([0; 16]));
        let xattrs = xattrs_of(&Subject::Open(open.as_fd())).unwrap_or_default();
        Self { node, xattrs, problem: None, stat: None, link: None }
    }

    fn with_mode(mut self, mode: u32) -> Self {
        self.node.mode = mode;
        self
    }

    /// A feed that was whole, belongs to whoever runs this, and nobody else may read.
    pub fn whole(kind: NodeKind, time: Time, xattrs: Vec<Xattr>) -> Self {
        let mut owners = Owners::default();
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let mut node = Node::bare(kind, 0o600, time);
        (node.uid, node.gid) = (uid, gid);
        node.user = owners.user(uid).filter(|name| !name.is_empty());
        node.group = owners.group(gid).filter(|name| !name.is_empty());
        Self { node, xattrs, problem: None, stat: None, link: None }
    }
}

/// Whether somebody wants a feed to stop.
pub type Halt<'h> = &'h dyn Fn() -> bool;

/// Something that is read once.
pub trait Feed: Send {
    /// Its absolute path in the snapshot.
    fn path(&self) -> &[u8];

    /// What it is: this says how it is cut, and how large its frames are.
    fn kind(&self) -> NodeKind;

    /// Whether it has many entries, so that [`Feed::advance`] is asked for each. Then the path is its
    /// own before the first.
    fn is_many(&self) -> bool {
        false
    }

    /// Goes on to the next entry; false when there is none.
    ///
    /// # Errors
    /// As [`Feed::next`].
    fn advance(&mut self, halt: Halt<'_>) -> Result<bool, FeedError> {
        let _ = halt;
        Ok(false)
    }

    /// What the file system says of it now, where the same as the last time means that it is unchanged
    /// and need not be read.
    fn stat(&self) -> Option<Stat> {
        None
    }

    /// What comes next; data is put at the beginning of `space`, which is not empty.
    ///
    /// # Errors
    /// When nothing of the run is to be kept, or `halt` says so.
    fn next(&mut self, space: &mut [u8], halt: Halt<'_>) -> Result<Part, FeedError>;

    /// Looks whether it came to a good end, behind [`Part::End`].
    ///
    /// # Errors
    /// As [`Feed::next`].
    fn finish(&mut self, halt: Halt<'_>) -> Result<Fed, FeedError>;
}
