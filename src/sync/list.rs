//! What a store has, by name.

use super::error::Error;
use super::object::Object;
use crate::store::Store;
use esker_format::ids::{Seq, SessionId};
use esker_format::names;

/// So many names that no rule knows are told; there may be more.
const STRANGE: usize = 100;

/// Objects whose names no rule of the format knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strange {
    /// How many there are.
    pub count: u64,
    /// The first ones.
    pub names: Vec<String>,
}

impl Strange {
    fn add(&mut self, name: String) {
        self.count += 1;
        if self.names.len() < STRANGE {
            self.names.push(name);
        }
    }
}

/// Finds all objects of a store, and what is there besides.
pub fn each(
    store: &dyn Store,
    found: &mut dyn FnMut(Object, u64),
    strange: &mut Strange,
) -> Result<(), Error> {
    store.list("", &mut |listed| match Object::of_name(&listed.name) {
        Some(object) => found(object, listed.size),
        None if listed.name == names::MIRROR || listed.name.starts_with(names::PROBES) => {}
        None => strange.add(listed.name),
    })?;
    Ok(())
}

/// What a copy has: 56 bytes for each object.
#[derive(Debug, Default)]
pub struct There {
    /// Whether the place is marked as a copy.
    pub is_marked: bool,
    /// Objects with their sizes, in order.
    objects: Vec<(Object, u64)>,
    /// A name that is none of ours.
    strange: Strange,
}

impl There {
    /// Lists a copy.
    pub fn read(store: &dyn Store) -> Result<Self, Error> {
        let mut there = Self::default();
        let Self { is_marked, objects, strange } = &mut there;
        store.list("", &mut |listed| match Object::of_name(&listed.name) {
            Some(object) => objects.push((object, listed.size)),
            None if listed.name == names::MIRROR => *is_marked = true,
            None if listed.name.starts_with(names::PROBES) => {}
            None => strange.add(listed.name),
        })?;
        objects.sort_unstable();
        Ok(there)
    }

    /// The name of something that is there, if anything is.
    pub fn anything(&self) -> Option<String> {
        let first = self.objects.first().map(|(object, _)| object.name());
        first.or_else(|| self.strange.names.first().cloned())
    }

    /// Objects that tell of which repository they are, those first that are to be believed most. A few of each kind,
    /// where there are many.
    pub fn telling(&self) -> Vec<Object> {
        const OF_A_KIND: usize = 16;
        let of = |is: fn(&Object) -> bool| {
            self.objects.iter().map(|(object, _)| *object).filter(is).take(OF_A_KIND)
        };
        let first =
            of(|o| matches!(o, Object::Config)).chain(of(|o| matches!(o, Object::Entry(_))));
        let others = of(|o| matches!(o, Object::Manifest(_) | Object::Segment(_)));
        first.chain(of(Object::is_checkpoint)).chain(others).collect()
    }

    /// Whether another place has an object with the same hash in its name.
    pub fn shares_a_hash(&self, other: &Self) -> bool {
        let is_hash =
            |o: &Object| !matches!(o, Object::Config | Object::Slot(_) | Object::Entry(_));
        let mut hashes = self.objects.iter().map(|(object, _)| *object).filter(is_hash);
        hashes.any(|object| other.size(object).is_some())
    }

    /// The size of an object, if it is there.
    pub fn size(&self, object: Object) -> Option<u64> {
        let at = self.objects.binary_search_by(|(other, _)| other.cmp(&object)).ok()?;
        Some(self.objects[at].1)
    }

    /// Adds what was put since.
    pub fn add(&mut self, more: impl IntoIterator<Item = (Object, u64)>) {
        self.objects.extend(more);
        self.objects.sort_unstable();
        self.objects.dedup_by_key(|(object, _)| *object);
    }

    /// The numbers of its log entries, ascending.
    pub fn entries(&self) -> impl Iterator<Item = u64> {
        let first = self.objects.partition_point(|(object, _)| *object < Object::Entry(Seq(0)));
        self.objects[first..].iter().filter_map(|(object, _)| match object {
            Object::Entry(seq) => Some(seq.0),
            _ => None,
        })
    }

    /// The number behind the last entry that can be read: the first one that is not there.
    pub fn end(&self) -> u64 {
        let in_order = (0..).zip(self.entries()).take_while(|(n, seq)| n == seq);
        in_order.count() as u64
    }

    /// Checkpoints of entries from this number on.
    pub fn checkpoints_from(&self, end: u64) -> impl Iterator<Item = Object> {
        let all = self.objects.iter().map(|(object, _)| *object);
        all.filter(move |object| matches!(object, Object::Checkpoint(seq, _) if seq.0 >= end))
    }

    /// Its key slots.
    pub fn slots(&self) -> impl Iterator<Item = SessionId> {
        self.objects.iter().filter_map(|(object, _)| match object {
            Object::Slot(id) => Some(*id),
            _ => None,
        })
    }
}
