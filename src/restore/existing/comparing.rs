//! Having files compared by the workers, and fetching what they find different.

use super::base::Base;
use super::compare::{Answer, Comparison};
use super::over::Held;
use crate::repository::Items;
use crate::restore::Result;
use crate::restore::pending::Pending;
use crate::restore::plan::{Plan, send};
use crate::restore::window::Job;
use crossbeam_channel::Sender;
use esker_format::content::{Content, Item};
use esker_format::node::{Node, Xattr};
use esker_format::path::MapKey;
use std::sync::Arc;

/// Pieces of a file that are compared as one job.
const PIECES: usize = 256;

impl Plan<'_> {
    /// Has a file compared, in pieces.
    pub(super) fn compare(
        &mut self,
        key: MapKey,
        mut node: Node,
        xattrs: Vec<Xattr>,
        base: Base,
        jobs: &Sender<Job>,
    ) -> Result<()> {
        self.count_ahead(&node);
        let content = Self::take_content(&mut node);
        let several = matches!(&content, Content::List(_))
            || matches!(&content, Content::Items(items) if items.len() > 1);
        if several && self.opens_too_many() {
            self.settle_answers(jobs)?;
            self.flush(jobs)?;
        }
        if let Some(over) = &mut self.over
            && base.in_place
            && !self.outcome.how.dry_run
        {
            over.held.insert(key.clone(), Held::default());
        }
        let file = Pending::new(key, node, xattrs, Some(base));
        let mut items = Items::new(&content);
        let (mut at, mut pieces, mut sent) = (0, Vec::new(), false);
        while let Some((item, error)) = items.next(self.chunks())? {
            self.note_lost(&file, &item, error);
            pieces.push((at, item));
            at += item.len();
            if pieces.len() == PIECES {
                self.send_pieces(&file, std::mem::take(&mut pieces), false, jobs)?;
                sent = true;
            }
        }
        if !pieces.is_empty() || !sent {
            self.send_pieces(&file, pieces, !sent, jobs)?;
        }
        if let Some(held) = self.held(&file.key) {
            held.all_sent = true;
            self.fetch_held(&file, jobs)?;
        }
        file.release(self.outcome);
        Ok(())
    }

    fn send_pieces(
        &mut self,
        file: &Arc<Pending>,
        pieces: Vec<(u64, Item)>,
        is_all: bool,
        jobs: &Sender<Job>,
    ) -> Result<()> {
        let Some(over) = &mut self.over else { return Ok(()) };
        over.outstanding += 1;
        if let Some(held) = over.held.get_mut(&file.key) {
            held.outstanding += 1;
        }
        let answers = over.answers.0.clone();
        send(jobs, Job::Compare(Comparison::new(Arc::clone(file), pieces, is_all, answers)));
        while let Some(answer) = self.over.as_ref().and_then(|o| o.answers.1.try_recv().ok()) {
            self.answer(answer, jobs)?;
        }
        Ok(())
    }

    /// Waits until all that was to be compared is.
    pub fn settle_answers(&mut self, jobs: &Sender<Job>) -> Result<()> {
        while let Some(over) = &self.over
            && over.outstanding > 0
            && let Ok(answer) = over.answers.1.recv()
        {
            self.answer(answer, jobs)?;
        }
        Ok(())
    }

    fn held(&mut self, key: &MapKey) -> Option<&mut Held> {
        self.over.as_mut()?.held.get_mut(key)
    }

    /// Has all chunks fetched that differ in a file which is changed where it is, once they are
    /// known. If one of them is not to be had, none is: the old file stays as it is.
    fn fetch_held(&mut self, file: &Arc<Pending>, jobs: &Sender<Job>) -> Result<()> {
        let Some(over) = &mut self.over else { return Ok(()) };
        let known = |held: &Held| held.all_sent && held.outstanding == 0;
        if !over.held.get(&file.key).is_some_and(known) {
            return Ok(());
        }
        let Some(Held { differing, .. }) = over.held.remove(&file.key) else { return Ok(()) };
        for (_, id, len) in &differing {
            if self.chunks().lookup().find_present(id)?.is_none() {
                file.lose(*len, &format!("chunk {id} is in no pack that is there"));
            }
        }
        for (at, id, len) in differing {
            if file.is_lacking() {
                self.outcome.pass_bytes(len);
            } else {
                self.fetch(file, at, id, len, jobs)?;
            }
        }
        Ok(())
    }

    /// Has the chunks fetched that a comparison found different.
    fn answer(&mut self, answer: Answer, jobs: &Sender<Job>) -> Result<()> {
        if let Some(over) = &mut self.over {
            over.outstanding -= 1;
        }
        let Answer { file, differing } = answer;
        if let Some(held) = self.held(&file.key) {
            held.outstanding -= 1;
            held.differing.extend(differing);
            self.fetch_held(&file, jobs)?;
            self.give_back(file, jobs);
            return Ok(());
        }
        for (at, id, len) in differing {
            if self.outcome.how.dry_run {
                self.outcome.pass_bytes(len);
            } else {
                self.fetch(&file, at, id, len, jobs)?;
            }
        }
        self.give_back(file, jobs);
        Ok(())
    }
}
