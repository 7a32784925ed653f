//! Making a repository.

use crate::repository::access::Access;
use crate::repository::error::{Error, Result};
use crate::repository::log;
use crate::repository::state::State;
use crate::repository::{Mode, Repository, entropy};
use crate::store::{Durability, Put, Store, StoreErrorKind};
use esker_format::cbor::Extra;
use esker_format::chunking::Profile;
use esker_format::config::Config;
use esker_format::envelope::{Header, Kind};
use esker_format::ids::{EntryHash, Named, RepositoryId, Seq, SessionId, Token};
use esker_format::key::OwnerSecret;
use esker_format::key_material::{KeyMaterial, OwnerMaterial};
use esker_format::log_entry::{
    self, Body, Genesis, Place, ROLE_ADMIN, ROLE_APPEND, ROLE_COLLECT, ROLE_FORGET, WriterEntry,
};
use esker_format::node::Time;
use esker_format::secret::Entropy;
use esker_format::slot::{self, Cost};
use esker_format::{names, recovery};
use zeroize::Zeroizing;

/// The identity of a repository that is about to be made, so that its key can be kept before it
/// is needed.
pub struct NewKey {
    /// The repository's id.
    pub repository: RepositoryId,
    secret: OwnerSecret,
}

impl NewKey {
    /// Draws a new one.
    pub fn draw() -> Self {
        let mut entropy = entropy();
        Self::from(&mut entropy)
    }

    /// One from given randomness, for tests that need the same repository every time.
    pub fn from(entropy: &mut Entropy) -> Self {
        let repository = RepositoryId::new(entropy.take());
        Self { repository, secret: OwnerSecret(entropy.secret()) }
    }

    /// The identity that a key file holds.
    pub fn from_material(owner: &OwnerMaterial) -> Self {
        Self { repository: owner.repository, secret: OwnerSecret(owner.secret.clone()) }
    }

    /// What a key file holds.
    pub fn material(&self) -> KeyMaterial {
        KeyMaterial::owner(self.repository, &self.secret)
    }

    /// The recovery key, to be shown once.
    pub fn recovery(&self) -> Zeroizing<String> {
        recovery::encode(&self.secret)
    }
}

/// What was made.
pub struct Created {
    /// Its id.
    pub repository: RepositoryId,
}

/// Makes a repository in an empty store, or one where this was begun. With a passphrase it gets a key slot.
///
/// The config is put last: a repository is there when its config is. An attempt that was interrupted
/// before is carried on with the same key, and never used otherwise.
///
/// # Errors
/// [`Error::AlreadyThere`], [`Error::Unfinished`], or what the store says.
pub fn create(
    store: &dyn Store,
    key: &NewKey,
    passphrase: Option<(&str, Cost)>,
    time: Time,
    program: &str,
    entropy: &mut Entropy,
) -> Result<Created> {
    create_in_mode(store, key, passphrase, time, program, &Mode::Shared, entropy)
}

/// The same for a repository that one machine may write to, or every one.
///
/// # Errors
/// As [`create`].
pub fn create_in_mode(
    store: &dyn Store,
    key: &NewKey,
    passphrase: Option<(&str, Cost)>,
    time: Time,
    program: &str,
    mode: &Mode,
    entropy: &mut Entropy,
) -> Result<Created> {
    let location = store.location();
    if store.size(names::CONFIG)?.is_some() {
        return Err(Error::AlreadyThere { location });
    }
    let access = Access::owner(key.repository, OwnerSecret(key.secret.0.clone()));
    let owner = key.secret.owner_key();
    let header = |kind, entropy: &mut Entropy| Header {
        kind,
        flags: 0,
        repository: key.repository,
        scope: 0,
        epoch: 0,
        writer: owner.verification().writer(),
        session: SessionId::new(entropy.take()),
        seq: 0,
        tlvs: Vec::new(),
    };
    let bodies = [
        Body::Genesis(Genesis {
            owner: owner.verification(),
            time,
            holder: mode.holder().map(str::to_owned),
            program: program.to_owned(),
            extra: Extra::default(),
        }),
        Body::Writer(WriterEntry {
            key: access.signer.verification(),
            scope: 0,
            roles: ROLE_APPEND | ROLE_FORGET | ROLE_COLLECT | ROLE_ADMIN,
            name: "owner".to_owned(),
            extra: Extra::default(),
        }),
    ];
    // What an interrupted attempt with the same key has put is taken as it is.
    let unfinished = || Error::Unfinished { location: location.clone() };
    let mut state = State::new(owner.verification());
    loop {
        match log::replay(store, &access, &mut state) {
            // It is the log of another key.
            Err(error) if error.is_damage() => return Err(unfinished()),
            other => other?,
        };
        if !state.void.is_empty() || state.next() > Seq(bodies.len() as u64) {
            return Err(unfinished());
        }
        let Some(body) = bodies.get(state.next().0 as usize) else { break };
        let place = Place {
            repository: key.repository,
            seq: state.next(),
            previous: state.previous(),
            token: Token::new(entropy.take()),
            writer: owner.verification().writer(),
            scope: 0,
            epoch: 0,
            session: SessionId::new([0; 16]),
        };
        let object = log_entry::encode(&place, body, &access.log_key, &owner, entropy);
        // Of two attempts at once both go on from what lies there.
        let _ = store.put_new(&names::entry(place.seq), &[&object], Durability::Now)?;
    }
    let first = log::read_entry(store, Seq(0))?.ok_or_else(unfinished)?;
    let genesis = EntryHash::of(&first);
    if let Some((passphrase, cost)) = passphrase {
        let header = header(Kind::Slot, entropy);
        let name = names::slot(header.session);
        let object = slot::encode(header, &key.material(), passphrase.as_bytes(), cost, entropy)?;
        let _ = store.put_new(&name, &[&object], Durability::Now)?;
    }
    let config = Config { genesis, profiles: Profile::all(), extra: Extra::default() };
    let object = config.encode(&header(Kind::Config, entropy), &access.log_key, &owner, entropy);
    match store.put_new(names::CONFIG, &[&object], Durability::Now)? {
        Put::Stored => Ok(Created { repository: key.repository }),
        Put::Exists if is_ours(store, &object)? => Ok(Created { repository: key.repository }),
        Put::Exists => Err(Error::AlreadyThere { location }),
    }
}

/// Whether the config that is there is this one: then the answer to our own put was lost.
fn is_ours(store: &dyn Store, object: &[u8]) -> Result<bool> {
    let mut found = Vec::new();
    match store.get(names::CONFIG, object.len() as u64, &mut found) {
        Ok(()) => Ok(found == object),
        Err(e) if e.kind() == StoreErrorKind::TooLarge => Ok(false),
        Err(e) => Err(e.into()),
    }
}

impl Repository {
    /// Appends an entry of the owner's working key, as a session of its own would.
    pub(super) fn append(
        &mut self,
        session: SessionId,
        make: &mut dyn FnMut(&State) -> Result<Body>,
    ) -> Result<Seq> {
        self.expect_appendable()?;
        let here = &self.here;
        let make = &mut |state: &State| {
            // Others may have taken over since.
            here.expect(state)?;
            make(state)
        };
        let appended = log::append(&*self.store, &self.access, &mut self.state, session, make);
        // Also when it failed: others may have been faster, and then their entries were read.
        self.remember();
        appended
    }
}
