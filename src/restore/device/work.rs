//! Opening frames, checking chunks, writing them where they belong.

use super::{Job, Piece, Shared};
use crate::repository::{Chunks, Frames, chunk_in};
use crate::restore::Result;
use crossbeam_channel::Receiver;
use esker_format::frame::FrameType;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

/// Works until there is nothing more to do.
pub fn run(frames: Frames, others: &Mutex<Chunks>, shared: &Shared<'_>, work: &Receiver<Job>) {
    let mut worker = Worker { frames, others, shared, plain: Vec::new() };
    for job in work {
        // What waits in the queue still has to be taken, or the plan would wait for ever.
        if shared.is_over() {
            continue;
        }
        if let Err(error) = worker.frame(job) {
            shared.fail(error);
        }
    }
}

struct Worker<'w> {
    frames: Frames,
    /// Finds chunks that are not right where they were looked for in other places.
    others: &'w Mutex<Chunks>,
    shared: &'w Shared<'w>,
    plain: Vec<u8>,
}

impl Worker<'_> {
    fn frame(&mut self, job: Job) -> Result<()> {
        let Job { pack, frame, pieces } = job;
        let is_open = match self.frames.read(&pack, frame, &mut self.plain) {
            Ok(()) => true,
            Err(error) if error.is_damage() => false,
            Err(error) => return Err(error.into()),
        };
        for piece in pieces {
            let bytes = match chunk_in(&self.plain, piece.place, piece.len, &pack) {
                Ok(bytes) if is_open => {
                    let checked = self.frames.verify(&piece.id, FrameType::Data, bytes, &pack);
                    checked.ok().map(|()| bytes)
                }
                _ => None,
            };
            match bytes {
                Some(bytes) => self.shared.target.data(piece.at, &bytes[piece.part.clone()])?,
                None => self.elsewhere(&piece)?,
            }
            self.shared.progress.bytes.fetch_add(piece.part.len() as u64, Relaxed);
        }
        Ok(())
    }

    /// Writes a chunk from another pack that has it too; without one it is lost.
    fn elsewhere(&self, piece: &Piece) -> Result<()> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        match others.get_elsewhere(piece.place, &piece.id, piece.len, FrameType::Data)? {
            Some(bytes) => self.shared.target.data(piece.at, &bytes[piece.part.clone()])?,
            None => self.shared.lose(piece.at..piece.at + piece.part.len() as u64)?,
        }
        Ok(())
    }
}
