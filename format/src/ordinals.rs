//! Sets of pack ordinals, as runs. A pack's ordinal is the order of its first appearance in the log.

use crate::cbor::{Cbor, Reader, Writer};
use crate::error::{FormatError, Result, malformed};

/// A set of ordinals.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Ordinals {
    /// First ordinal and count of each run; ascending, never touching.
    runs: Vec<(u32, u32)>,
}

impl Ordinals {
    /// The runs: first ordinal and count.
    pub fn runs(&self) -> &[(u32, u32)] {
        &self.runs
    }
    /// All ordinals, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.runs.iter().flat_map(|(first, count)| *first..=first + (count - 1))
    }
    /// The largest ordinal. A few bytes can stand for four thousand million ordinals, so whoever
    /// reads a set compares this with the number of packs before going through it.
    pub fn last(&self) -> Option<u32> {
        self.runs.last().map(|(first, count)| first + (count - 1))
    }
    /// Whether `ordinal` is in the set.
    pub fn contains(&self, ordinal: u32) -> bool {
        let at = self.runs.partition_point(|(first, _)| *first <= ordinal);
        at > 0 && ordinal - self.runs[at - 1].0 < self.runs[at - 1].1
    }
    /// Whether the two have a member in common.
    pub fn meets(&self, other: &Self) -> bool {
        let end = |(first, count): (u32, u32)| u64::from(first) + u64::from(count);
        let (mut mine, mut theirs) = (self.runs.iter().peekable(), other.runs.iter().peekable());
        while let (Some(a), Some(b)) = (mine.peek(), theirs.peek()) {
            if end(**a) <= u64::from(b.0) {
                mine.next();
            } else if end(**b) <= u64::from(a.0) {
                theirs.next();
            } else {
                return true;
            }
        }
        false
    }
    /// The members that both have, ascending.
    pub fn common<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = u32> + 's {
        let range = |(first, count): &(u32, u32)| *first..=first + (count - 1);
        let mut theirs = other.runs.as_slice();
        self.runs.iter().map(range).flat_map(move |mine| {
            while let Some((run, rest)) = theirs.split_first()
                && range(run).end() < mine.start()
            {
                theirs = rest;
            }
            let end = *mine.end();
            let near = theirs.iter().map(range).take_while(move |run| *run.start() <= end);
            near.flat_map(move |run| *mine.start().max(run.start())..=*mine.end().min(run.end()))
        })
    }
    /// Whether all members are in `other` too.
    pub fn is_within(&self, other: &Self) -> bool {
        self.runs.iter().all(|(first, count)| {
            let at = other.runs.partition_point(|(start, _)| start <= first);
            at > 0 && {
                let (start, len) = other.runs[at - 1];
                u64::from(*first) + u64::from(*count) <= u64::from(start) + u64::from(len)
            }
        })
    }
    /// How many members it has.
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|(_, count)| u64::from(*count)).sum()
    }
    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

impl FromIterator<u32> for Ordinals {
    fn from_iter<I: IntoIterator<Item = u32>>(iter: I) -> Self {
        let mut all: Vec<u32> = iter.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for ordinal in all {
            match runs.last_mut() {
                Some((first, count)) if ordinal - *first == *count => *count += 1,
                _ => runs.push((ordinal, 1)),
            }
        }
        Self { runs }
    }
}

/// Written as a flat list: gap before the run, count, gap, count, …
impl Cbor for Ordinals {
    fn put(&self, w: &mut Writer) {
        w.array(self.runs.len() * 2);
        let mut end = 0;
        for (first, count) in &self.runs {
            w.u64(u64::from(*first) - end);
            w.u64((*count).into());
            end = u64::from(*first) + u64::from(*count);
        }
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        let what = "pack set";
        let len = r.array(what)?;
        if len % 2 != 0 {
            return Err(FormatError::Length { what });
        }
        let (mut runs, mut end) = (Vec::new(), 0u64);
        for run in 0..len / 2 {
            let (gap, count) = (u32::get(r)?, u32::get(r)?);
            if count == 0 || (gap == 0 && run > 0) {
                return Err(FormatError::NotCanonical { what });
            }
            let first = end + u64::from(gap);
            end = first + u64::from(count);
            if end > 1 << 32 {
                return Err(malformed(what, "beyond 32 bits"));
            }
            runs.push((first as u32, count));
        }
        Ok(Self { runs })
    }
    fn absent() -> Option<Self> {
        Some(Self::default())
    }
    fn is_absent(&self) -> bool {
        self.runs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor::{decode, encode};

    #[test]
    fn sets_meet_and_lie_within_each_other_as_their_members_say() {
        // Every pair of sets of six ordinals.
        let set = |bits: u32| (0..6).filter(|n| bits >> n & 1 == 1).collect::<Ordinals>();
        for (a, b) in (0..64).flat_map(|a| (0..64).map(move |b| (a, b))) {
            assert_eq!(set(a).meets(&set(b)), a & b != 0, "{a:b} {b:b}");
            assert_eq!(set(a).is_within(&set(b)), a & b == a, "{a:b} {b:b}");
            assert_eq!(set(a).common(&set(b)).collect::<Ordinals>(), set(a & b), "{a:b} {b:b}");
            assert_eq!(set(a).len(), u64::from(a.count_ones()));
        }
    }

    #[test]
    fn a_set_has_one_form_and_comes_back() {
        for list in [
            vec![],
            vec![0],
            vec![5, 3, 4, 9, 9],
            vec![0, u32::MAX - 1],
            vec![u32::MAX - 1, u32::MAX],
        ] {
            let set: Ordinals = list.iter().copied().collect();
            assert_eq!(decode::<Ordinals>("set", &encode(&set), 100).unwrap(), set);
            assert!(list.iter().all(|o| set.contains(*o)));
            assert!(!set.contains(7));
            let mut sorted = list.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(set.iter().collect::<Vec<_>>(), sorted);
        }
    }
}
