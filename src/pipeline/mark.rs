//! What the file system said of an entry when it was saved, and whether it says the same now.

use crate::source::{Stat, Volume};
use esker_format::node::Time;

/// Nanoseconds in which a file system may give two changes the same time: its clock ticks every 10
/// ms at the slowest, and some slack.
const TICK: i128 = 50_000_000;
/// The same where times have no fractions, as on file systems that count seconds, or two of them.
const COARSE_TICK: i128 = 2_100_000_000;
/// Times that far ahead were set by somebody, and not by a change that was just made.
const AHEAD: i128 = 86_400_000_000_000;

/// What the file system said of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Whether an equal mark means an equal entry. If not, it is always looked at again.
    pub is_sure: bool,
    /// Length in bytes.
    pub size: u64,
    /// Time of the last change of content.
    pub mtime: Time,
    /// Time of the last change of anything.
    pub ctime: Time,
    /// Inode.
    pub inode: u64,
    /// The volume that the inode is of.
    pub volume: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of names.
    pub names: u32,
}

/// What has to be equal for an entry to be unchanged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// Inodes may change by themselves, as in some network file systems.
    pub ignore_inode: bool,
    /// The time of the last change of anything may change by itself.
    pub ignore_ctime: bool,
    /// Nothing counts as unchanged.
    pub force: bool,
}

impl Mark {
    /// A mark that no entry equals.
    pub const UNSURE: Self = {
        let time = Time { seconds: 0, nanos: 0 };
        Self {
            is_sure: false,
            size: 0,
            mtime: time,
            ctime: time,
            inode: 0,
            volume: 0,
            mode: 0,
            uid: 0,
            gid: 0,
            names: 0,
        }
    };

    /// The mark of an entry that was saved as `stat` says, in a directory whose entries were looked
    /// at from `time` on.
    pub fn new(stat: &Stat, volume: Volume, time: Time, is_whole: bool) -> Self {
        Self {
            is_sure: is_whole && !is_fresh(stat, time),
            size: stat.size,
            mtime: stat.mtime,
            ctime: stat.ctime,
            inode: stat.identity.inode,
            volume: volume.id,
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
            names: stat.names,
        }
    }

    /// Whether an entry is as it was when it got this mark.
    pub fn is_unchanged(&self, stat: &Stat, volume: Volume, rules: Rules) -> bool {
        let inode = (self.inode, self.volume, self.names);
        // What has several names is known by its inode: without it nothing says whose names they are.
        let ignores_inode = rules.ignore_inode && (self.names, stat.names) == (1, 1);
        self.is_sure
            && !rules.force
            && self.size == stat.size
            && self.mtime == stat.mtime
            && (rules.ignore_ctime || self.ctime == stat.ctime)
            && (ignores_inode || inode == (stat.identity.inode, volume.id, stat.names))
            && (self.mode, self.uid, self.gid) == (stat.mode, stat.uid, stat.gid)
    }
}

/// Whether the entry changed so shortly before it was looked at that a later change could have the
/// same time.
fn is_fresh(stat: &Stat, time: Time) -> bool {
    let nanos = |t: Time| i128::from(t.seconds) * 1_000_000_000 + i128::from(t.nanos);
    let fresh = |t: Time| {
        let tick = if t.nanos == 0 { COARSE_TICK } else { TICK };
        (nanos(time) - tick..nanos(time) + AHEAD).contains(&nanos(t))
    };
    fresh(stat.ctime) || fresh(stat.mtime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Identity;

    const NOW: Time = Time { seconds: 1_000_000, nanos: 500_000_000 };
    const OLD: Time = Time { seconds: 999_000, nanos: 1 };

    fn stat(mtime: Time, ctime: Time) -> Stat {
        Stat {
            identity: Identity { device: 1, inode: 7 },
            mount: 1,
            mode: 0o100_644,
            names: 1,
            uid: 0,
            gid: 0,
            size: 10,
            blocks: 8,
            mtime,
            ctime,
            device_number: (0, 0),
        }
    }

    fn mark(stat: &Stat) -> Mark {
        Mark::new(stat, Volume::root(), NOW, true)
    }

    fn is_unchanged(before: &Stat, after: &Stat, rules: Rules) -> bool {
        mark(before).is_unchanged(after, Volume::root(), rules)
    }

    #[test]
    fn every_part_counts_unless_it_is_ignored() {
        let (before, rules) = (stat(OLD, OLD), Rules::default());
        assert!(is_unchanged(&before, &before, rules));
        assert!(!is_unchanged(&before, &before, Rules { force: true, ..rules }));
        let later = Time { nanos: 2, ..OLD };
        let inode = Stat { identity: Identity { device: 1, inode: 8 }, ..before };
        for changed in [
            Stat { size: 11, ..before },
            Stat { mtime: later, ..before },
            Stat { mode: 0o100_600, ..before },
            Stat { uid: 1, ..before },
            Stat { gid: 1, ..before },
            Stat { names: 2, ..before },
        ] {
            assert!(!is_unchanged(&before, &changed, rules), "{changed:?}");
        }
        assert!(!is_unchanged(&before, &inode, rules));
        assert!(is_unchanged(&before, &inode, Rules { ignore_inode: true, ..rules }));
        let ctime = Stat { ctime: later, ..before };
        assert!(!is_unchanged(&before, &ctime, rules));
        assert!(is_unchanged(&before, &ctime, Rules { ignore_ctime: true, ..rules }));
        // Another device is none of these: it changes with every mount.
        let device = Stat { identity: Identity { device: 2, inode: 7 }, ..before };
        assert!(is_unchanged(&before, &device, rules));
    }

    #[test]
    fn what_was_touched_within_the_last_tick_is_never_taken_for_unchanged() {
        let at = |nanos: i64| {
            let all = NOW.seconds * 1_000_000_000 + i64::from(NOW.nanos) + nanos;
            let seconds = all.div_euclid(1_000_000_000);
            Time { seconds, nanos: all.rem_euclid(1_000_000_000) as u32 }
        };
        let sure = |mtime, ctime| mark(&stat(mtime, ctime)).is_sure;
        assert!(sure(OLD, OLD));
        assert!(!sure(OLD, at(-10_000_000)) && !sure(at(-10_000_000), OLD));
        assert!(!sure(OLD, at(0)) && !sure(OLD, at(3_600_000_000_000)));
        assert!(sure(OLD, at(-60_000_000)));
        // Whole seconds: the file system may have no others.
        let whole = |back| Time { seconds: NOW.seconds - back, nanos: 0 };
        assert!(!sure(OLD, whole(1)) && sure(OLD, whole(2)));
        // A time that somebody has set years ahead will not come again by itself.
        assert!(sure(at(90_000_000_000_000), OLD));
        assert!(!Mark::new(&stat(OLD, OLD), Volume::root(), NOW, false).is_sure);
    }
}
