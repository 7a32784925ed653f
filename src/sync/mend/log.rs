//! The log: which entries are damaged or lost, and which of a source fit in their places.

use super::first::{Cure, First};
use super::{Mending, read};
use crate::sync::error::Error;
use crate::sync::object::Object;
use esker_format::envelope::TAG_PREVIOUS;
use esker_format::ids::{EntryHash, LogHead, Named, Seq};
use esker_format::signed;
use std::collections::BTreeMap;

/// An entry so far behind the others is nobody's: who may put objects can put one with any number.
const FAR: u64 = 1000;

/// What the entry of a number is, as far as the chain of the log is concerned.
struct Link {
    hash: EntryHash,
    /// The head of the log before it, as it says.
    previous: Option<LogHead>,
}

/// An entry that is not as it should be, and the copy of it that a source has.
struct Gone {
    seq: u64,
    why: String,
    copy: Option<(usize, Vec<u8>)>,
}

impl Mending {
    pub(super) fn look_at_log(&self, first: &mut First) -> Result<(), Error> {
        let end = self.end();
        let mut links: BTreeMap<u64, Link> = BTreeMap::new();
        let mut gone = Vec::new();
        for seq in 0..end {
            let object = Object::Entry(Seq(seq));
            match read(&*self.here, object, self.repository)? {
                Ok(bytes) => drop(links.insert(seq, link(&bytes))),
                Err(why) => gone.push(Gone { seq, why, copy: self.take(object)? }),
            }
        }
        for one in &gone {
            if let Some((_, bytes)) = &one.copy {
                links.insert(one.seq, link(bytes));
            }
        }
        let fits = |seq| fits(&links, seq);
        let tail = self.tail(end, &links)?;
        // From the newest downwards: the gap is closed only when everything above it is there. What the end lost comes
        // upwards, as it was appended: who appends meanwhile goes on from what is there.
        for Gone { seq, why, copy } in gone.into_iter().rev().chain(tail) {
            let object = Object::Entry(Seq(seq));
            match copy {
                Some((source, bytes)) if seq >= end || fits(seq) => {
                    first.add(object, &why, Cure::From(source), Some(bytes));
                }
                Some((source, _)) => {
                    let place = self.location(source);
                    let help = format!("that of {place} does not fit the entries behind it");
                    first.add(object, &why, Cure::None(help), None);
                }
                None => self.without_copy(object, seq, end, &why, first),
            }
        }
        Ok(())
    }

    /// The number behind the last entry, damaged or not.
    fn end(&self) -> u64 {
        let mut end = 0_u64;
        for seq in self.there.entries() {
            if seq >= end.saturating_add(FAR) {
                break;
            }
            end = seq + 1;
        }
        end
    }

    /// What of the end of the log a copy still has: the repository has lost it, and nobody has appended since. A
    /// copy that is behind its repository is brought up to date by a sync, which brings what entries need first.
    fn tail(&self, end: u64, links: &BTreeMap<u64, Link>) -> Result<Vec<Gone>, Error> {
        let mut tail = Vec::new();
        // Where anything stands behind the end, nobody knows what it continues.
        let has_more = self.there.entries().any(|seq| seq >= end);
        if self.there.is_marked || has_more || links.len() as u64 != end {
            return Ok(tail);
        }
        let longest = self.sources.iter().enumerate().filter(|(_, s)| s.there.is_marked);
        let Some((number, source)) = longest.max_by_key(|(_, source)| source.there.end()) else {
            return Ok(tail);
        };
        let mut head = chain(links, end);
        for seq in end..source.there.end() {
            let Ok(bytes) = read(&*source.store, Object::Entry(Seq(seq)), self.repository)? else {
                break;
            };
            let link = link(&bytes);
            // Void entries can name anything; the first one has to go on from here.
            if seq == end && link.previous.is_none_or(|previous| Some(previous) != head) {
                break;
            }
            head = head.map(|head| head.then(link.hash));
            let why = "is missing: the log ends before it".to_owned();
            tail.push(Gone { seq, why, copy: Some((number, bytes)) });
        }
        Ok(tail)
    }

    /// What can be done about an entry that nobody has.
    fn without_copy(&self, object: Object, seq: u64, end: u64, why: &str, first: &mut First) {
        if seq + 1 < end {
            first.holes.push(Seq(seq));
            let help = "no copy at hand has it: name one that does with --from. Whoever reads the log anew needs a \
                        checkpoint that leads past it";
            return first.add(object, why, Cure::None(help.to_owned()), None);
        }
        if self.request.cut_log && !self.there.is_marked {
            return first.add(object, why, Cure::Remove, None);
        }
        let help = "it is the last one, and nothing can be appended as long as it is there: name a copy that has it with \
                    --from, or remove it with --cut-log. What it said is lost then: a snapshot, say, which the next \
                    `esker snapshot` saves again from what is on disk";
        first.add(object, why, Cure::None(help.to_owned()), None);
    }
}

fn link(bytes: &[u8]) -> Link {
    let header = signed::read_header(bytes, bytes.len()).ok();
    let previous = header.and_then(|(header, _)| {
        let value = header.tlv(TAG_PREVIOUS).ok()?;
        Some(LogHead::new(value.try_into().ok()?))
    });
    Link { hash: EntryHash::of(bytes), previous }
}

/// The head of the log before an entry; none when one before it is not there.
fn chain(links: &BTreeMap<u64, Link>, end: u64) -> Option<LogHead> {
    let mut head = LogHead::START;
    for seq in 0..end {
        head = head.then(links.get(&seq)?.hash);
    }
    Some(head)
}

/// Whether those behind an entry say that it is the right one: somebody names just the log up to it as it is put
/// together here, or nobody says anything. Void entries can name anything, so one that fits is enough.
fn fits(links: &BTreeMap<u64, Link>, seq: u64) -> bool {
    let mut first = seq;
    while first > 0 && links.contains_key(&(first - 1)) {
        first -= 1;
    }
    // Behind a gap nobody knows what the log before it was, but the first entry says so.
    let start = links.get(&first).and_then(|link| link.previous);
    let start = if first == 0 { Some(LogHead::START) } else { start };
    let Some(mut head) = start else { return false };
    let mut is_last = true;
    for (at, link) in (first..).zip(links.range(first..)) {
        let (number, link) = (link.0, link.1);
        if at != *number {
            break;
        }
        if at > seq {
            if link.previous == Some(head) {
                return true;
            }
            is_last = false;
        }
        head = head.then(link.hash);
    }
    is_last
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Links of a log; those of `foreign` name another log than the one before them.
    fn links(count: u8, foreign: &[u8]) -> BTreeMap<u64, Link> {
        let mut head = LogHead::START;
        let link = |n: u8| {
            let hash = EntryHash::of(&[n]);
            let previous = if foreign.contains(&n) { LogHead::new([n; 32]) } else { head };
            head = head.then(hash);
            (u64::from(n), Link { hash, previous: Some(previous) })
        };
        (0..count).map(link).collect()
    }

    #[test]
    fn an_entry_fits_when_one_behind_it_names_the_log_with_it() {
        let mut links = links(6, &[4]);
        assert!((0..6).all(|seq| fits(&links, seq)));
        // Another one in the place of the third: those behind it saw another log.
        links.insert(3, Link { hash: EntryHash::of(b"other"), previous: links[&3].previous });
        assert_eq!(
            (0..6).map(|seq| fits(&links, seq)).collect::<Vec<_>>(),
            [true, true, true, false, false, true]
        );
    }

    #[test]
    fn behind_a_gap_an_entry_fits_by_what_the_others_there_say() {
        let mut links = links(8, &[]);
        links.remove(&2);
        assert!((0..8).filter(|seq| *seq != 2).all(|seq| fits(&links, seq)));
        links.insert(5, Link { hash: EntryHash::of(b"other"), previous: links[&5].previous });
        assert!(!fits(&links, 5) && fits(&links, 1));
    }
}
