//! What a sync is going to do.

use super::compare::compare;
use super::error::Error;
use super::list::{Strange, There, each};
use super::object::Object;
use super::{Bad, log};
use crate::store::Store;
use esker_format::ids::RepositoryId;
use esker_format::names;
use std::collections::HashSet;

/// What is to be copied.
#[derive(Debug)]
pub struct Plan {
    /// The repository.
    pub repository: RepositoryId,
    /// The number behind the last entry that the copy can show.
    pub from: u64,
    /// The number behind the last entry of the source: so far the copy will go.
    pub to: u64,
    /// Objects that the copy lacks, log entries aside.
    pub objects: u64,
    /// Bytes that it lacks, log entries included.
    pub bytes: u64,
    /// Objects that have another size in the copy: one of the two is damaged.
    pub differing: Vec<Bad>,
    /// Key slots of the copy that the source does not have any more.
    pub old_slots: Vec<String>,
    /// What is at the source and no object.
    pub strange: Strange,
    /// Whether the place is new.
    pub is_new: bool,
    pub(super) there: There,
    pub(super) todo: Vec<(Object, u64)>,
}

/// Plans a sync: lists the copy and the source once each, and reads the log's end.
///
/// # Errors
/// When the destination is something else than a copy of this repository, or has what the source has
/// not, or a store fails.
pub fn plan(source: &dyn Store, destination: &dyn Store) -> Result<Plan, Error> {
    let there = There::read(destination)?;
    let (repository, from) = compare(source, destination, &there)?;
    // Before the listing: everything that an entry needs was put before it.
    let to = log::find_end(source, from)?;
    let is_new = !there.is_marked;
    let mut plan = Plan {
        repository,
        from,
        to,
        objects: 0,
        bytes: 0,
        differing: Vec::new(),
        old_slots: Vec::new(),
        strange: Strange::default(),
        is_new,
        there,
        todo: Vec::new(),
    };
    plan.find_lacking(source)?;
    plan.objects = plan.todo.len() as u64;
    Ok(plan)
}

impl Plan {
    /// Lists the source for what the copy lacks.
    fn find_lacking(&mut self, source: &dyn Store) -> Result<(), Error> {
        self.bytes = 0;
        self.differing.clear();
        self.strange = Strange::default();
        let Self { there, todo, differing, strange, bytes, from, to, .. } = self;
        let mut slots = HashSet::new();
        let mut lacking = |object: Object, size: u64| {
            match object {
                Object::Entry(seq) => {
                    // Entries behind the end are nobody's, and each of the others has its turn.
                    *bytes += if (*from..*to).contains(&seq.0) { size } else { 0 };
                    return;
                }
                // One of an entry that the copy will not have yet.
                Object::Checkpoint(seq, _) if seq.0 >= *to => return,
                Object::Slot(id) => drop(slots.insert(id)),
                _ => {}
            }
            match there.size(object) {
                None => {
                    *bytes += size;
                    todo.push((object, size));
                }
                Some(other) if other != size => {
                    let why = format!("has {other} bytes in the copy and {size} here");
                    differing.push(Bad { name: object.name(), why });
                }
                Some(_) => {}
            }
        };
        each(source, &mut lacking, strange)?;
        todo.sort_unstable();
        let old = there.slots().filter(|id| !slots.contains(id));
        self.old_slots = old.map(names::slot).collect();
        Ok(())
    }

    /// Goes on to a later end of the log: what was copied is there, and what is lacking is found anew.
    pub(super) fn go_on_to(
        &mut self,
        source: &dyn Store,
        end: u64,
        undone: &HashSet<Object>,
    ) -> Result<(), Error> {
        self.to = end;
        let done = std::mem::take(&mut self.todo).into_iter();
        self.there
            .add(done.filter(|(object, _)| !object.is_checkpoint() && !undone.contains(object)));
        self.find_lacking(source)
    }
}
