//! Which packs go, and which are written anew. Pure: facts in, choices out.

use std::collections::BTreeMap;

/// A pack is repacked when so much of it is not used, in percent: to free a byte then costs reading
/// four and writing three at most.
const POOR_PERCENT: u64 = 25;
/// A pack below this is a tail of some run: many of them are merged.
const SMALL: u64 = 4 << 20;
/// So many small packs of about one size are merged: each byte is then written anew once for each
/// factor of four that its pack grows.
const MERGE: usize = 8;

/// What is known of a pack that is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// Its ordinal.
    pub ordinal: u32,
    /// Its length in bytes.
    pub len: u64,
    /// Whose keys seal it.
    pub scope: u32,
    /// Bytes that its chunks take, without what surrounds them.
    pub total: u64,
    /// Bytes that those in use take, about; none where nobody could look.
    pub used: Option<u64>,
    /// Bytes that a segment needs to describe it.
    pub described: u64,
    /// Whether a live snapshot has it in its set.
    pub in_set: bool,
    /// Whether somebody relies on it who is not to be disturbed: an open session, or a snapshot that
    /// could not be walked.
    pub is_pinned: bool,
    /// Whether it can be read and written anew here.
    pub is_readable: bool,
}

impl Fact {
    /// Bytes of the pack that hold nothing in use, about.
    pub fn unused(&self) -> u64 {
        self.total.saturating_sub(self.kept())
    }

    /// Bytes that the chunks in use take, about.
    pub fn kept(&self) -> u64 {
        self.used.unwrap_or(self.len)
    }
}

/// What is done with packs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// They go as they are.
    pub whole: Vec<u32>,
    /// What of them is in use is written anew, and then they go. Those that free most come first.
    pub repack: Vec<Fact>,
    /// Packs that would be repacked if the limit let them.
    pub over_limit: Vec<Fact>,
}

/// Chooses. `max_repack` limits the bytes of packs that are read.
pub fn choose(facts: &[Fact], max_repack: Option<u64>) -> Choice {
    let mut choice = Choice::default();
    let (mut poor, mut small) = (Vec::new(), BTreeMap::<(u32, u32), Vec<Fact>>::new());
    for fact in facts.iter().filter(|fact| !fact.is_pinned) {
        let is_unused = fact.used.map_or(!fact.in_set, |used| used == 0);
        if is_unused {
            choice.whole.push(fact.ordinal);
        } else if !fact.is_readable || fact.used.is_none() {
            continue;
        } else if fact.unused() * 100 >= fact.total * POOR_PERCENT {
            poor.push(*fact);
        } else if fact.len < SMALL {
            small.entry((fact.scope, fact.len.max(1).ilog(4))).or_default().push(*fact);
        }
    }
    poor.sort_by_key(|fact| (fact.kept() * 1000 / fact.len.max(1), fact.ordinal));
    let merged = small.into_values().filter(|alike| alike.len() >= MERGE).flatten();
    let mut left = max_repack.unwrap_or(u64::MAX);
    for fact in poor.into_iter().chain(merged) {
        match left.checked_sub(fact.len) {
            Some(rest) => {
                left = rest;
                choice.repack.push(fact);
            }
            None => choice.over_limit.push(fact),
        }
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: Fact = Fact {
        ordinal: 0,
        len: 16 << 20,
        scope: 0,
        total: 16 << 20,
        used: Some(16 << 20),
        described: 0,
        in_set: true,
        is_pinned: false,
        is_readable: true,
    };

    fn of(ordinal: u32, change: impl Fn(&mut Fact)) -> Fact {
        let mut fact = Fact { ordinal, ..LARGE };
        change(&mut fact);
        fact
    }

    #[test]
    fn what_nobody_uses_goes_whole_and_what_somebody_pins_stays() {
        let facts = [
            of(0, |_| ()),
            of(1, |f| f.used = Some(0)),
            of(2, |f| (f.used, f.is_pinned) = (Some(0), true)),
            of(3, |f| (f.used, f.in_set) = (None, false)),
            of(4, |f| f.used = None),
        ];
        let choice = choose(&facts, None);
        assert_eq!((choice.whole, choice.repack), (vec![1, 3], vec![]));
    }

    #[test]
    fn poorly_used_packs_are_repacked_worst_first_and_within_the_limit() {
        let used = |percent: u64| Some((16 << 20) * percent / 100);
        let facts = [
            of(0, |f| f.used = used(76)),
            of(1, |f| f.used = used(70)),
            of(2, |f| f.used = used(10)),
            of(3, |f| (f.used, f.is_readable) = (used(10), false)),
        ];
        let ordinals = |facts: Vec<Fact>| facts.iter().map(|f| f.ordinal).collect::<Vec<_>>();
        assert_eq!(ordinals(choose(&facts, None).repack), [2, 1]);
        let limited = choose(&facts, Some(16 << 20));
        assert_eq!((ordinals(limited.repack), ordinals(limited.over_limit)), (vec![2], vec![1]));
        assert_eq!(choose(&facts, Some(0)).repack, []);
    }

    #[test]
    fn small_packs_of_one_size_and_scope_are_merged_when_there_are_many() {
        let small = |n: u32, scope| of(n, |f| (f.len, f.scope) = (100_000 + u64::from(n), scope));
        let few: Vec<Fact> = (0..7).map(|n| small(n, 0)).collect();
        assert_eq!(choose(&few, None), Choice::default());
        let others = (7..14).map(|n| small(n, 1));
        let both: Vec<Fact> = few.iter().copied().chain(others).collect();
        assert_eq!(choose(&both, None), Choice::default());
        let many: Vec<Fact> = (0..8).map(|n| small(n, 0)).collect();
        assert_eq!(choose(&many, None).repack, many);
        // The pack that they make together is of another size, and is left alone.
        let after = [of(9, |f| f.len = 800_028), small(10, 0)];
        assert_eq!(choose(&after, None), Choice::default());
    }
}
