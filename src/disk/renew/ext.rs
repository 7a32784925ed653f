//! A new UUID for an ext2, ext3 or ext4.

use super::attached::Attached;
use super::{Place, tools};
use crate::disk::ext4::Superblock;

/// Features and states of a superblock that forbid it, or mean that the journal counts.
const HAS_JOURNAL: u32 = 0x4;
const RECOVER: u32 = 0x4;
const IS_JOURNAL: u32 = 0x8;
const VALID: u16 = 1;
const ERRORS: u16 = 2;

/// Gives it one.
pub fn renew(place: &Place<'_>) -> Result<(), String> {
    if let Some(why) = why_not(&Superblock::read(place.target, place.start)?) {
        return Err(why.to_owned());
    }
    let device = Attached::to_write(place.target.path(), place.start, place.len)?;
    let path = device.path().as_os_str();
    // Checksums of all metadata are made with the UUID. tune2fs makes them anew only in a file system that has been
    // checked since it was mounted the last time.
    tools::run("e2fsck", &["-f".as_ref(), "-p".as_ref(), path], &[0, 1])?;
    tools::run("tune2fs", &["-U".as_ref(), "random".as_ref(), path], &[0])?;
    device.sync()
}

/// Why it must not be tried.
fn why_not(superblock: &Superblock) -> Option<&'static str> {
    let (compatible, incompatible) = (superblock.u32(0x5c), superblock.u32(0x60));
    let state = superblock.u16(0x3a);
    if incompatible & IS_JOURNAL != 0 {
        return Some("it is the journal of another file system, which knows it by its UUID");
    }
    // That one may belong to the original, which is attached as well.
    if compatible & HAS_JOURNAL != 0 && superblock.u32(0xe0) == 0 {
        return Some("its journal is on another disk");
    }
    if incompatible & RECOVER != 0 {
        return Some("its journal has to be played back first: it was mounted when it was saved");
    }
    if state & ERRORS != 0 {
        return Some("it is marked as having errors");
    }
    (state & VALID == 0).then_some("it was not unmounted in order")
}

#[cfg(test)]
mod tests {
    use super::{Superblock, why_not};

    #[test]
    fn only_a_file_system_in_order_that_needs_no_other_disk_is_changed() {
        let superblock = |changes: &[(usize, u8)]| {
            let mut bytes = [0; 1024];
            // Valid, with a journal in inode 8.
            (bytes[0x3a], bytes[0x5c], bytes[0xe0]) = (1, 4, 8);
            changes.iter().for_each(|(at, byte)| bytes[*at] = *byte);
            why_not(&Superblock(bytes))
        };
        assert_eq!(superblock(&[]), None);
        assert_eq!(superblock(&[(0x5c, 0), (0xe0, 0)]), None);
        assert!(superblock(&[(0xe0, 0)]).unwrap().contains("on another disk"));
        assert!(superblock(&[(0x60, 4)]).unwrap().contains("played back"));
        assert!(superblock(&[(0x60, 8)]).unwrap().contains("of another file system"));
        assert!(superblock(&[(0x3a, 3)]).unwrap().contains("errors"));
        assert!(superblock(&[(0x3a, 0)]).unwrap().contains("not unmounted"));
    }
}
