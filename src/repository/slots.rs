//! Key slots: the passphrases that open a repository.

use crate::repository::error::{Error, Result};
use crate::repository::{Repository, entropy, unlock};
use crate::store::{Durability, Put};
use esker_format::FormatError;
use esker_format::envelope::{Header, Kind};
use esker_format::ids::SessionId;
use esker_format::names;
use esker_format::slot::{self, Cost};

/// A key slot as its name and header say; what it wraps only its passphrase tells.
#[derive(Debug)]
pub struct Slot {
    /// Its id.
    pub id: String,
    /// What it costs to try a passphrase, or why the slot cannot be used.
    pub cost: Result<Cost>,
    /// Whether it opened the repository this time.
    pub is_used: bool,
}

impl Repository {
    /// All key slots, by id.
    ///
    /// # Errors
    /// When the store fails as a whole.
    pub fn slots(&self) -> Result<Vec<Slot>> {
        let mut names = Vec::new();
        self.store.list(names::KEYS, &mut |found| names.push(found.name))?;
        names.sort();
        let used = self.access.slot.map(names::slot);
        let slots = names.into_iter().map(|name| {
            let cost = match self.slot_cost(&name) {
                Err(error) if !error.is_damage() && !matches!(error, Error::Newer { .. }) => {
                    return Err(error);
                }
                told => told,
            };
            let is_used = used.as_ref() == Some(&name);
            Ok(Slot { id: name.trim_start_matches(names::KEYS).to_owned(), cost, is_used })
        });
        slots.collect()
    }

    fn slot_cost(&self, name: &str) -> Result<Cost> {
        let mut object = Vec::new();
        self.store.get(name, slot::OBJECT_MAX as u64, &mut object).map_err(Error::from_part)?;
        let parsed = Header::decode(&object).and_then(|(header, _)| {
            header.expect(Kind::Slot, self.access.repository)?;
            if names::slot(header.session) != name {
                return Err(FormatError::Misplaced { what: "key slot" });
            }
            slot::parameters(&header)
        });
        parsed.map(|(cost, _)| cost).map_err(|e| Error::damaged(name, e))
    }

    /// Adds a slot with the key in use under a new passphrase. It is durable and was opened again
    /// when this returns.
    ///
    /// # Errors
    /// [`Error::SlotTaken`] when it opens one already, which would outlive the other; or when the store
    /// fails, or the slot does not open.
    pub fn add_slot(&self, passphrase: &str, cost: Cost) -> Result<SessionId> {
        let (store, repository) = (&*self.store, self.access.repository);
        if let Some(slot) = unlock::find(store, repository, passphrase.as_bytes())? {
            return Err(Error::SlotTaken { slot });
        }
        let mut entropy = entropy();
        let header = Header {
            kind: Kind::Slot,
            flags: 0,
            repository: self.access.repository,
            scope: 0,
            epoch: 0,
            writer: self.access.writer,
            session: SessionId::new(entropy.take()),
            seq: 0,
            tlvs: Vec::new(),
        };
        let (id, name) = (header.session, names::slot(header.session));
        let (material, bytes) = (&self.access.material, passphrase.as_bytes());
        let object = slot::encode(header, material, bytes, cost, &mut entropy)?;
        // Random names do not meet.
        let _: Put = self.store.put_new(&name, &[&object], Durability::Now)?;
        // Whoever removes another slot next must know that this one opens.
        let mut found = Vec::new();
        self.store.get(&name, slot::OBJECT_MAX as u64, &mut found).map_err(Error::from_read)?;
        let opened = slot::decode(&found, bytes).map_err(|e| Error::damaged(name.as_str(), e))?;
        if opened != *material {
            let source = FormatError::NotAuthentic { what: "key slot" };
            return Err(Error::damaged(name, source));
        }
        Ok(id)
    }

    /// The slot that `what` names: its id, or the beginning of it.
    ///
    /// # Errors
    /// [`Error::NoSlot`] or [`Error::AmbiguousSlot`].
    pub fn find_slot(&self, what: &str) -> Result<Slot> {
        let mut all = self.slots()?;
        all.retain(|slot| !what.is_empty() && slot.id.starts_with(what));
        match all.len() {
            0 => Err(Error::NoSlot { what: what.to_owned() }),
            1 => Ok(all.remove(0)),
            _ => Err(Error::AmbiguousSlot { what: what.to_owned() }),
        }
    }

    /// Removes a slot, and waits until that is durable.
    ///
    /// # Errors
    /// When the store fails.
    pub fn remove_slot(&self, slot: &Slot) -> Result<()> {
        self.store.delete(&format!("{}{}", names::KEYS, slot.id))?;
        Ok(self.store.barrier()?)
    }
}
