//! A small log, and entries for it that may be wrong in one way.

use crate::repository::access::Access;
use crate::repository::error::{Error, Result};
use crate::repository::log;
use crate::repository::state::State;
use crate::repository::{NewKey, create};
use crate::store::{Durability, MemoryStore, Store};
use esker_format::cbor::{self, Extra};
use esker_format::envelope::{FLAG_DELETES, Header, Kind, TAG_PREVIOUS, TAG_TOKEN};
use esker_format::ids::{PackId, Seq, SessionId, SnapshotId};
use esker_format::key::{OwnerSecret, SigningKey};
use esker_format::key_material::KeyMaterial;
use esker_format::log_entry::{Add, Body, Commit, PackAdd, ROLE_APPEND, Snapshots, WriterEntry};
use esker_format::names;
use esker_format::node::Time;
use esker_format::ordinals::Ordinals;
use esker_format::secret::{Entropy, Secret};
use esker_format::signed;

/// The session of most entries here.
pub const RUN: SessionId = SessionId::new(*b"session of a run");

/// A repository whose log has three entries: genesis, and the enrolments of the owner's working
/// key and of a host that may only append.
pub struct Log {
    pub store: MemoryStore,
    pub access: Access,
    pub secret: OwnerSecret,
    pub key: NewKey,
}

/// The parts of an entry, right until a test changes them.
pub struct Forged {
    pub header: Header,
    pub payload: Vec<u8>,
    pub signer: SigningKey,
    pub log_key: Secret,
}

impl Log {
    pub fn new() -> Self {
        let key = NewKey::from(&mut Entropy::new([7; 32]));
        let KeyMaterial::Owner(material) = key.material() else { unreachable!() };
        let (store, time) = (MemoryStore::new(), Time { seconds: 0, nanos: 0 });
        create(&store, &key, None, time, "a test", &mut Entropy::new([8; 32])).unwrap();
        let secret = || OwnerSecret(material.secret.clone());
        let access = Access::owner(material.repository, secret());
        let log = Self { store, access, secret: secret(), key };
        log.put(log.owners(&enrol(&host(), 0, ROLE_APPEND)));
        log
    }

    pub fn replayed(&self) -> Result<State> {
        let mut state = State::new(self.access.owner_key);
        log::replay(&self.store, &self.access, &mut state).map(|_| state)
    }

    pub fn state(&self) -> State {
        self.replayed().unwrap()
    }

    /// An entry of the working key for the end of the log.
    pub fn forge(&self, body: &Body) -> Forged {
        let state = self.state();
        let header = Header {
            kind: Kind::Entry,
            flags: if body.deletes() { FLAG_DELETES } else { 0 },
            repository: self.access.repository,
            scope: 0,
            epoch: 0,
            writer: self.access.writer,
            session: match body {
                Body::Add(add) => add.session,
                Body::Commit(commit) => commit.session,
                _ => SessionId::new([0; 16]),
            },
            seq: state.next().0,
            tlvs: vec![
                (TAG_PREVIOUS, state.previous().as_bytes().to_vec()),
                (TAG_TOKEN, vec![state.next().0 as u8; 16]),
            ],
        };
        let (signer, log_key) = (self.access.signer.clone(), self.access.log_key.clone());
        Forged { header, payload: cbor::encode(body), signer, log_key }
    }

    /// The same, of the owner's own key.
    pub fn owners(&self, body: &Body) -> Forged {
        self.forge(body).by(&self.secret.owner_key())
    }

    /// Puts it at the end of the log.
    pub fn put(&self, forged: Forged) {
        self.put_bytes(self.state().next(), &forged.bytes());
    }

    /// Puts any bytes at a number, in place of what is there.
    pub fn put_bytes(&self, seq: Seq, bytes: &[u8]) {
        self.remove(seq.0);
        let put = self.store.put_new(&names::entry(seq), &[bytes], Durability::Now);
        assert!(put.is_ok());
    }

    pub fn remove(&self, seq: u64) {
        self.store.delete(&names::entry(Seq(seq))).unwrap();
    }

    pub fn get(&self, seq: u64) -> Vec<u8> {
        log::read_entry(&self.store, Seq(seq)).unwrap().unwrap()
    }

    /// Appends as the program does.
    pub fn append(&self, session: SessionId, body: &Body) -> Result<Seq> {
        let mut state = self.replayed()?;
        let make = &mut |_: &State| Ok(body.clone());
        log::append(&self.store, &self.access, &mut state, session, make)
    }

    /// Holds that it is void as entry 3 for this reason, and that what is behind it counts.
    #[track_caller]
    pub fn is_void(&self, forged: Forged, why: &str) {
        self.bytes_are_void(&forged.bytes(), why);
    }

    #[track_caller]
    pub fn bytes_are_void(&self, bytes: &[u8], why: &str) {
        self.put_bytes(Seq(3), bytes);
        let state = self.state();
        let void: Vec<_> = state.void.iter().map(|r| (r.seq, r.why.as_str())).collect();
        assert_eq!(void, [(Seq(3), why)]);
        assert!(state.not_understood.is_empty() && state.sessions.is_empty());
        self.put(self.forge(&add()));
        assert!(self.state().sessions.contains_key(&RUN), "{why}");
        self.remove(4);
        self.remove(3);
    }

    /// Why the last entry is void; none when it is not.
    pub fn broken(&self) -> Option<String> {
        let state = self.state();
        let last = state.head.unwrap().seq;
        state.void.into_iter().find(|r| r.seq == last).map(|r| r.why)
    }

    /// What replaying these bytes as entry 3 ends with.
    #[track_caller]
    pub fn stop(&self, bytes: &[u8]) -> Error {
        self.put_bytes(Seq(3), bytes);
        let mut state = State::new(self.access.owner_key);
        let error = log::replay(&self.store, &self.access, &mut state).unwrap_err();
        assert_eq!(state.next(), Seq(3), "what is before it has been folded in");
        error
    }
}

impl Forged {
    pub fn by(mut self, signer: &SigningKey) -> Self {
        self.header.writer = signer.verification().writer();
        self.signer = signer.clone();
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut entropy = Entropy::new([self.header.seq as u8; 32]);
        signed::encode(&self.header, &self.payload, &self.log_key, &self.signer, &mut entropy)
    }
}

/// These bytes with a checksum that fits them.
pub fn summed(mut object: Vec<u8>) -> Vec<u8> {
    let end = object.len() - 32;
    let checksum = blake3::hash(&object[..end]);
    object[end..].copy_from_slice(checksum.as_bytes());
    object
}

/// The host that may only append.
pub fn host() -> SigningKey {
    SigningKey(Secret::new([5; 32]))
}

/// A key that the log does not know.
pub fn stranger() -> SigningKey {
    SigningKey(Secret::new([6; 32]))
}

pub fn enrol(key: &SigningKey, scope: u32, roles: u32) -> Body {
    let key = key.verification();
    Body::Writer(WriterEntry { key, scope, roles, name: "x".into(), extra: Extra::default() })
}

pub fn add() -> Body {
    add_of(RUN, &[])
}

pub fn pack(n: u8) -> PackAdd {
    PackAdd { id: PackId::new([n; 32]), len: 100, session: None, extra: Extra::default() }
}

pub fn add_of(session: SessionId, packs: &[PackAdd]) -> Body {
    let (packs, hold) = (packs.to_vec(), Ordinals::default());
    Body::Add(Add { session, segments: vec![], packs, hold, extra: Extra::default() })
}

pub fn commit() -> Commit {
    Commit {
        session: RUN,
        manifest: SnapshotId::new([1; 32]),
        segments: vec![],
        packs: vec![],
        bases: vec![],
        set: Ordinals::default(),
        set_object: None,
        summary: vec![],
        extra: Extra::default(),
    }
}

/// A kind that this version knows and does not carry out.
/// What is void where it may be signed: there is no such snapshot.
pub fn forget() -> Body {
    let snapshots = vec![SnapshotId::new([9; 32])];
    Body::Forget(Snapshots { snapshots, reason: None, extra: Extra::default() })
}
