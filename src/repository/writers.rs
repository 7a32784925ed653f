//! Writers: who is enrolled, enrolling and revoking them, and what the key in use may do.

use crate::repository::error::{Error, Result};
use crate::repository::snapshots::Snapshot;
use crate::repository::state::{State, Writer};
use crate::repository::{Occasion, Repository, entropy, log};
use esker_format::cbor::Extra;
use esker_format::ids::{Seq, SessionId, WriterId};
use esker_format::key::SigningKey;
use esker_format::key_material::{KeyMaterial, WriterMaterial};
use esker_format::limits::TEXT_MAX;
use esker_format::log_entry::{
    Body, ROLE_ADMIN, ROLE_APPEND, ROLE_COLLECT, ROLE_FORGET, Revoke, WriterEntry,
};
use std::collections::HashMap;

/// Roles as people call them.
const ROLES: [(u32, &str); 4] = [
    (ROLE_APPEND, "append"),
    (ROLE_FORGET, "forget"),
    (ROLE_COLLECT, "collect"),
    (ROLE_ADMIN, "admin"),
];

/// The names of the roles in a sum of them.
pub fn role_names(roles: u32) -> Vec<&'static str> {
    ROLES.iter().filter(|(role, _)| roles & role != 0).map(|(_, name)| *name).collect()
}

/// A writer that is about to be enrolled. Its key can be kept before the log knows of it: one that
/// is killed in between leaves a key that opens nothing, and never a writer without a key.
pub struct Draft {
    entry: WriterEntry,
    material: KeyMaterial,
    /// Whether nobody else may be in its scope.
    is_alone: bool,
}

impl Draft {
    /// What a key file holds.
    pub const fn material(&self) -> &KeyMaterial {
        &self.material
    }
    /// What the log will say of it.
    pub const fn entry(&self) -> &WriterEntry {
        &self.entry
    }
}

/// A writer of the log.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// Its id.
    pub id: WriterId,
    /// What the owner said of it.
    pub entry: WriterEntry,
    /// Whether nothing that it signs counts any more.
    pub revoked: bool,
    /// Whether it is the one that the owner's own runs are signed with.
    pub is_owner: bool,
    /// How many of the snapshots are its own.
    pub snapshots: u64,
}

/// What revoking a writer has done.
#[derive(Debug)]
pub struct Revoked {
    /// The entry of the log; none when it was revoked before.
    pub seq: Option<Seq>,
    /// Why there is no checkpoint that tells of it, where there should be.
    pub without_checkpoint: Option<Error>,
}

impl Repository {
    /// Draws the key of a new writer, with this name and these roles; without a scope it gets one
    /// that no writer of the log has.
    ///
    /// # Errors
    /// [`Error::NeedsOwner`], [`Error::WriterName`], [`Error::NameTaken`], [`Error::NameIsId`] or
    /// [`Error::NoScope`].
    pub fn draft_writer(&self, name: &str, scope: Option<u32>, roles: u32) -> Result<Draft> {
        let (access, secret) = (&self.access, self.access.secret()?);
        let is_plain = !name.trim().is_empty() && !name.chars().any(char::is_control);
        if !is_plain || name.len() > TEXT_MAX {
            return Err(Error::WriterName);
        }
        expect_free(&self.state, name)?;
        let is_alone = scope.is_none();
        let scope = match scope {
            // A number that was mistyped would be a scope that nobody meant.
            Some(scope) if !self.state.writers.values().any(|w| w.entry.scope == scope) => {
                return Err(Error::NoScope { scope });
            }
            Some(scope) => scope,
            None => unused_scope(&self.state)?,
        };
        let signer = SigningKey(entropy().secret());
        let entry = WriterEntry {
            key: signer.verification(),
            scope,
            roles,
            name: name.to_owned(),
            extra: Extra::default(),
        };
        let material = KeyMaterial::Writer(WriterMaterial {
            repository: access.repository,
            scope,
            scope_secret: secret.scope(scope).0,
            epoch: access.epoch,
            epoch_secret: access.epoch_secret.0.clone(),
            reading: access.reading_public,
            owner: access.owner_key,
            signing: signer.0,
            extra: Extra::default(),
        });
        Ok(Draft { entry, material, is_alone })
    }

    /// Enrols a writer, whose key somebody has kept by now.
    ///
    /// # Errors
    /// [`Error::ScopeTaken`] and [`Error::NameTaken`] when another writer was enrolled meanwhile;
    /// then nothing was appended. Or what store and log say.
    pub fn enrol(&mut self, draft: &Draft) -> Result<Seq> {
        self.append_as_owner(&mut |state| {
            let WriterEntry { scope, name, .. } = &draft.entry;
            expect_free(state, name)?;
            if draft.is_alone && state.writers.values().any(|w| w.entry.scope == *scope) {
                return Err(Error::ScopeTaken { scope: *scope });
            }
            Ok(Body::Writer(draft.entry.clone()))
        })
    }

    /// The writer that `what` names: a name, an id, or the beginning of one.
    ///
    /// # Errors
    /// [`Error::NoWriter`] or [`Error::AmbiguousWriter`].
    pub fn find_writer(&self, what: &str) -> Result<Enrolled> {
        let mut all = self.writers();
        // A name comes before the beginning of an id: `a` and `bad` can be both.
        let is_name = all.iter().any(|w| w.entry.name == what);
        all.retain(|w| match is_name {
            true => w.entry.name == what,
            false => !what.is_empty() && w.id.to_string().starts_with(what),
        });
        // A name may be used again once its writer was revoked.
        if all.iter().filter(|w| !w.revoked).count() == 1 {
            all.retain(|w| !w.revoked);
        }
        match all.len() {
            0 => Err(Error::NoWriter { what: what.to_owned() }),
            1 => Ok(all.remove(0)),
            _ => {
                let candidates = all.iter().map(|w| w.id.to_string()).collect();
                Err(Error::AmbiguousWriter { what: what.to_owned(), candidates })
            }
        }
    }

    /// Revokes a writer: nothing that it signs from here on counts. Of one that could write
    /// checkpoints a new one tells, also when it was revoked before and the log has gone on since.
    ///
    /// # Errors
    /// [`Error::NeedsOwner`], [`Error::OwnWriter`], or what store and log say.
    pub fn revoke(&mut self, id: WriterId) -> Result<Revoked> {
        let secret = self.access.secret()?;
        if [secret.working_key(), secret.owner_key()]
            .iter()
            .any(|k| k.verification().writer() == id)
        {
            return Err(Error::OwnWriter);
        }
        let was_revoked = self.state.writers.get(&id).is_some_and(|writer| writer.revoked);
        let body = Revoke { writer: id, extra: Extra::default() };
        let seq = match was_revoked {
            true => None,
            false => Some(self.append_as_owner(&mut |_| Ok(Body::Revoke(body.clone())))?),
        };
        let mut without_checkpoint = None;
        if self.state.writers.get(&id).is_some_and(|w| w.entry.roles & ROLE_COLLECT != 0) {
            let warnings = self.warnings.len();
            self.checkpoint_if_due(Occasion::Revocation);
            without_checkpoint = self.warnings.drain(warnings..).next();
        }
        Ok(Revoked { seq, without_checkpoint })
    }

    /// All writers: the owner's own first, then by scope and name.
    pub fn writers(&self) -> Vec<Enrolled> {
        let owner = self.access.owner.as_ref().map(|s| s.working_key().verification().writer());
        let mut saved: HashMap<WriterId, u64> = HashMap::new();
        for snapshot in &self.state.snapshots {
            if let Some(session) = self.state.sessions.get(&snapshot.session) {
                *saved.entry(session.writer).or_default() += 1;
            }
        }
        let mut all: Vec<Enrolled> = self
            .state
            .writers
            .iter()
            .map(|(id, Writer { entry, revoked, .. })| Enrolled {
                id: *id,
                entry: entry.clone(),
                revoked: *revoked,
                is_owner: owner.map_or(entry.roles & ROLE_ADMIN != 0, |owner| owner == *id),
                snapshots: saved.get(id).copied().unwrap_or(0),
            })
            .collect();
        let order = |w: &Enrolled| (!w.is_owner, w.entry.scope, w.entry.name.clone(), w.id);
        all.sort_by_key(order);
        all
    }

    /// Who saved a snapshot, as far as the log says.
    pub fn writer_of(&self, snapshot: &Snapshot) -> Option<&Writer> {
        self.state.writers.get(&snapshot.writer?)
    }

    /// All writers that had a name, or the one whose id begins like this.
    ///
    /// # Errors
    /// [`Error::NoWriter`] or [`Error::AmbiguousWriter`].
    pub fn writers_called(&self, what: &str) -> Result<Vec<WriterId>> {
        let named = self.state.writers.iter().filter(|(_, writer)| writer.entry.name == what);
        let named: Vec<WriterId> = named.map(|(id, _)| *id).collect();
        if named.is_empty() { Ok(vec![self.find_writer(what)?.id]) } else { Ok(named) }
    }

    /// Fails unless the log knows the key in use.
    ///
    /// # Errors
    /// [`Error::NotEnrolled`] or [`Error::Revoked`].
    pub(super) fn expect_enrolled(&self) -> Result<()> {
        if self.access.owner.is_some() {
            return Ok(());
        }
        let id = self.access.writer;
        match self.state.writers.get(&id) {
            None => Err(Error::NotEnrolled { writer: id }),
            Some(writer) if writer.revoked => {
                Err(Error::Revoked { name: writer.entry.name.clone(), writer: id })
            }
            Some(_) => Ok(()),
        }
    }

    /// Fails unless the log gives this key a role.
    ///
    /// # Errors
    /// [`Error::NoRight`] to do `what`.
    pub fn expect_role(&self, role: u32, what: &'static str) -> Result<()> {
        let why = match self.state.writers.get(&self.access.writer) {
            Some(writer) if writer.revoked => "it was revoked".to_owned(),
            Some(writer) if writer.entry.roles & role != 0 => return Ok(()),
            Some(Writer { entry, .. }) => {
                let (has, needs) =
                    (role_names(entry.roles).join(", "), role_names(role).join(", "));
                format!("writer {} has the role {has}, and this needs {needs}", entry.name)
            }
            None => "it was never enrolled".to_owned(),
        };
        Err(Error::NoRight { what, why })
    }

    /// Appends an entry that only the owner signs.
    fn append_as_owner(&mut self, make: &mut dyn FnMut(&State) -> Result<Body>) -> Result<Seq> {
        let owner = self.access.as_owner().ok_or(Error::NeedsOwner)?;
        self.expect_appendable()?;
        let none = SessionId::new([0; 16]);
        let here = &self.here;
        let make = &mut |state: &State| {
            here.expect(state)?;
            make(state)
        };
        let appended = log::append(&*self.store, &owner, &mut self.state, none, make);
        self.remember();
        let seq = appended?;
        // The entry is in the log. A cache that cannot be written is no reason to say otherwise.
        let _ = self.index_segments(&[], &[]);
        Ok(seq)
    }
}

/// Digits that people take for an id. Of shorter words a name comes first.
const ID_DIGITS: usize = 8;

/// Fails when a writer that counts has this name, or an id that begins with it: people revoke by these.
fn expect_free(state: &State, name: &str) -> Result<()> {
    if state.writers.values().any(|w| w.entry.name == name && !w.revoked) {
        return Err(Error::NameTaken { name: name.to_owned() });
    }
    if name.len() >= ID_DIGITS && state.writers.keys().any(|id| id.to_string().starts_with(name)) {
        return Err(Error::NameIsId { name: name.to_owned() });
    }
    Ok(())
}

/// The next number that no writer of the log has, revoked ones included: what they know of their
/// scope they know for ever.
fn unused_scope(state: &State) -> Result<u32> {
    let last = state.writers.values().map(|w| w.entry.scope).max().unwrap_or(0);
    last.checked_add(1).ok_or(Error::ScopeTaken { scope: last })
}
