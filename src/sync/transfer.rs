//! Copying objects, several at a time: read, checked, put.

use super::check::check;
use super::error::Error;
use super::object::Object;
use super::plan::Plan;
use super::{Bad, Progress, Report, Request};
use crate::store::{Durability, Put, Store, StoreErrorKind};
use esker_format::ids::RepositoryId;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes of objects in memory at the same time, about four packs. One that is larger goes alone.
const BUDGET: u64 = 64 << 20;

/// What copying needs to know.
pub struct Transfer<'t> {
    pub source: &'t dyn Store,
    pub destination: &'t dyn Store,
    pub repository: RepositoryId,
    pub request: Request,
    pub progress: &'t Progress,
    pub stop: &'t AtomicBool,
}

/// What of a plan was not copied.
#[derive(Default)]
pub struct Undone {
    /// Whether something was listed and gone when its turn came.
    pub is_gone: bool,
    /// All that was not copied.
    pub objects: HashSet<Object>,
}

/// What became of an object.
enum Fate {
    /// It is in the copy.
    Copied,
    /// It was listed and is not there any more.
    Gone,
    /// Its bytes are not what they were, or cannot be had.
    Bad(String),
}

impl Transfer<'_> {
    /// Copies what the plan found lacking, what comes first in order first; checkpoints not yet.
    pub fn all(&self, plan: &Plan, report: &mut Report) -> Result<Undone, Error> {
        self.progress.of_bytes.fetch_max(report.bytes + plan.bytes, Ordering::Relaxed);
        let first = plan.todo.partition_point(|(object, _)| object.is_first());
        let (first, others) = plan.todo.split_at(first);
        let others = &others[..others.partition_point(|(object, _)| !object.is_checkpoint())];
        let mut undone = Undone::default();
        self.some(first, report, &mut undone)?;
        self.some(others, report, &mut undone)?;
        Ok(undone)
    }

    /// Copies checkpoints of what the copy's log has by now: one that is ahead of it would be believed by
    /// nobody. That one is gone matters to nobody either, because newer ones take the place of old ones.
    pub fn checkpoints(&self, plan: &Plan, report: &mut Report) -> Result<(), Error> {
        let end = report.end;
        let todo = plan.todo.iter().copied();
        let todo: Vec<_> = todo
            .filter(|(object, _)| matches!(object, Object::Checkpoint(seq, _) if seq.0 < end))
            .collect();
        self.some(&todo, report, &mut Undone::default())
    }

    fn some(
        &self,
        todo: &[(Object, u64)],
        report: &mut Report,
        undone: &mut Undone,
    ) -> Result<(), Error> {
        let told = Mutex::new((report, undone));
        self.each(todo, |object, size| {
            let fate = self.one(object)?;
            let mut told = lock(&told);
            let (report, undone) = &mut *told;
            match fate {
                Fate::Copied => {
                    report.objects += 1;
                    report.bytes += size;
                }
                Fate::Gone => {
                    undone.is_gone = true;
                    undone.objects.insert(object);
                }
                Fate::Bad(why) => {
                    undone.objects.insert(object);
                    report.bad.push(Bad { name: object.name(), why });
                }
            }
            self.progress.objects.fetch_add(1, Ordering::Relaxed);
            self.progress.bytes.fetch_add(size, Ordering::Relaxed);
            Ok(())
        })
    }

    fn one(&self, object: Object) -> Result<Fate, Error> {
        let bytes = match self.read(object)? {
            Ok(bytes) => bytes,
            Err(fate) => return Ok(fate),
        };
        // Of what another sync has just put it is as good to know that it is there.
        let _: Put = self.destination.put_new_shared(
            &object.name(),
            &[bytes.into()],
            Durability::AtBarrier,
        )?;
        Ok(Fate::Copied)
    }

    /// The bytes of an object, if they are what its name says.
    fn read(&self, object: Object) -> Result<Result<Vec<u8>, Fate>, Error> {
        let mut bytes = Vec::new();
        match self.source.get(&object.name(), object.limit(), &mut bytes) {
            Ok(()) => {}
            Err(e) if e.kind() == StoreErrorKind::NotFound => return Ok(Err(Fate::Gone)),
            // That this one cannot be read says nothing about the others.
            Err(e) if !e.is_temporary() => {
                let why = e.source.as_ref().map_or_else(|| e.to_string(), ToString::to_string);
                return Ok(Err(Fate::Bad(format!("cannot be read: {why}"))));
            }
            Err(e) => return Err(e.into()),
        }
        Ok(match check(object, &bytes, self.repository) {
            Ok(()) => Ok(bytes),
            Err(why) => Err(Fate::Bad(format!("is damaged: {why}"))),
        })
    }

    /// The bytes of an object, or what is wrong with it in words.
    pub fn read_sound(&self, object: Object) -> Result<Result<Vec<u8>, String>, Error> {
        Ok(self.read(object)?.map_err(|fate| match fate {
            Fate::Bad(why) => why,
            Fate::Gone | Fate::Copied => "is missing".to_owned(),
        }))
    }

    /// Does something with each of these objects on several threads, as far as memory allows. The first
    /// error ends it.
    pub fn each(
        &self,
        todo: &[(Object, u64)],
        act: impl Fn(Object, u64) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let (next, budget) = (AtomicUsize::new(0), Budget::default());
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let work = || {
            while let Some((object, size)) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                if lock(&failure).is_some() {
                    return;
                }
                let _share = budget.take(*size);
                let done = match self.stop.load(Ordering::Relaxed) {
                    true => Err(Error::Interrupted),
                    false => act(*object, *size),
                };
                if let Err(error) = done {
                    lock(&failure).get_or_insert(error);
                    return;
                }
            }
        };
        let threads = self.request.threads.min(todo.len());
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Memory that threads share.
#[derive(Default)]
struct Budget {
    taken: Mutex<u64>,
    freed: Condvar,
}

impl Budget {
    /// Waits until there is room for so many bytes; what is larger than everything waits for everything.
    fn take(&self, bytes: u64) -> Share<'_> {
        let bytes = bytes.min(BUDGET);
        let mut taken = lock(&self.taken);
        while *taken + bytes > BUDGET {
            taken = self.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += bytes;
        Share { budget: self, bytes }
    }
}

/// A share of the memory, until it is dropped.
struct Share<'b> {
    budget: &'b Budget,
    bytes: u64,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *lock(&self.budget.taken) -= self.bytes;
        self.budget.freed.notify_all();
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
