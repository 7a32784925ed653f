//! Taking over what runs of this machine that were killed had uploaded already.

use super::Session;
use crate::repository::error::{Error, Result};
use crate::repository::index::DeadRun;
use crate::repository::packer::lock;
use crate::repository::{Repository, read_directory};
use crate::store::Durability;
use esker_format::checkpoint::SessionState;
use esker_format::ids::{Named, PackId};
use esker_format::names;
use esker_format::segment::SegmentPack;

impl Session {
    /// Takes over packs of dead runs that the log does not know: those that are there whole, which
    /// their names tell, and that no aborted session wrote. Returns how many there are.
    ///
    /// # Errors
    /// When the store fails. A pack that is not there or not whole is none.
    pub fn adopt(&self, repository: &Repository, runs: Vec<DeadRun>) -> Result<usize> {
        let mut found = Vec::new();
        let mut bytes = Vec::new();
        for run in &runs {
            let state = repository.state().sessions.get(&run.session);
            if state.is_some_and(|session| session.state == SessionState::Aborted) {
                continue;
            }
            for (id, len) in &run.packs {
                if repository.state().ordinal(*id).is_none() {
                    found.extend(self.whole(repository, *id, *len, &mut bytes)?);
                }
            }
        }
        for (prefix, _) in found.iter().flat_map(|p| &p.chunks) {
            self.claims_of(prefix).insert(*prefix);
        }
        let count = found.len();
        self.packer.add_done(found);
        lock(&self.adopted).extend(runs);
        Ok(count)
    }

    /// The directory of a pack that is there whole.
    fn whole(
        &self,
        repository: &Repository,
        id: PackId,
        len: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<SegmentPack>> {
        let name = names::pack(id);
        let is_there = if self.store.nature().is_durable_when_visible {
            // Far away: what is there is whole, and it would have to come and go once more.
            self.store.size(&name)? == Some(len)
        } else {
            match self.store.get(&name, len, bytes).map_err(Error::from_read) {
                // A power cut can tear what was not yet made durable.
                Ok(()) => bytes.len() as u64 == len && id.check("pack", bytes).is_ok(),
                Err(error) if error.is_damage() => false,
                Err(error) => return Err(error),
            }
        };
        if !is_there {
            return Ok(None);
        }
        let pack = match read_directory(&*self.store, &repository.access, id, len) {
            Ok(pack) => pack,
            Err(error) if error.is_damage() => return Ok(None),
            Err(error) => return Err(error),
        };
        if !self.store.nature().is_durable_when_visible {
            // It is there, but another process has put it: only a put says that the next barrier makes
            // it durable.
            let _ = self.store.put_new(&name, &[bytes], Durability::AtBarrier)?;
        }
        Ok(Some(pack))
    }
}
