//! What somebody can put into a store who has the key of a writer and no manners.

use crate::support::Home;
use esker_format::envelope::{Header, Kind};
use esker_format::ids::{EntryHash, LogHead, Named, SegmentId, Seq, SessionId, SnapshotId, Token};
use esker_format::key::{OwnerSecret, ScopeKeys, SigningKey};
use esker_format::key_material::{KeyMaterial, WriterMaterial, decode_file};
use esker_format::log_entry::{self, Body, Place};
use esker_format::names;
use esker_format::secret::Entropy;
use esker_format::segment::{self, SegmentPack};
use esker_format::snapshot::Summary;
use std::path::{Path, PathBuf};

/// The thief of a writer's key.
pub struct Thief {
    repository: PathBuf,
    pub material: WriterMaterial,
    pub keys: ScopeKeys,
    entropy: Entropy,
}

impl Thief {
    pub fn new(home: &Home, key: &Path) -> Self {
        let text = std::fs::read_to_string(key).unwrap();
        let Ok(KeyMaterial::Writer(material)) = decode_file(&text) else { panic!("no writer") };
        let keys = material.scope_keys().keys();
        // Two thieves draw different tokens.
        let entropy = Entropy::new(*blake3::hash(text.as_bytes()).as_bytes());
        Self { repository: home.repository(), material, keys, entropy }
    }

    pub fn session(&mut self) -> SessionId {
        SessionId::new(self.entropy.take())
    }

    /// The number of entries in the log, and its head.
    pub fn end(&self) -> (Seq, LogHead) {
        let (mut seq, mut head) = (Seq(0), LogHead::START);
        while let Ok(object) = std::fs::read(self.repository.join(names::entry(seq))) {
            head = head.then(EntryHash::of(&object));
            seq = Seq(seq.0 + 1);
        }
        (seq, head)
    }

    /// Signs an entry and puts it at the end of the log; returns its number.
    pub fn append(&mut self, session: SessionId, body: &Body) -> u64 {
        let signer = SigningKey(self.material.signing.clone());
        let (seq, previous) = self.end();
        let place = Place {
            repository: self.material.repository,
            seq,
            previous,
            token: Token::new(self.entropy.take()),
            writer: signer.verification().writer(),
            scope: self.material.scope,
            epoch: self.material.epoch,
            session,
        };
        let log_key = self.material.epoch_keys().log_key();
        let object = log_entry::encode(&place, body, &log_key, &signer, &mut self.entropy);
        self.put(&names::entry(seq), &object);
        seq.0
    }

    /// The header of an object that it makes.
    pub fn header(&self, kind: Kind, session: SessionId) -> Header {
        Header {
            kind,
            flags: 0,
            repository: self.material.repository,
            scope: self.material.scope,
            epoch: self.material.epoch,
            writer: SigningKey(self.material.signing.clone()).verification().writer(),
            session,
            seq: 0,
            tlvs: Vec::new(),
        }
    }

    pub fn put_manifest(&mut self, object: &[u8]) -> SnapshotId {
        let id = SnapshotId::of(object);
        self.put(&names::manifest(id), object);
        id
    }

    /// A segment of its scope with these rows.
    pub fn put_segment(&mut self, session: SessionId, packs: &[SegmentPack]) -> SegmentId {
        let header = self.header(Kind::Segment, session);
        let key = &self.keys.segment;
        let object = segment::encode_object(&header, packs, key, &mut self.entropy).unwrap();
        let id = SegmentId::of(&object);
        self.put(&names::segment(id), &object);
        id
    }

    pub fn summary(&mut self, summary: &Summary, session: SessionId) -> Vec<u8> {
        let repository = self.material.repository;
        let of = esker_format::snapshot::SummaryOf { repository, session };
        esker_format::snapshot::seal_summary(summary, of, &self.keys.summary, &mut self.entropy)
    }

    pub fn entropy(&mut self) -> &mut Entropy {
        &mut self.entropy
    }

    pub fn put(&self, name: &str, object: &[u8]) {
        let path = self.repository.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, object).unwrap();
    }
}

/// The owner's secret, as the key file of a home has it.
pub fn secret(home: &Home) -> OwnerSecret {
    let text = std::fs::read_to_string(home.path("config/esker/key")).unwrap();
    let Ok(KeyMaterial::Owner(owner)) = decode_file(&text) else { panic!("no owner") };
    OwnerSecret(owner.secret)
}
