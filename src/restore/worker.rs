//! Fetching frames, checking chunks, writing files.

use super::outcome::Outcome;
use super::window::{Job, Part};
use crate::repository::{Chunks, Error, Extent, Frames, KnownPack, Result, chunk_in};
use crossbeam_channel::Receiver;
use esker_format::frame::FrameType;
use esker_format::key::ScopeKeys;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

/// Works until there is nothing more to do.
pub fn run(
    frames: Frames,
    others: &Mutex<Chunks>,
    keys: &ScopeKeys,
    outcome: &Outcome,
    work: &Receiver<Job>,
) {
    let mut worker = Worker { frames, keys, plain: Vec::new(), outcome, others };
    for job in work {
        // What waits in the queue still has to be taken, or the plan would wait for ever.
        if outcome.is_over() {
            continue;
        }
        if let Err(error) = worker.job(job) {
            outcome.fail(error.into());
        }
    }
}

struct Worker<'r> {
    frames: Frames,
    keys: &'r ScopeKeys,
    plain: Vec<u8>,
    outcome: &'r Outcome<'r>,
    /// Finds chunks that are not right where they were looked for in other places.
    others: &'r Mutex<Chunks>,
}

impl Worker<'_> {
    fn job(&mut self, job: Job) -> Result<()> {
        match job {
            Job::Files(files) => {
                files.into_iter().for_each(|file| file.release(self.outcome));
                Ok(())
            }
            Job::Compare(comparison) => {
                comparison.run(self.outcome, self.keys, &mut self.plain);
                Ok(())
            }
            Job::Frame { pack, frame, parts, read } => {
                self.frame(&pack, frame, parts, read.as_deref())
            }
            Job::Load { pack, frames, .. } => frames
                .into_iter()
                .try_for_each(|(frame, parts)| self.frame(&pack, frame, parts, None)),
        }
    }

    fn frame(
        &mut self,
        pack: &KnownPack,
        frame: u32,
        parts: Vec<Part>,
        read: Option<&Extent>,
    ) -> Result<()> {
        let opened = match read {
            Some(extent) => self.frames.open(pack, frame, extent, &mut self.plain),
            None => self.frames.read(pack, frame, &mut self.plain),
        };
        let unopened = match opened {
            Ok(()) => None,
            Err(error) if error.is_damage() => Some(describe(&error)),
            Err(error) => return Err(error),
        };
        let mut checked = None;
        for part in parts {
            let this = (part.place.offset, part.id);
            match &unopened {
                Some(why) => self.elsewhere(&part, why)?,
                None => match self.part(&part, pack, checked == Some(this)) {
                    Ok(()) => checked = Some(this),
                    Err(error) if error.is_damage() => self.elsewhere(&part, &describe(&error))?,
                    Err(error) => return Err(error),
                },
            }
            self.outcome.progress.bytes.fetch_add(part.len, Relaxed);
            part.file.release(self.outcome);
        }
        Ok(())
    }

    /// Writes a chunk from another pack that has it too; without one it is lost, and this is `why`.
    fn elsewhere(&self, part: &Part, why: &str) -> Result<()> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        match others.get_elsewhere(part.place, &part.id, part.len, FrameType::Data)? {
            Some(bytes) => {
                part.file.write(self.outcome, part.at, bytes);
                self.outcome.fetched(part.len);
            }
            None => part.file.lose(part.len, why),
        }
        Ok(())
    }

    /// Checks a chunk, unless that was just done, and writes it.
    fn part(&self, part: &Part, pack: &KnownPack, is_checked: bool) -> Result<()> {
        let bytes = chunk_in(&self.plain, part.place, part.len, pack)?;
        if !is_checked {
            self.frames.verify(&part.id, FrameType::Data, bytes, pack)?;
        }
        part.file.write(self.outcome, part.at, bytes);
        self.outcome.fetched(part.len);
        Ok(())
    }
}

/// Damage in one line.
pub fn describe(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
