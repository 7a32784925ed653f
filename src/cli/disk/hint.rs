//! What to do about a disk that cannot be read or written.

use crate::disk::{Error, Use};

/// What to do about it.
pub fn hint(error: &Error) -> Option<String> {
    let hint = match error {
        Error::Used { uses, to_write: false, .. } => {
            let unmount = uses.iter().any(|used| matches!(used, Use::Mounted { .. }));
            let first =
                if unmount { "unmount it, or mount it read-only" } else { "end that first" };
            return Some(format!(
                "{first}, or take a snapshot of the volume and read that. --allow-live reads it as it is: what \
                 changes meanwhile is half old and half new"
            ));
        }
        Error::Used { .. } => {
            "end that first; what is in use is never written to, there is no option for it"
        }
        Error::ReadOnly { .. } => "`blockdev --setrw` allows writing, where the disk itself does",
        Error::TooSmall { .. } => {
            "take a larger disk. Only room behind the last partition of a sound table may be cut off: \
             make file system and partition smaller first"
        }
        Error::Sectors { .. } => {
            "take a disk with the same sectors: partition tables, and some file systems, count in them"
        }
        Error::Unexpected { .. } => {
            "look with `lsblk -o NAME,SIZE,MODEL,SERIAL,WWN` which disk is which"
        }
        Error::Kind { .. } => "name a block device such as /dev/sdb, or an image file",
        Error::Container { .. } => {
            "`qemu-img convert -O raw` makes a raw image of it; --raw reads the file byte by byte, as does \
             `esker snapshot` without --image"
        }
        Error::Wrapped { .. } => {
            "name a file that is not there; `qemu-img convert -O qcow2` then makes such an image of it. Or let \
             `qemu-nbd` show this one as a block device and write to that. --raw makes a raw image of it"
        }
        Error::Tool { source, .. } => match source.kind() {
            std::io::ErrorKind::NotFound => {
                "install QEMU's tools: the package is qemu-utils in Debian and Ubuntu, qemu-img in Fedora and \
                 RHEL, qemu-tools in SUSE. --raw reads the file byte by byte, without them"
            }
            _ => return None,
        },
        Error::Qcow2 { .. } => {
            "look at it with `qemu-img info --backing-chain` and `qemu-img check`. --raw reads the file byte by \
             byte, in whatever state it is"
        }
        Error::Backing { .. } => {
            "bring that file back to where the image looks for it, or tell the image where it is now: \
             `qemu-img rebase -u -b FILE`"
        }
        Error::Open { source, .. } => match source.kind() {
            std::io::ErrorKind::PermissionDenied => "disks are read and written by root only",
            _ => return None,
        },
        Error::Gone { .. } => {
            "look at `dmesg`: the disk, its cable or the service behind it is gone. Run it again when it is back"
        }
        Error::Write { .. } | Error::Interrupted { .. } => {
            "run it again: what is there already is not written twice"
        }
        Error::NoProgram { package, .. } => {
            return Some(format!(
                "install the package {package}, or leave --new-uuids out; nothing was written"
            ));
        }
        Error::NoLoop { .. } => {
            "loop devices are for root, and need the module `loop`; or leave --new-uuids out. Nothing was written"
        }
        Error::Random { .. } | Error::Empty { .. } | Error::Same { .. } | Error::Read { .. } => {
            return None;
        }
    };
    Some(hint.to_owned())
}
