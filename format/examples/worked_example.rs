//! Prints the worked example of `docs/format.md`: small objects made from fixed keys.
//!
//! A test compares the document with what this makes, so neither can change alone.

use esker_format::codec::Codec;
use esker_format::content::Content;
use esker_format::data_key::{Recipients, encapsulate};
use esker_format::envelope::{Header, Kind};
use esker_format::frame::{FrameHead, FrameKey, FrameType};
use esker_format::ids::{EntryHash, LogHead, Named, PackId, RepositoryId, Seq, SessionId, Token};
use esker_format::key::OwnerSecret;
use esker_format::key_material::{KeyMaterial, encode_file};
use esker_format::log_entry::{Body, Genesis, Place, encode};
use esker_format::node::{Node, NodeKind, Time};
use esker_format::pack::{Directory, encode_tail};
use esker_format::page::{Entry, Page};
use esker_format::path::MapKey;
use esker_format::secret::{Entropy, Secret};
use esker_format::{cbor, recovery};
use std::fmt::Write as _;
use std::io::Write as _;

fn main() -> std::io::Result<()> {
    let mut out = String::new();
    for (name, bytes) in parts() {
        let _ = writeln!(out, "{name}:");
        for line in bytes.chunks(32) {
            let _ = writeln!(out, "{}", hex(line));
        }
    }
    let _ = write!(out, "{}\n{}", recovery::encode(&owner()).as_str(), key_file());
    std::io::stdout().write_all(out.as_bytes())
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The bytes 00 to 1f.
pub fn owner() -> OwnerSecret {
    let mut secret = [0; 32];
    (0..).zip(&mut secret).for_each(|(i, byte)| *byte = i);
    OwnerSecret(Secret::new(secret))
}

/// The text of the key file, with its remarks.
pub fn key_file() -> String {
    encode_file(&KeyMaterial::owner(repository(), &owner())).to_string()
}

fn repository() -> RepositoryId {
    RepositoryId::new([0x10; 16])
}

/// Every part of the example: name and bytes.
pub fn parts() -> Vec<(&'static str, Vec<u8>)> {
    let mut out = keys();
    let header = header(Kind::Pack, SessionId::new([0x33; 16]));
    out.push(("header", header.encode()));
    let node = node(NodeKind::File, 0o644, Some(b"hello\n"));
    out.push(("node", cbor::encode(&node)));
    let root = Entry { key: MapKey::root(), node: self::node(NodeKind::Directory, 0o755, None) };
    let name = b"hello".to_vec();
    let file = Entry { key: MapKey { parent: vec![], name }, node };
    let page = Page::Leaf(vec![root, file]).encode();
    out.push(("leaf page", page.clone()));
    out.extend(pack(header, &page));
    out.extend(genesis());
    out
}

fn keys() -> Vec<(&'static str, Vec<u8>)> {
    let owner = owner();
    let (scope, epoch) = (owner.scope(0), owner.epoch(0));
    let scope_key = |context| scope.0.derive(context, &[]).expose().to_vec();
    let reading = owner.reading_key(0).public();
    let verification = owner.owner_key().verification();
    vec![
        ("owner secret", owner.0.expose().to_vec()),
        ("owner signing key", owner.owner_key().0.expose().to_vec()),
        ("owner verification key", verification.0.to_vec()),
        ("owner writer id", verification.writer().as_bytes().to_vec()),
        ("working verification key", owner.working_key().verification().0.to_vec()),
        ("scope secret 0", scope.0.expose().to_vec()),
        ("data id key", scope_key("esker 0 chunk id data")),
        ("page id key", scope_key("esker 0 chunk id page")),
        ("segment key", scope_key("esker 0 segment key")),
        ("gear table, first word", scope.keys().gear[0].to_le_bytes().to_vec()),
        ("epoch secret 0", epoch.0.expose().to_vec()),
        ("log key", epoch.log_key().expose().to_vec()),
        ("pre-shared key", epoch.pre_shared_key().expose().to_vec()),
        ("public reading key", reading.0.to_vec()),
        ("short id of the reading key", reading.short().to_vec()),
    ]
}

fn header(kind: Kind, session: SessionId) -> Header {
    Header {
        kind,
        flags: 0,
        repository: repository(),
        scope: 0,
        epoch: 0,
        writer: owner().working_key().verification().writer(),
        session,
        seq: 0,
        tlvs: vec![],
    }
}

fn node(kind: NodeKind, mode: u32, content: Option<&[u8]>) -> Node {
    Node {
        kind,
        mode,
        uid: 0,
        gid: 1000,
        user: Some(b"root".to_vec()),
        group: None,
        mtime: Time { seconds: 1_700_000_000, nanos: 5 },
        size: content.map(|bytes| bytes.len() as u64),
        content: content.map(|bytes| Content::Inline(bytes.to_vec())),
        target: None,
        device: None,
        xattrs: None,
        links: None,
        fidelity: None,
        extra: cbor::Extra::default(),
    }
}

/// A pack with one frame that holds one page.
fn pack(mut header: Header, page: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let owner = owner();
    let keys = owner.scope(0).keys();
    let to = Recipients { keys: vec![owner.reading_key(0).public()], epoch: owner.epoch(0) };
    let key = encapsulate(&mut header, &to, &mut Entropy::new([1; 32]));
    let key = key.unwrap_or_else(|_| unreachable!("the key is a point of the curve"));
    let header = header.encode();
    let (mut body, plain_len) = (page.to_vec(), page.len() as u32);
    let (frame_type, codec) = (FrameType::Page, Codec::Raw);
    let mut head = FrameHead { frame_type, codec, sealed_len: 0, plain_len, chunks: 1 };
    FrameKey::new(key.clone(), &header).seal(0, &mut head, &mut body);
    let id = keys.page_id(page);
    let directory = Directory { frames: vec![head], chunks: vec![(id, plain_len)] };
    let tail = encode_tail(&header, &directory, &keys.segment, &mut Entropy::new([2; 32])).unwrap();
    let pack = [&header[..], &body, &tail].concat();
    vec![
        ("page id", id.as_bytes().to_vec()),
        ("data key", key.expose().to_vec()),
        ("directory", directory.encode()),
        ("pack id", PackId::of(&pack).as_bytes().to_vec()),
        ("pack", pack),
    ]
}

/// Log entry 0: its body before sealing, and the object.
fn genesis() -> Vec<(&'static str, Vec<u8>)> {
    let owner = owner();
    let signer = owner.owner_key();
    let body = Body::Genesis(Genesis {
        owner: signer.verification(),
        time: Time { seconds: 1_700_000_000, nanos: 0 },
        holder: None,
        program: "example".into(),
        extra: cbor::Extra::default(),
    });
    let place = Place {
        repository: repository(),
        seq: Seq(0),
        previous: LogHead::START,
        token: Token::new([0x44; 16]),
        writer: signer.verification().writer(),
        scope: 0,
        epoch: 0,
        session: SessionId::new([0; 16]),
    };
    let log_key = owner.epoch(0).log_key();
    let object = encode(&place, &body, &log_key, &signer, &mut Entropy::new([3; 32]));
    let head = LogHead::START.then(EntryHash::of(&object));
    vec![
        ("genesis body", cbor::encode(&body)),
        ("genesis entry", object),
        ("head of the log", head.as_bytes().to_vec()),
    ]
}
