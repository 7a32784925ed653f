//! Sets of pack ordinals, as runs. A pack's ordinal is the order of its first appearance in the log.

use crate::cbor::{Cbor, Reader, Writer};
use crate::error::{FormatError, Result, malformed};

/// A set of ordinals.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
