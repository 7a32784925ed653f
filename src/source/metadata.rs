//! From what the file system says to a node, content aside.

use crate::source::owners::Owners;
use crate::source::stat::Stat;
use esker_format::cbor::Extra;
use esker_format::ids::LinkGroup;
use esker_format::limits::XATTRS_MAX;
use esker_format::node::{Node, NodeKind, Xattr, xattrs_size};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A part of the metadata that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read its {part}")]
pub struct MetadataError {
    /// Which part.
    pub part: &'static str,
    /// Why.
    pub source: io::Error,
}

/// A node without content, target and extended attributes.
pub fn node(
    stat: &Stat,
    kind: NodeKind,
    owners: &mut Owners,
    group: impl FnOnce() -> LinkGroup,
) -> Node {
    let several = stat.names > 1 && kind != NodeKind::Directory;
    let device = matches!(kind, NodeKind::BlockDevice | NodeKind::CharDevice);
    Node {
        kind,
        mode: stat.mode & 0o7777,
        uid: stat.uid,
        gid: stat.gid,
        user: owners.user(stat.uid).filter(|n| !n.is_empty()),
        group: owners.group(stat.gid).filter(|n| !n.is_empty()),
        mtime: stat.mtime,
        size: (kind == NodeKind::File).then_some(0),
        content: None,
        target: None,
        device: device.then_some(stat.device_number),
        xattrs: None,
        links: several.then(group),
        fidelity: None,
        extra: Extra::default(),
    }
}

/// The target of a symbolic link.
///
/// # Errors
/// When it is gone or no link any more.
pub fn read_link(directory: BorrowedFd<'_>, name: &CStr) -> Result<Vec<u8>, MetadataError> {
    rustix::fs::readlinkat(directory, name, Vec::new())
        .map(CString::into_bytes)
        .map_err(|e| MetadataError { part: "target", source: e.into() })
}

/// What attributes are read from.
pub enum Subject<'a> {
    /// An open file.
    Open(BorrowedFd<'a>),
    /// A name in an open directory; empty for the directory itself.
    Name(BorrowedFd<'a>, &'a CStr),
}

/// The extended attributes of a file, names ascending: POSIX ACLs, capabilities and users' own.
///
/// # Errors
/// When one cannot be read; a file system without any has none.
pub fn xattrs_of(subject: &Subject<'_>) -> Result<Vec<Xattr>, MetadataError> {
    let failed = |e: Errno| MetadataError { part: "extended attributes", source: e.into() };
    let path = match subject {
        Subject::Open(_) => CString::default(),
        // There is no call that takes a directory and a name: the kernel's own way to the open
        // directory stands in for one, and does not care how deep it is.
        Subject::Name(fd, name) => {
            let fd = fd.as_raw_fd();
            let mut path = format!("/proc/self/fd/{fd}/").into_bytes();
            path.extend_from_slice(name.to_bytes());
            CString::new(path).unwrap_or_default()
        }
    };
    let list = |out: &mut [u8]| match subject {
        Subject::Open(fd) => rustix::fs::flistxattr(fd, out),
        Subject::Name(..) => rustix::fs::llistxattr(&path, out),
    };
    let mut first = [0u8; 1024];
    let names = match list(&mut first) {
        Ok(0) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Ok(n) => first[..n].to_vec(),
        Err(Errno::RANGE) => grown(list).map_err(failed)?,
        Err(error) => return Err(failed(error)),
    };
    let mut out = Vec::new();
    for name in names.split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let name = CString::new(name).unwrap_or_default();
        let get = |out: &mut [u8]| match subject {
            Subject::Open(fd) => rustix::fs::fgetxattr(fd, &name, out),
            Subject::Name(..) => rustix::fs::lgetxattr(&path, &name, out),
        };
        match get(&mut first) {
            Ok(n) => out.push((name.into_bytes(), first[..n].to_vec())),
            Err(Errno::RANGE) => out.push((name.clone().into_bytes(), grown(get).map_err(failed)?)),
            // Taken away since it was listed.
            Err(Errno::NODATA) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    out.sort();
    if xattrs_size(&out) > XATTRS_MAX {
        return Err(failed(Errno::TOOBIG));
    }
    Ok(out)
}

/// Asks again with more room, up to what the kernel allows.
fn grown(mut call: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    // XATTR_SIZE_MAX and XATTR_LIST_MAX are both 64 KiB.
    let mut out = vec![0; 64 << 10];
    let n = call(&mut out)?;
    out.truncate(n);
    Ok(out)
}
