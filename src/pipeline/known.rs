//! The walk beside the file table: what did not change is taken over, and nothing is asked of the
//! system for it.
//!
//! As long as all entries of a leaf follow each other unchanged they are only counted, and the leaf
//! is taken over as a whole. The first difference opens it, and its entries are taken over one by
//! one. Where rows are not certain (their run was killed, or a pack of their snapshot is gone), no
//! leaf is taken as a whole, and an entry only if every chunk that it refers to is found.

mod kept;
mod stream;

pub use kept::{Kept, Looked, Taken, Versus};

use crate::pipeline::mark::Rules;
use crate::repository::{LeafReader, Leaves, Lookup, Result, Session};
use crate::source::{Listed, Stat, Volume};
use esker_format::path::MapKey;
use kept::resolves;
use std::cmp::Ordering;
use stream::Stream;
pub use stream::{join, split};

/// What was known before, in step with a walk.
pub struct Known<'s> {
    session: &'s Session,
    lookup: Lookup,
    rules: Rules,
    /// The rows of the snapshot that this run builds on.
    base: Option<Stream>,
    /// Whether what the base refers to is known to be there.
    is_certain: bool,
    /// Rows of runs that were killed, newest first.
    dead: Vec<Stream>,
    /// Entries of the base that are not there any more.
    gone: u64,
}

/// What has to go to the collector before anything else.
pub type Before = Vec<Taken>;

impl<'s> Known<'s> {
    /// Rows of a base, those of dead runs, and whether the base is certain.
    pub fn new(
        session: &'s Session,
        lookup: Lookup,
        rules: Rules,
        base: Option<(Leaves, LeafReader)>,
        is_certain: bool,
        dead: Vec<(Leaves, LeafReader)>,
    ) -> Self {
        let stream = |(leaves, reader)| Stream::new(leaves, reader);
        let base = base.map(stream);
        let dead: Vec<Stream> = dead.into_iter().map(stream).collect();
        let known = Self { session, lookup, rules, base, is_certain, dead, gone: 0 };
        if !known.takes_leaves()
            && let Some(journal) = session.journal()
        {
            journal.supersede_all();
        }
        known
    }

    fn takes_leaves(&self) -> bool {
        self.is_certain && self.dead.is_empty()
    }

    /// Looks an entry up. What goes before it is added to `before`.
    ///
    /// # Errors
    /// When the index or the store fails, or the table does not have what it had before.
    pub fn look(&mut self, parent: &[u8], listed: &Listed, before: &mut Before) -> Result<Looked> {
        let name = listed.name.to_bytes();
        let stat = listed.stat.as_ref().ok().filter(|_| !listed.is_closed);
        if self.takes_leaves() {
            self.look_in_base(parent, name, listed, stat, before)
        } else {
            self.look_everywhere(parent, name, listed.volume, stat)
        }
    }

    fn look_in_base(
        &mut self,
        parent: &[u8],
        name: &[u8],
        listed: &Listed,
        stat: Option<&Stat>,
        before: &mut Before,
    ) -> Result<Looked> {
        let Some(base) = &mut self.base else { return Ok(Looked::Save(Versus::Unknown)) };
        loop {
            let Some(marked) = base.peek() else { return Ok(Looked::Save(Versus::New)) };
            match (marked.parent, marked.name).cmp(&(parent, name)) {
                Ordering::Less => {
                    self.gone += 1;
                    before.extend(base.break_open(self.session)?);
                    base.pass(self.session);
                }
                Ordering::Greater => {
                    if !base.is_at_start() {
                        before.extend(base.break_open(self.session)?);
                    }
                    return Ok(Looked::Save(Versus::New));
                }
                Ordering::Equal => {
                    let mark = marked.mark;
                    let same =
                        stat.is_some_and(|stat| mark.is_unchanged(stat, listed.volume, self.rules));
                    if same && !base.is_open() {
                        before.extend(base.hold());
                        return Ok(Looked::Held);
                    }
                    before.extend(base.break_open(self.session)?);
                    let kept = base.entry(mark).ok_or(crate::repository::Error::FileTable)?;
                    base.pass(self.session);
                    return Ok(if same { Looked::Kept(kept) } else { kept.into_old() });
                }
            }
        }
    }

    fn look_everywhere(
        &mut self,
        parent: &[u8],
        name: &[u8],
        volume: Volume,
        stat: Option<&Stat>,
    ) -> Result<Looked> {
        let mut versus = Versus::Unknown;
        if let Some(base) = &mut self.base {
            self.gone += base.seek(parent, name, self.session);
            versus = match base.matching(parent, name, self.session) {
                Some(kept) => Versus::Old(Box::new(kept.entry.node)),
                None => Versus::New,
            };
        }
        let Some(stat) = stat else { return Ok(Looked::Save(versus)) };
        let dead = self.dead.len();
        for (at, stream) in self.dead.iter_mut().chain(self.base.as_mut()).enumerate() {
            stream.seek(parent, name, self.session);
            let Some(mut kept) = stream.matching(parent, name, self.session) else { continue };
            // The base is the last one; what it refers to may be certain.
            let certain = self.is_certain && at == dead;
            if kept.mark.is_unchanged(stat, volume, self.rules)
                && (certain || resolves(&kept, self.session, &mut self.lookup)?)
            {
                kept.versus = match versus {
                    Versus::Old(old) if *old == kept.entry.node => Versus::Same,
                    other => other,
                };
                return Ok(Looked::Kept(Box::new(kept)));
            }
        }
        Ok(Looked::Save(versus))
    }

    /// How an entry compares with the base, whatever the file system would say of it. Asked for in
    /// ascending order, and not together with [`Known::look`].
    pub fn compare(&mut self, key: &MapKey) -> Versus {
        let Some(base) = &mut self.base else { return Versus::Unknown };
        self.gone += base.seek(&key.parent, &key.name, self.session);
        match base.matching(&key.parent, &key.name, self.session) {
            Some(kept) => Versus::Old(Box::new(kept.entry.node)),
            None => Versus::New,
        }
    }

    /// The same where the file system says something that an unchanged entry says again.
    ///
    /// # Errors
    /// As [`Known::look`].
    pub fn look_at(&mut self, key: &MapKey, stat: &Stat) -> Result<Looked> {
        self.look_everywhere(&key.parent, &key.name, Volume::root(), Some(stat))
    }

    /// What is left behind the last entry of the walk; returns how many entries of the base are
    /// gone in all.
    ///
    /// # Errors
    /// When the table does not have what it had before.
    pub fn finish(&mut self, before: &mut Before) -> Result<u64> {
        if let Some(base) = &mut self.base {
            if self.is_certain && self.dead.is_empty() && !base.is_at_start() {
                before.extend(base.break_open(self.session)?);
            }
            self.gone += base.rest(self.session);
        }
        Ok(self.gone)
    }
}
