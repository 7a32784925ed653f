//! What was read of packs and may be needed again: a file without a name in the cache folder, so that
//! what lies in many places of a tree comes once from a store that is far away.
//!
//! It holds sealed bytes, and is gone with the process. Where it cannot be written, things are asked for anew.

use crate::repository::packer::lock;
use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;

/// Bytes kept at most.
const MOST: u64 = 1 << 30;

/// The file, and what lies where in it. What was written first is overwritten first.
pub struct Spill {
    file: File,
    most: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Oldest first.
    kept: VecDeque<Kept>,
    /// Where the next bytes go.
    next: u64,
    /// Set when the file could not be written.
    is_full: bool,
}

struct Kept {
    pack: u32,
    range: Range<u64>,
    at: u64,
}

impl Spill {
    /// A new one in this folder; none where no file can be made.
    pub fn new(folder: &Path) -> Option<Self> {
        let file = tempfile::tempfile_in(folder).ok()?;
        Some(Self { file, most: MOST, state: Mutex::default() })
    }

    /// Keeps the bytes of a range of a pack, as long as there is room.
    pub fn keep(&self, pack: u32, range: &Range<u64>, bytes: &[u8]) {
        let len = bytes.len() as u64;
        let mut state = lock(&self.state);
        if state.is_full || len > self.most || range.end - range.start != len {
            return;
        }
        let at = state.make_room(len, self.most);
        // Under the lock, so that nobody reads what is half written.
        if self.file.write_all_at(bytes, at).is_err() {
            state.kept.clear();
            state.is_full = true;
            return;
        }
        state.kept.push_back(Kept { pack, range: range.clone(), at });
        state.next = at + len;
    }

    /// Reads a range of a pack into `out`, which is replaced; false when it is not kept.
    pub fn read(&self, pack: u32, range: &Range<u64>, out: &mut Vec<u8>) -> bool {
        let state = lock(&self.state);
        let holds = |kept: &&Kept| {
            kept.pack == pack && kept.range.start <= range.start && range.end <= kept.range.end
        };
        let Some(kept) = state.kept.iter().find(holds) else { return false };
        let at = kept.at + (range.start - kept.range.start);
        out.clear();
        out.resize(usize::try_from(range.end - range.start).unwrap_or(usize::MAX), 0);
        let is_read = self.file.read_exact_at(out, at).is_ok();
        if !is_read {
            out.clear();
        }
        is_read
    }
}

impl State {
    /// Where so many bytes go. What lies there is not kept any more.
    fn make_room(&mut self, len: u64, most: u64) -> u64 {
        let mut at = self.next;
        if at + len > most {
            // What lies behind is older than what comes at the beginning.
            while self.kept.front().is_some_and(|kept| kept.at >= at) {
                self.kept.pop_front();
            }
            at = 0;
        }
        while self.kept.front().is_some_and(|kept| (at..at + len).contains(&kept.at)) {
            self.kept.pop_front();
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(pack: u32, len: usize) -> Vec<u8> {
        crate::store::conformance::noise(pack.into(), len)
    }

    #[test]
    fn what_was_kept_is_read_in_whole_and_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::new(folder.path()).unwrap();
        spill.keep(1, &(100..1100), &bytes(1, 1000));
        spill.keep(2, &(0..50), &bytes(2, 50));
        let mut out = vec![7];
        assert!(spill.read(1, &(100..1100), &mut out) && out == bytes(1, 1000));
        assert!(spill.read(1, &(150..200), &mut out) && out == bytes(1, 1000)[50..100]);
        assert!(spill.read(2, &(0..50), &mut out) && out == bytes(2, 50));
        for (pack, range) in [(1, 99..200), (1, 1000..1101), (2, 40..60), (3, 0..1)] {
            assert!(!spill.read(pack, &range, &mut out), "{pack} {range:?}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it has no name");
    }

    #[test]
    fn what_was_kept_longest_makes_room_and_the_rest_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(folder.path()).unwrap();
        spill.most = 10_000;
        let len = |n: u32| 500 + (n as usize * 731) % 2500;
        for n in 0..200u32 {
            spill.keep(n, &(0..len(n) as u64), &bytes(n, len(n)));
            let mut total = 0;
            for old in (0..=n).rev() {
                let mut out = Vec::new();
                let is_there = spill.read(old, &(0..len(old) as u64), &mut out);
                if !is_there {
                    // All older ones are gone too.
                    assert!(old < n && total > 4000, "{n}: {old} {total}");
                    break;
                }
                assert!(out == bytes(old, len(old)), "{n}: {old}");
                total += out.len();
            }
        }
    }
}
