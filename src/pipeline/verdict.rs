//! What became of a file while it was read: whether what was read is one state of it, and what is
//! to be said when it is not.

use crate::source::Stat;
use esker_format::node::{Fidelity, NodeKind};
use std::io;

/// Files from this size on are cut by the sequence and worked on by all threads. A worker holds a
/// file as a whole, so it never reads one that is larger.
pub const LARGE: u64 = 2 << 20;

/// Large files up to this size are read again too when they change meanwhile.
const LARGE_AGAIN: u64 = 64 << 20;

/// How often a file that changes while it is read is read again.
const READ_AGAIN: u32 = 3;

/// Whether the sequence reads this file, and not a worker.
pub fn is_large(stat: &Stat) -> bool {
    stat.kind() == Some(NodeKind::File) && (stat.size >= LARGE || stat.may_have_holes())
}

/// Whether a worker that has read a file so many times reads it again.
pub fn is_read_again(before: &Stat, after: &Stat, times: u32) -> bool {
    !after.is_same_state(before) && after.size < LARGE && times < READ_AGAIN
}

/// Whether the sequence, which has read a large file so many times, reads it again.
pub fn is_large_again(before: &Stat, after: &Stat, times: u32) -> bool {
    !after.is_same_state(before)
        && !(grew(before, after))
        && is_large(after)
        && after.size <= LARGE_AGAIN
        && times < READ_AGAIN
}

/// What is wrong with the first `len` bytes of a file that was `before` and is `after` now.
pub fn flaw(
    before: &Stat,
    after: Option<&Stat>,
    len: u64,
    error: Option<&io::Error>,
) -> Option<(Fidelity, String)> {
    if let Some(error) = error {
        return Some((Fidelity::Damaged, format!("could be read only in part: {error}")));
    }
    let (fidelity, problem) = match after {
        // Equal before and after: what was read is one state of the file.
        Some(after) if after.is_same_state(before) => {
            if len >= before.size || is_made_up(before) {
                return None;
            }
            let problem = format!("could be read only in part: {len} of {} bytes", before.size);
            return Some((Fidelity::Damaged, problem));
        }
        Some(after) if grew(before, after) && len == before.size => {
            (Fidelity::Grew, "grew while it was read; saved to its first length")
        }
        _ => (Fidelity::Changed, "changed while it was read"),
    };
    Some((fidelity, problem.to_owned()))
}

/// Whether the kernel makes the file up as it is read, and its size with it: files of sysfs say
/// 4096 bytes, take no room, and are whole with what they give.
const fn is_made_up(stat: &Stat) -> bool {
    stat.blocks == 0
}

/// Whether nothing but growth happened, as far as times and sizes tell.
fn grew(before: &Stat, after: &Stat) -> bool {
    before.identity == after.identity && after.size > before.size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Identity;
    use esker_format::node::Time;

    fn stat(size: u64) -> Stat {
        let time = Time { seconds: 1, nanos: 1 };
        Stat {
            identity: Identity { device: 1, inode: 1 },
            mount: 1,
            mode: 0o100_644,
            names: 1,
            uid: 0,
            gid: 0,
            size,
            blocks: size.div_ceil(4096) * 8,
            mtime: time,
            ctime: time,
            device_number: (0, 0),
        }
    }

    #[test]
    fn a_file_that_became_large_is_not_read_again_but_kept_to_its_first_length() {
        let (before, after) = (stat(10), stat(30 << 30));
        assert!(is_read_again(&before, &stat(LARGE - 1), 1));
        assert!(!is_read_again(&before, &stat(LARGE), 1));
        assert!(!is_read_again(&before, &after, 1));
        let (fidelity, _) = flaw(&before, Some(&after), 10, None).unwrap();
        assert_eq!(fidelity, Fidelity::Grew);
        let (fidelity, _) = flaw(&before, Some(&after), 9, None).unwrap();
        assert_eq!(fidelity, Fidelity::Changed);
    }

    #[test]
    fn a_file_whose_blocks_reach_the_disk_has_not_changed() {
        let before = stat(10_000);
        let written = Stat { blocks: before.blocks + 16, ..before };
        assert!(!is_read_again(&before, &written, 1));
        assert_eq!(flaw(&before, Some(&written), 10_000, None), None);
        let mtime = Time { seconds: 1, nanos: 2 };
        for changed in [Stat { mtime, ..before }, Stat { ctime: mtime, ..before }, stat(9_999)] {
            assert!(is_read_again(&before, &changed, 1));
            let (fidelity, _) = flaw(&before, Some(&changed), 10_000, None).unwrap();
            assert_eq!(fidelity, Fidelity::Changed);
        }
    }

    #[test]
    fn fewer_bytes_than_there_are_is_damage_but_for_files_that_take_no_room() {
        let whole = stat(10_000);
        let (fidelity, problem) = flaw(&whole, Some(&whole), 4096, None).unwrap();
        assert_eq!(fidelity, Fidelity::Damaged);
        assert_eq!(problem, "could be read only in part: 4096 of 10000 bytes");
        let made_up = Stat { blocks: 0, ..stat(4096) };
        assert_eq!(flaw(&made_up, Some(&made_up), 7, None), None);
    }
}
