//! What to do with an entry: a pure choice from what the snapshot has and what is there.

use crate::restore::how::Overwrite;
use crate::restore::tree::Seen;
use esker_format::node::{Node, NodeKind};

/// What to do with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing is there: make it.
    Make,
    /// Leave what is there.
    Keep,
    /// Its content is as it should be; look at its metadata.
    Trust,
    /// Compare content and metadata.
    Compare,
    /// Something else is there: replace it.
    Replace,
}

/// How far what is there can be trusted after a restore that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// No restore was cut off here.
    Whole,
    /// One was: lengths and times may be right where bytes did not reach the disk.
    Doubtful,
    /// One was, and this very entry may be half written.
    Unfinished,
}

/// The choice.
///
/// Trusted is a content whose length and time of modification, to the nanosecond, are those of the
/// snapshot: to change one and put both back takes intent. [`Overwrite::Always`] trusts nothing.
pub fn step(node: &Node, seen: Option<&Seen>, overwrite: Overwrite, trust: Trust) -> Step {
    let Some(seen) = seen else { return Step::Make };
    let kind = on_disk(node.kind);
    let same_kind = seen.kind == Some(kind);
    let looks_equal = same_kind
        && seen.mtime == node.mtime
        && (kind != NodeKind::File || seen.size == node.len());
    // What is half written is nobody's work that could be kept.
    let overwrite = match overwrite {
        Overwrite::IfNewer | Overwrite::Never if trust == Trust::Unfinished => Overwrite::IfChanged,
        other => other,
    };
    match overwrite {
        Overwrite::Never => return Step::Keep,
        // The time of a directory says when a name in it came or went, not how new it is.
        Overwrite::IfNewer if same_kind && kind == NodeKind::Directory => {}
        Overwrite::IfNewer if !looks_equal && node.mtime <= seen.mtime => return Step::Keep,
        _ => {}
    }
    if !same_kind {
        Step::Replace
    } else if looks_equal && overwrite != Overwrite::Always && trust == Trust::Whole {
        Step::Trust
    } else {
        Step::Compare
    }
}

/// What a node is on disk: streams and images come back as files.
pub const fn on_disk(kind: NodeKind) -> NodeKind {
    match kind {
        NodeKind::Stream | NodeKind::Image => NodeKind::File,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use esker_format::node::Time;

    fn time(seconds: i64) -> Time {
        Time { seconds, nanos: 0 }
    }

    fn node(kind: NodeKind, mtime: i64, len: u64) -> Node {
        Node { size: Some(len), ..Node::bare(kind, 0o644, time(mtime)) }
    }

    fn seen(kind: NodeKind, mtime: i64, size: u64) -> Seen {
        Seen {
            identity: (1, 2),
            kind: Some(kind),
            mode: 0o644,
            owner: (0, 0),
            names: 1,
            size,
            mtime: time(mtime),
            ctime: time(mtime),
            device: (0, 0),
            mount: 1,
            is_mount: false,
        }
    }

    #[test]
    fn each_mode_chooses_by_length_time_and_kind() {
        use NodeKind::{Directory, File, Symlink};
        use Overwrite::{Always, IfChanged, IfNewer, Never};
        use Step::{Compare, Keep, Replace, Trust};
        let snapshot = node(File, 100, 5);
        let cases = [
            ("equal", seen(File, 100, 5), [Compare, Trust, Trust, Keep]),
            ("older", seen(File, 99, 5), [Compare, Compare, Compare, Keep]),
            ("newer", seen(File, 101, 5), [Compare, Compare, Keep, Keep]),
            ("same time, other length", seen(File, 100, 6), [Compare, Compare, Keep, Keep]),
            ("older link", seen(Symlink, 99, 5), [Replace, Replace, Replace, Keep]),
            ("newer directory", seen(Directory, 101, 5), [Replace, Replace, Keep, Keep]),
        ];
        for (what, there, steps) in cases {
            for (overwrite, wanted) in [Always, IfChanged, IfNewer, Never].into_iter().zip(steps) {
                let chosen = step(&snapshot, Some(&there), overwrite, super::Trust::Whole);
                assert_eq!(chosen, wanted, "{what}, {overwrite:?}");
            }
        }
        assert_eq!(step(&snapshot, None, Never, super::Trust::Whole), Step::Make);
        let directory = node(Directory, 100, 0);
        let newer = seen(Directory, 200, 4096);
        assert_eq!(step(&directory, Some(&newer), IfNewer, super::Trust::Whole), Compare);
    }

    #[test]
    fn after_a_restore_that_was_cut_off_equal_times_prove_nothing() {
        let snapshot = node(NodeKind::File, 100, 5);
        let equal = seen(NodeKind::File, 100, 5);
        let newer = seen(NodeKind::File, 101, 5);
        let of = |seen, overwrite, trust| step(&snapshot, Some(seen), overwrite, trust);
        assert_eq!(of(&equal, Overwrite::IfChanged, Trust::Doubtful), Step::Compare);
        assert_eq!(of(&newer, Overwrite::Never, Trust::Doubtful), Step::Keep);
        assert_eq!(of(&newer, Overwrite::Never, Trust::Unfinished), Step::Compare);
        assert_eq!(of(&newer, Overwrite::IfNewer, Trust::Unfinished), Step::Compare);
    }
}
