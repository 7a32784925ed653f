//! A repository of made-up objects.

use super::super::{Error, Progress, Report, Request, apply, plan};
use crate::store::{Durability, MemoryStore, Store};
use esker_format::envelope::{FLAG_DELETES, Header, Kind, TAG_PREVIOUS};
use esker_format::ids::{
    CheckpointId, EntryHash, LogHead, Named, PackId, RepositoryId, SegmentId, Seq, SessionId,
    SnapshotId, WriterId,
};
use esker_format::key::SigningKey;
use esker_format::secret::{Entropy, Secret};
use esker_format::{names, signed};
use std::sync::atomic::AtomicBool;

/// A repository with a log, whose entries each bring a pack, a segment and a manifest.
pub struct Scene {
    pub store: MemoryStore,
    pub repository: RepositoryId,
    pub next: u64,
    /// The log so far.
    head: LogHead,
    entropy: Entropy,
}

impl Scene {
    /// A repository with so many entries.
    pub fn new(entries: u64) -> Self {
        Self::with(1, entries)
    }

    /// Another one.
    pub fn with(number: u8, entries: u64) -> Self {
        let repository = RepositoryId::new([number; 16]);
        let entropy = Entropy::new([number; 32]);
        let mut scene =
            Self { store: MemoryStore::new(), repository, next: 0, head: LogHead::START, entropy };
        let config = scene.signed(&scene.header(Kind::Config, 0), b"config");
        scene.put(names::CONFIG, &config);
        let slot = scene.header(Kind::Slot, 0);
        scene.put(&names::slot(slot.session), &[&slot.encode()[..], b"sealed"].concat());
        for n in 0..entries {
            scene.save(&n.to_le_bytes());
        }
        scene
    }

    pub fn header(&self, kind: Kind, seq: u64) -> Header {
        Header {
            kind,
            flags: 0,
            repository: self.repository,
            scope: 0,
            epoch: 0,
            writer: WriterId::new([2; 16]),
            session: SessionId::new([3; 16]),
            seq,
            tlvs: Vec::new(),
        }
    }

    fn signed(&mut self, header: &Header, payload: &[u8]) -> Vec<u8> {
        let (key, signer) = (Secret::new([4; 32]), SigningKey(Secret::new([5; 32])));
        signed::encode(header, payload, &key, &signer, &mut self.entropy)
    }

    fn put(&self, name: &str, object: &[u8]) {
        let _ = self.store.put_new(name, &[object], Durability::Now).unwrap();
    }

    fn object(&self, kind: Kind, content: &[u8]) -> Vec<u8> {
        [&self.header(kind, 0).encode()[..], content].concat()
    }

    /// Puts a pack of its own, and returns its name.
    pub fn pack(&self, content: &[u8]) -> String {
        let pack = self.object(Kind::Pack, content);
        let name = names::pack(PackId::of(&pack));
        self.put(&name, &pack);
        name
    }

    /// One more snapshot: pack, segment, manifest, and the entry that names them.
    pub fn save(&mut self, content: &[u8]) {
        self.pack(content);
        let segment = self.object(Kind::Segment, content);
        self.put(&names::segment(SegmentId::of(&segment)), &segment);
        let manifest = self.object(Kind::Manifest, content);
        self.put(&names::manifest(SnapshotId::of(&manifest)), &manifest);
        self.append(content, false);
    }

    /// One more entry.
    pub fn append(&mut self, content: &[u8], deletes: bool) {
        let entry = self.entry(content, deletes);
        self.put(&names::entry(Seq(self.next)), &entry);
        self.head = self.head.then(EntryHash::of(&entry));
        self.next += 1;
    }

    /// The object of an entry that would be next.
    pub fn entry(&mut self, content: &[u8], deletes: bool) -> Vec<u8> {
        let mut header = self.header(Kind::Entry, self.next);
        header.flags = if deletes { FLAG_DELETES } else { 0 };
        header.tlvs.push((TAG_PREVIOUS, self.head.as_bytes().to_vec()));
        self.signed(&header, content)
    }

    /// Puts a checkpoint of the state after an entry, and returns its name.
    pub fn checkpoint(&mut self, seq: u64) -> String {
        let checkpoint = self.signed(&self.header(Kind::Checkpoint, seq), b"state");
        let name = names::checkpoint(Seq(seq), CheckpointId::of(&checkpoint));
        self.put(&name, &checkpoint);
        name
    }
}

/// Plans and carries out.
pub fn sync(source: &dyn Store, destination: &dyn Store) -> Result<Report, Error> {
    let plan = plan(source, destination)?;
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    apply(source, destination, plan, Request { threads: 2 }, &progress, &stop)
}

/// All names in a store but the mark, in order.
pub fn names_of(store: &dyn Store) -> Vec<String> {
    let mut names = Vec::new();
    store.list("", &mut |listed| names.push(listed.name)).unwrap();
    names.retain(|name| name != names::MIRROR);
    names.sort();
    names
}

/// Holds that a copy has the same objects as its source.
#[track_caller]
pub fn same(source: &dyn Store, copy: &dyn Store) {
    assert_eq!(names_of(source), names_of(copy));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for name in names_of(source) {
        source.get(&name, u64::MAX, &mut ours).unwrap();
        copy.get(&name, u64::MAX, &mut theirs).unwrap();
        assert!(ours == theirs, "{name}");
    }
}

/// Holds that the copy has all objects of the source, if its log shows anything at all of it.
#[track_caller]
pub fn whole_if_shown(source: &dyn Store, copy: &dyn Store, before: u64) {
    let mut entries = 0;
    while copy.size(&names::entry(Seq(entries))).unwrap().is_some() {
        entries += 1;
    }
    if entries == before {
        return;
    }
    let there = names_of(copy);
    for name in names_of(source).iter().filter(|name| !name.starts_with("checkpoint/")) {
        assert!(there.contains(name), "{entries} entries are shown, and {name} is not there");
    }
}
