//! The rows of one run or snapshot, one leaf at a time.

use super::kept::{Kept, Taken, Versus};
use crate::pipeline::leaf_counts::LeafCounts;
use crate::pipeline::mark::Mark;
use crate::pipeline::marks::{Cursor, Marked, counts};
use crate::repository::{Error, Leaf, LeafReader, Leaves, Result, Session};
use esker_format::page::Entry;
use std::cmp::Ordering;
use std::collections::HashMap;

/// Leaves in order, and where in the first of them the walk is.
pub struct Stream {
    leaves: Leaves,
    reader: LeafReader,
    leaf: Option<Current>,
    /// Rows whose marks are no marks.
    bad: Vec<i64>,
    /// Whether the walk has met the entry that comes next.
    met: bool,
    over: bool,
}

struct Current {
    leaf: Leaf,
    counts: LeafCounts,
    /// Before the entry that comes next.
    cursor: Cursor,
    /// Entries before it.
    passed: u32,
    open: Option<Open>,
}

/// The content of a leaf.
struct Open {
    /// Its entries, as far as they were not taken out.
    entries: Vec<Option<Entry>>,
    /// What long content refers to, by the number of its entry.
    lists: HashMap<u32, Vec<u8>>,
}

impl Stream {
    pub const fn new(leaves: Leaves, reader: LeafReader) -> Self {
        Self { leaves, reader, leaf: None, bad: Vec::new(), met: false, over: false }
    }

    /// The entry that comes next; none behind the last.
    pub fn peek(&mut self) -> Option<Marked<'_>> {
        while !self.over && self.leaf.is_none() {
            let Some(leaf) = self.leaves.next_leaf() else {
                self.over = true;
                break;
            };
            let number = leaf.number;
            self.leaf = Current::new(leaf);
            if self.leaf.is_none() {
                self.bad.push(number);
            }
        }
        let current = self.leaf.as_ref()?;
        let mut cursor = current.cursor;
        cursor.next(&current.leaf.marks)
    }

    /// Whether no entry of the leaf was passed.
    pub fn is_at_start(&self) -> bool {
        self.leaf.as_ref().is_none_or(|current| current.passed == 0)
    }

    /// Whether the leaf is not whole any more.
    pub fn is_open(&self) -> bool {
        self.leaf.as_ref().is_some_and(|current| current.open.is_some())
    }

    /// Passes an unchanged entry of a leaf that is whole; returns the leaf behind its last entry.
    pub fn hold(&mut self) -> Option<Taken> {
        let current = self.leaf.as_mut()?;
        current.advance();
        if current.passed < current.counts.entries {
            return None;
        }
        let Current { leaf, counts, .. } = self.leaf.take()?;
        Some(Taken::Leaf(Box::new(leaf), counts))
    }

    /// Opens the leaf, unless it is open; returns the entries that were held.
    ///
    /// # Errors
    /// [`Error::FileTable`] when the table does not have the leaf any more.
    pub fn break_open(&mut self, session: &Session) -> Result<Vec<Taken>> {
        if self.is_open() {
            return Ok(Vec::new());
        }
        let held = self.leaf.as_ref().map_or(0, |current| current.passed);
        let marks = self.leaf.as_ref().map(Current::marks).unwrap_or_default();
        if !self.open(session) {
            return Err(Error::FileTable);
        }
        let Some(current) = &mut self.leaf else { return Ok(Vec::new()) };
        let mut kept = Vec::with_capacity(held as usize);
        for (number, mark) in (0..held).zip(marks) {
            let mut one = current.entry(number, mark).ok_or(Error::FileTable)?;
            one.versus = Versus::Same;
            kept.push(Taken::Entry(Box::new(one)));
        }
        Ok(kept)
    }

    /// The entry that comes next, of a leaf that is open.
    pub fn entry(&mut self, mark: Mark) -> Option<Box<Kept>> {
        let current = self.leaf.as_mut()?;
        let mut kept = current.entry(current.passed, mark)?;
        kept.versus = Versus::Same;
        Some(Box::new(kept))
    }

    /// Passes the entry that comes next, of a leaf that is not taken over as a whole.
    pub fn pass(&mut self, session: &Session) {
        self.met = false;
        let Some(current) = &mut self.leaf else { return };
        current.advance();
        if current.passed >= current.counts.entries {
            self.leave(session);
        }
    }

    /// Passes all before a key; returns how many of them the walk has not met.
    pub fn seek(&mut self, parent: &[u8], name: &[u8], session: &Session) -> u64 {
        let mut gone = 0;
        while self.peek().is_some_and(|marked| {
            (marked.parent, marked.name).cmp(&(parent, name)) == Ordering::Less
        }) {
            gone += u64::from(!self.met);
            self.pass(session);
        }
        gone
    }

    /// The entry with this key, when it comes next and can be had. It is not passed.
    pub fn matching(&mut self, parent: &[u8], name: &[u8], session: &Session) -> Option<Kept> {
        let marked = self.peek()?;
        if (marked.parent, marked.name) != (parent, name) {
            return None;
        }
        let mark = marked.mark;
        self.met = true;
        if !self.is_open() && !self.open(session) {
            return None;
        }
        let current = self.leaf.as_mut()?;
        let mut kept = current.copy(current.passed, mark)?;
        kept.versus = Versus::New;
        Some(kept)
    }

    /// Passes all that is left; returns how many of them the walk has not met.
    pub fn rest(&mut self, session: &Session) -> u64 {
        let mut left = 0;
        if std::mem::take(&mut self.met) {
            self.pass(session);
        }
        while self.peek().is_some() {
            if let Some(current) = &self.leaf {
                left += u64::from(current.counts.entries - current.passed);
            }
            self.leave(session);
        }
        let unreadable = self.leaves.take_unreadable();
        if let Some(journal) = session.journal() {
            unreadable.into_iter().chain(self.bad.drain(..)).for_each(|row| journal.supersede(row));
        }
        left
    }

    /// Leaves the leaf, whose row is no part of the new snapshot.
    fn leave(&mut self, session: &Session) {
        if let (Some(current), Some(journal)) = (self.leaf.take(), session.journal()) {
            journal.supersede(current.leaf.number);
        }
    }

    fn open(&mut self, session: &Session) -> bool {
        let Some(current) = &mut self.leaf else { return false };
        let opened = self.reader.open(&current.leaf, &session.access().scope_keys);
        let Some(opened) = opened.filter(|o| o.entries.len() == current.counts.entries as usize)
        else {
            return false;
        };
        let entries = opened.entries.into_iter().map(Some).collect();
        current.open = Some(Open { entries, lists: split(&opened.lists) });
        true
    }
}

impl Current {
    /// None when the marks are not such marks.
    fn new(leaf: Leaf) -> Option<Self> {
        let (counts, at) = counts(&leaf.marks)?;
        if u64::from(counts.entries) != leaf.reference.entries {
            return None;
        }
        Some(Self { leaf, counts, cursor: Cursor::new(at), passed: 0, open: None })
    }

    fn advance(&mut self) {
        let _ = self.cursor.next(&self.leaf.marks);
        self.passed += 1;
    }

    /// The marks from the beginning on.
    fn marks(&self) -> Vec<Mark> {
        let Some((_, at)) = counts(&self.leaf.marks) else { return Vec::new() };
        let mut cursor = Cursor::new(at);
        let mut marks = Vec::with_capacity(self.passed as usize);
        while marks.len() < self.passed as usize
            && let Some(marked) = cursor.next(&self.leaf.marks)
        {
            marks.push(marked.mark);
        }
        marks
    }

    fn entry(&mut self, number: u32, mark: Mark) -> Option<Kept> {
        let Open { entries, lists } = self.open.as_mut()?;
        let entry = entries.get_mut(number as usize)?.take()?;
        let refs = lists.remove(&number).unwrap_or_default();
        Some(Kept { entry, mark, refs, versus: Versus::Unknown })
    }

    /// The same for an entry that may be asked for again.
    fn copy(&mut self, number: u32, mark: Mark) -> Option<Kept> {
        let Open { entries, lists } = self.open.as_ref()?;
        let entry = entries.get(number as usize)?.clone()?;
        let refs = lists.get(&number).cloned().unwrap_or_default();
        Some(Kept { entry, mark, refs, versus: Versus::Unknown })
    }
}

/// Takes apart what `join` put together.
pub fn split(mut bytes: &[u8]) -> HashMap<u32, Vec<u8>> {
    let mut lists = HashMap::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
        let number = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let Some((refs, rest)) = rest.split_at_checked(len) else { break };
        lists.insert(number, refs.to_vec());
        bytes = rest;
    }
    lists
}

/// What long content refers to, with the number of its entry in the leaf.
pub fn join(lists: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, refs) in lists {
        out.extend(number.to_le_bytes());
        out.extend((refs.len() as u32).to_le_bytes());
        out.extend(refs);
    }
    out
}
