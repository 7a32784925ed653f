//! Between the plan and the workers, where the store is far away: threads that wait for packs, so that
//! nobody else has to. Their memory is that of a few packs, and comes back when the last frame is opened.

use super::outcome::Outcome;
use super::window::Job;
use crate::repository::Extents;
use crossbeam_channel::{Receiver, Sender};
use std::thread::Scope;

/// Requests under way at a time.
const REQUESTS: usize = 2;
/// Packs in memory: those on their way, and those that workers are at.
const PACKS: usize = 2;

/// Starts threads that take jobs from `plan`, read what these need, and pass them on to `work`.
pub fn start<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    extents: &'env Extents,
    outcome: &'env Outcome<'env>,
    plan: &Receiver<Job>,
    work: &Sender<Job>,
) {
    let (home, memory) = crossbeam_channel::bounded(PACKS);
    for _ in 0..PACKS {
        let _ = home.try_send(Vec::new());
    }
    for _ in 0..REQUESTS {
        let loader = Loader { extents, outcome, home: home.clone(), memory: memory.clone() };
        let (plan, work) = (plan.clone(), work.clone());
        scope.spawn(move || plan.into_iter().for_each(|job| loader.pass(job, &work)));
    }
}

struct Loader<'r> {
    extents: &'r Extents,
    outcome: &'r Outcome<'r>,
    home: Sender<Vec<u8>>,
    memory: Receiver<Vec<u8>>,
}

impl Loader<'_> {
    fn pass(&self, job: Job, work: &Sender<Job>) {
        let Job::Load { pack, range, frames } = job else {
            return super::plan::send(work, job);
        };
        // What waits has to be taken, or the plan would wait for ever.
        if self.outcome.is_over() {
            return;
        }
        let read = self.extents.kept(&pack, &range).map(Ok).unwrap_or_else(|| {
            let memory = self.memory.recv().unwrap_or_default();
            self.extents.load(&pack, &range, memory, Some(self.home.clone()))
        });
        let read = match read {
            Ok(extent) => Some(extent),
            // Some of its frames may be there: who needs them looks.
            Err(error) if error.is_damage() => None,
            Err(error) => return self.outcome.fail(error.into()),
        };
        for (frame, parts) in frames {
            let (pack, read) = (pack.clone(), read.clone());
            super::plan::send(work, Job::Frame { pack, frame, parts, read });
        }
    }
}
