//! Bringing objects back of which somebody knows that they are lost: packs, segments, manifests.

use super::first::{is_refusal, refusal};
use super::{Mending, read};
use crate::store::replace;
use crate::sync::error::Error;
use crate::sync::object::Object;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Which source has an object, by name.
pub type Found = HashMap<String, usize>;

/// What was brought back.
#[derive(Debug, Default)]
pub struct Brought {
    /// The names of the objects, and the source of each.
    pub objects: Found,
    /// Their bytes.
    pub bytes: u64,
    /// What the store refused, by the names of the objects, in words.
    pub refused: BTreeMap<String, String>,
}

impl Mending {
    /// Which of these objects a source lists, with the length that each is to have, where that is known. Whether it is
    /// sound there is seen when it is read.
    pub fn find(&self, names: &[(String, Option<u64>)]) -> Found {
        let has = |name: &str, len: Option<u64>| {
            let object = Object::of_name(name)?;
            let is_it = |size: Option<u64>| size.is_some() && (len.is_none() || size == len);
            self.sources.iter().position(|source| is_it(source.there.size(object)))
        };
        let found = names.iter().filter_map(|(name, len)| Some((name.clone(), has(name, *len)?)));
        found.collect()
    }

    /// Brings these objects back, as far as a source has them sound.
    ///
    /// # Errors
    /// When a store fails, or the run is stopped. What was brought stays.
    pub fn bring(
        &self,
        names: &[(String, Option<u64>)],
        bytes_done: &AtomicU64,
        stop: &AtomicBool,
    ) -> Result<Brought, Error> {
        let todo: Vec<Object> =
            names.iter().filter_map(|(name, _)| Object::of_name(name)).collect();
        let (next, brought) = (AtomicUsize::new(0), Mutex::new(Brought::default()));
        let work = || -> Result<(), Error> {
            while let Some(object) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                let one = self.bring_one(*object).inspect_err(|_| {
                    // What failed for one is not tried on with all the others.
                    next.store(todo.len(), Ordering::Relaxed);
                })?;
                let mut brought = brought.lock().unwrap_or_else(PoisonError::into_inner);
                match one {
                    One::Nowhere => {}
                    One::Done(source, bytes) => {
                        brought.objects.insert(object.name(), source);
                        brought.bytes += bytes;
                        bytes_done.fetch_add(bytes, Ordering::Relaxed);
                    }
                    One::Refused(why) => drop(brought.refused.insert(object.name(), why)),
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads = self.request.threads.min(todo.len());
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            running.into_iter().try_for_each(|thread| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        let brought = brought.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.here.barrier()?;
        Ok(brought)
    }

    fn bring_one(&self, object: Object) -> Result<One, Error> {
        let Some((source, bytes)) = self.take(object)? else { return Ok(One::Nowhere) };
        let name = object.name();
        // It may have come back since, or have been in somebody's way only for a while.
        let done = match read(&*self.here, object, self.repository)? {
            Ok(_) => Ok(()),
            Err(_) => replace(&*self.here, &name, &bytes),
        };
        match done {
            Ok(()) => Ok(One::Done(source, bytes.len() as u64)),
            Err(e) if is_refusal(&e) => Ok(One::Refused(refusal(&name, &e))),
            Err(e) => Err(e.into()),
        }
    }
}

/// What became of one object.
enum One {
    /// No source has it whole.
    Nowhere,
    /// It came from the source with this number, and has so many bytes.
    Done(usize, u64),
    /// The store refused, in words.
    Refused(String),
}
