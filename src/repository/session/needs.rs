//! What a run needs of the log to be able to end well: the packs that it relies on, and that it was
//! not fenced. Asked with the state that its entry would follow, again after each lost race.

use super::Session;
use crate::repository::error::{Error, Result};
use crate::repository::packer::lock;
#[cfg(test)]
use crate::repository::simulation;
use crate::repository::state::State;
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::ids::SessionId;
use esker_format::log_entry::PackAdd;
use esker_format::names;
use esker_format::segment::SegmentPack;
use std::collections::BTreeSet;

impl Session {
    /// The packs that the snapshot needs, without those that its entry adds: also those of this run
    /// that the log has already, because another run took over the same unfinished session.
    ///
    /// A base may have got a smaller set since the run began, or other packs in place of some: what
    /// it needs now holds all that was taken over from it.
    ///
    /// # Errors
    /// [`Error::GivenUp`] when one of them is.
    pub(super) fn needed(&self, packs: &[SegmentPack], state: &State) -> Result<BTreeSet<u32>> {
        let mut needed: BTreeSet<u32> = lock(&self.used).iter().copied().collect();
        needed.extend(packs.iter().filter_map(|pack| state.ordinal(pack.id)));
        for (base, then) in lock(&self.bases).iter() {
            if state.snapshot(*base).is_some_and(|s| s.damaged) {
                // Its set is that of what is left of it.
                return Err(Error::GivenUp { object: names::manifest(*base) });
            }
            needed.extend(state.snapshot(*base).map_or(then, |s| &s.set).iter());
        }
        let given_up = |o: &&u32| {
            let pack = state.packs.get(**o as usize);
            // What a repair found damaged meanwhile holds no more than what is given up.
            pack.is_some_and(|p| p.state == PackState::Deleting || p.damaged)
        };
        match needed.iter().find(given_up) {
            // What the simulation must notice.
            #[cfg(test)]
            _ if !simulation::minds("its pack set names packs that are given up") => Ok(needed),
            Some(ordinal) => {
                Err(Error::GivenUp { object: names::pack(state.packs[*ordinal as usize].id) })
            }
            None => Ok(needed),
        }
    }

    /// Fails when nothing of this run, or of one that it took over, may be added any more.
    ///
    /// # Errors
    /// [`Error::Fenced`].
    pub(super) fn expect_open(&self, state: &State, adds: &[PackAdd]) -> Result<()> {
        let adopted = adds.iter().filter_map(|add| add.session);
        #[cfg(test)]
        let adopted = adopted.filter(|_| simulation::minds("a pack belongs to an aborted session"));
        let mut sessions = adopted.chain([self.id]);
        let is_fenced = |id: &SessionId| state.session_state(*id) == Some(SessionState::Aborted);
        match sessions.find(is_fenced) {
            Some(session) => Err(Error::Fenced { session }),
            None => Ok(()),
        }
    }
}
