//! Things that are neither file nor directory: symlinks, fifos, sockets, device nodes.

use super::error::{Attempt, refused};
use esker_format::node::{Node, NodeKind};
use rustix::fs::{FileType, Mode};
use std::os::fd::OwnedFd;

/// Makes such a thing under a name that has been checked.
pub(super) fn make(dir: &OwnedFd, name: &[u8], node: &Node, mode: u32) -> Attempt<()> {
    if node.kind == NodeKind::Symlink {
        let target = node.target.as_deref().ok_or(refused("symlink", "without a target"))?;
        return Ok(rustix::fs::symlinkat(target, dir, name)?);
    }
    let (kind, device) = type_and_number(node)?;
    Ok(rustix::fs::mknodat(dir, name, kind, Mode::from_raw_mode(mode), device)?)
}

/// The type of a special file, and the device number where it has one.
fn type_and_number(node: &Node) -> Attempt<(FileType, u64)> {
    let kind = match node.kind {
        NodeKind::Fifo => return Ok((FileType::Fifo, 0)),
        NodeKind::Socket => return Ok((FileType::Socket, 0)),
        NodeKind::BlockDevice => FileType::BlockDevice,
        NodeKind::CharDevice => FileType::CharacterDevice,
        _ => return Err(refused("node", "not a special file")),
    };
    match node.device {
        // Linux has 12 bits for the major number and 20 for the minor; more would be cut off and
        // name another device.
        Some((major, minor)) if major < 1 << 12 && minor < 1 << 20 => {
            Ok((kind, rustix::fs::makedev(major, minor)))
        }
        Some(_) => Err(refused("device", "a number that Linux does not have")),
        None => Err(refused("device", "without a number")),
    }
}

/// What making it is called in an error.
pub(super) const fn operation(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Symlink => "make symlink",
        NodeKind::Fifo => "make fifo",
        NodeKind::Socket => "make socket",
        _ => "make device node",
    }
}
