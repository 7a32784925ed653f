//! One small value of every kind, made from fixed keys, with its plain and its sealed form.

use crate::entries::{bodies, enrolment, entry_header, entry_sample, place};
use crate::support::*;
use esker_format::cbor::{self, Cbor, Extra};
use esker_format::checkpoint::*;
use esker_format::chunking::Profile;
use esker_format::codec::{Codec, Compressor, Decompressor};
use esker_format::config::Config;
use esker_format::content::{Content, Item, ListRoot};
use esker_format::data_key::{decapsulate, encapsulate};
use esker_format::envelope::{Header, Kind};
use esker_format::error::{FormatError, Result};
use esker_format::frame::{FrameHead, FrameKey, FrameType};
use esker_format::ids::*;
use esker_format::key::SigningKey;
use esker_format::key_material::{self, KeyMaterial, WriterMaterial};
use esker_format::list::{ListPage, ListRef};
use esker_format::log_entry::{self, Body, CheckpointEntry, Place, WriterEntry};
use esker_format::node::{self, Fidelity, Node, NodeKind, Time, Xattrs};
use esker_format::ordinals::Ordinals;
use esker_format::pack::{self, Directory};
use esker_format::page::{Entry, Page, PageRef};
use esker_format::path::MapKey;
use esker_format::recovery;
use esker_format::segment::{self, SegmentPack};
use esker_format::slot::{self, Cost};
use esker_format::snapshot::{self, Counts, Manifest, Position, Problem, Summary};

/// The passphrase of the sample slot.
pub const PASSPHRASE: &[u8] = b"correct horse";
/// As cheap as Argon2 goes.
pub const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

pub type Read = fn(&[u8]) -> Result<Vec<u8>>;

/// A value in its encoded form.
pub struct Sample {
    pub name: &'static str,
    /// The encoded value; what is sealed where the object is sealed.
    pub payload: Vec<u8>,
    /// Decodes the payload and encodes it again.
    pub again: Read,
    /// The object, and what opens it and gives the payload.
    pub object: Option<(Vec<u8>, Read)>,
}

fn plain(name: &'static str, payload: Vec<u8>, again: Read) -> Sample {
    Sample { name, payload, again, object: None }
}

fn value<T: Cbor>(name: &'static str, value: &T) -> Sample {
    plain(name, cbor::encode(value), again::<T>)
}

pub fn samples() -> Vec<Sample> {
    let mut all = vec![
        plain("header", entry_header().encode(), |b| match Header::decode(b)? {
            (header, len) if len == b.len() => Ok(header.encode()),
            _ => Err(FormatError::Length { what: "header" }),
        }),
        value("content_inline", &Content::Inline(b"inline".to_vec())),
        value("content_items", &items()),
        value("content_list", &Content::List(list_root())),
        plain("node_file", cbor::encode(&file()), again_node),
        plain("node_symlink", cbor::encode(&symlink()), again_node),
        plain("node_device", cbor::encode(&device()), again_node),
        plain("page_leaf", leaf().encode(), |b| Page::decode(b).map(|p| p.encode())),
        plain("page_inner", inner().encode(), |b| Page::decode(b).map(|p| p.encode())),
        plain("list_page_leaf", list_leaf().encode(), |b| ListPage::decode(b).map(|p| p.encode())),
        plain("list_page_inner", list_inner().encode(), |b| {
            ListPage::decode(b).map(|p| p.encode())
        }),
        plain("xattrs", node::encode_xattrs(&xattrs()), |b| {
            node::decode_xattrs(b).map(|list| node::encode_xattrs(&list))
        }),
        value("ordinals", &ordinals()),
        pack_sample(),
        segment_sample(),
        manifest_sample(),
        summary_sample(),
        config_sample(),
        checkpoint_sample(),
        slot_sample(),
        plain("key_writer", writer_material().encode().to_vec(), |b| {
            KeyMaterial::decode(b).map(|m| m.encode().to_vec())
        }),
    ];
    all.extend(bodies().into_iter().map(|(name, body)| entry_sample(name, &body)));
    all
}

fn again_node(bytes: &[u8]) -> Result<Vec<u8>> {
    node::decode_node(bytes).map(|node| cbor::encode(&node))
}

pub fn time(seconds: i64) -> Time {
    Time { seconds, nanos: 999_999_999 }
}

pub fn ordinals() -> Ordinals {
    [0, 1, 2, 7, 300].into_iter().collect()
}

pub fn xattrs() -> Vec<node::Xattr> {
    vec![(b"security.capability".to_vec(), vec![1, 0, 0, 2]), (b"user.note".to_vec(), vec![])]
}

pub fn items() -> Content {
    Content::Items(vec![
        Item::Data(chunk(1), 70_000),
        Item::Hole(1 << 33),
        Item::Zero(4096),
        Item::Lost(1),
    ])
}

pub fn list_root() -> ListRoot {
    ListRoot {
        page: chunk(2),
        page_len: 3000,
        level: 1,
        items: 2000,
        bytes: 1 << 30,
        extra: Extra::default(),
    }
}

pub fn bare(kind: NodeKind) -> Node {
    Node::bare(kind, 0o755, time(1_700_000_000))
}

pub fn file() -> Node {
    Node {
        mode: 0o4644,
        uid: 1000,
        gid: 70_000,
        user: Some(b"somebody".to_vec()),
        group: Some(b"some\xff".to_vec()),
        mtime: time(-1),
        size: Some(items().len().unwrap()),
        content: Some(items()),
        xattrs: Some(Xattrs::Inline(xattrs())),
        links: Some(scope().link_group(8, 12345)),
        fidelity: Some(Fidelity::Damaged),
        ..bare(NodeKind::File)
    }
}

pub fn symlink() -> Node {
    Node {
        target: Some(b"../else\xffwhere".to_vec()),
        xattrs: Some(Xattrs::Page(chunk(3), 5000)),
        ..bare(NodeKind::Symlink)
    }
}

pub fn device() -> Node {
    Node {
        device: Some((8, 65_536)),
        extra: extra(&[(128, 1), (300, 2)]),
        ..bare(NodeKind::BlockDevice)
    }
}

pub fn entry(path: &str, node: Node) -> Entry {
    Entry { key: MapKey::from_path(path.as_bytes()).unwrap(), node }
}

pub fn leaf() -> Page {
    Page::Leaf(vec![
        entry("/", bare(NodeKind::Directory)),
        entry("/dir", bare(NodeKind::Directory)),
        entry("/fifo", bare(NodeKind::Fifo)),
        entry("/dir/file", file()),
        entry("/dir/link", symlink()),
    ])
}

pub fn page_ref(path: &str) -> PageRef {
    let MapKey { parent, name } = MapKey::from_path(path.as_bytes()).unwrap();
    PageRef {
        parent,
        name,
        page: chunk(4),
        page_len: 32_768,
        entries: 300,
        bytes: 1 << 34,
        extra: Extra::default(),
    }
}

pub fn inner() -> Page {
    Page::Inner(2, vec![page_ref("/"), page_ref("/usr/lib/a"), page_ref("/usr/lib/b")])
}

pub fn list_leaf() -> ListPage {
    let Content::Items(items) = items() else { unreachable!() };
    ListPage::Leaf(items)
}

pub fn list_inner() -> ListPage {
    let page = |n| ListRef {
        page: chunk(n),
        page_len: 9000,
        items: 256,
        bytes: 1 << 24,
        extra: Extra::default(),
    };
    ListPage::Inner(1, vec![page(5), page(6)])
}

/// Sealed data of two frames, one compressed, with header and directory.
pub fn pack_parts() -> (Vec<u8>, Vec<u8>, Directory) {
    let mut entropy = entropy(10);
    let mut header = header(Kind::Pack);
    let key = encapsulate(&mut header, &recipients(), &mut entropy).unwrap();
    let header = header.encode();
    let frames = FrameKey::new(key, &header);
    let (mut object, mut directory) = (header.clone(), Directory::default());
    for (number, (frame_type, plain)) in
        [(FrameType::Data, vec![7; 500]), (FrameType::Page, leaf().encode())]
            .into_iter()
            .enumerate()
    {
        let mut body = Vec::new();
        let mut head = FrameHead {
            frame_type,
            codec: Compressor::default().compress(3, &plain, &mut body),
            sealed_len: 0,
            plain_len: plain.len() as u32,
            chunks: 2,
        };
        frames.seal(number as u32, &mut head, &mut body);
        object.extend_from_slice(&body);
        directory.frames.push(head);
        let (a, b) = plain.split_at(100);
        for part in [a, b] {
            let keys = scope();
            let id = match frame_type {
                FrameType::Data => keys.data_id(part),
                FrameType::Page => keys.page_id(part),
            };
            directory.chunks.push((id, part.len() as u32));
        }
    }
    object.extend(pack::encode_tail(&header, &directory, &scope().segment, &mut entropy).unwrap());
    (header, object, directory)
}

fn pack_sample() -> Sample {
    let (_, object, directory) = pack_parts();
    Sample {
        name: "pack",
        payload: directory.encode(),
        again: |b| Directory::decode(b).map(|d| d.encode()),
        object: Some((object, open_pack)),
    }
}

/// Opens a pack and all of its frames, and compares every chunk with its id.
fn open_pack(object: &[u8]) -> Result<Vec<u8>> {
    let (header, header_len, directory) = pack::decode_pack(object, &scope().segment)?;
    header.expect(Kind::Pack, REPOSITORY)?;
    let key = decapsulate(&header, &reading(), &epoch())?;
    let frames = FrameKey::new(key, &object[..header_len]);
    let (mut at, mut chunks) = (header_len, directory.chunks.iter());
    for (number, head) in directory.frames.iter().enumerate() {
        let end = at + head.sealed_len as usize;
        let (mut sealed, mut plain) = (object[at..end].to_vec(), Vec::new());
        frames.open(number as u32, head, &mut sealed, &mut Decompressor::default(), &mut plain)?;
        let mut rest = &plain[..];
        for (id, len) in chunks.by_ref().take(head.chunks as usize) {
            let (part, tail) = rest.split_at(*len as usize);
            assert!([scope().data_id(part), scope().page_id(part)].contains(id));
            rest = tail;
        }
        at = end;
    }
    Ok(directory.encode())
}

pub fn segment_pack() -> SegmentPack {
    let (header, object, directory) = pack_parts();
    SegmentPack {
        id: PackId::of(&object),
        len: object.len() as u64,
        header,
        chunks: directory.chunks.iter().map(|(id, len)| (segment::prefix(id), *len)).collect(),
        frames: directory.frames,
    }
}

fn segment_sample() -> Sample {
    let packs = [segment_pack()];
    let object =
        segment::encode_object(&header(Kind::Segment), &packs, &scope().segment, &mut entropy(11))
            .unwrap();
    Sample {
        name: "segment",
        payload: segment::encode(&packs),
        again: |b| segment::decode(b).map(|packs| segment::encode(&packs)),
        object: Some((object, |b| {
            let (header, packs) = segment::decode_object(b, &scope().segment)?;
            header.expect(Kind::Segment, REPOSITORY)?;
            Ok(segment::encode(&packs))
        })),
    }
}

pub fn summary() -> Summary {
    Summary {
        series: SeriesId::new([0x33; 16]),
        host: "host".into(),
        label: "label".into(),
        tags: vec!["a".into(), "b".into()],
        paths: vec![b"/etc".to_vec(), b"/\xff".to_vec()],
        start: time(1_700_000_000),
        end: time(1_700_000_060),
        counts: Counts { files: 2, bytes: 1 << 40, ..Counts::default() },
        problems: 1,
        base: Some(SnapshotId::new([0x44; 32])),
        position: Some(Position {
            chain: b"server uuid".to_vec(),
            timeline: Some(1),
            first: Some(b"first".to_vec()),
            last: Some(b"last".to_vec()),
            previous: None,
            transactions: None,
            first_time: Some(time(1)),
            last_time: Some(time(2)),
            extra: Extra::default(),
        }),
        requires: vec![SnapshotId::new([0x55; 32])],
        replaces: None,
        extra: extra(&[(200, 5)]),
    }
}

pub fn manifest() -> Manifest {
    Manifest {
        summary: summary(),
        root: Some(page_ref("/")),
        root_level: 2,
        profiles: vec![1],
        problems: vec![Problem {
            path: b"/lost".to_vec(),
            message: "input/output error".into(),
            extra: Extra::default(),
        }],
        program: "esker 0.1.0".into(),
        extra: Extra::default(),
    }
}

fn manifest_sample() -> Sample {
    let mut header = header(Kind::Manifest);
    let object = manifest().encode(&mut header, &recipients(), &mut entropy(12)).unwrap();
    Sample {
        name: "manifest",
        payload: cbor::encode(&manifest()),
        again: again::<Manifest>,
        object: Some((object, |b| {
            Manifest::decode(b, &reading(), &epoch()).map(|m| cbor::encode(&m))
        })),
    }
}

fn summary_sample() -> Sample {
    Sample {
        name: "summary",
        payload: cbor::encode(&summary()),
        again: again::<Summary>,
        object: Some((
            snapshot::seal_summary(&summary(), COMMIT, &scope().summary, &mut entropy(13)),
            |b| snapshot::open_summary(b, COMMIT, &scope().summary).map(|s| cbor::encode(&s)),
        )),
    }
}

fn config_sample() -> Sample {
    let config = Config {
        genesis: EntryHash::new([0x66; 32]),
        profiles: Profile::all(),
        extra: Extra::default(),
    };
    let (key, signer) = (epoch().log_key(), owner().owner_key());
    Sample {
        name: "config",
        payload: cbor::encode(&config),
        again: again::<Config>,
        object: Some((
            config.encode(&header(Kind::Config), &key, &signer, &mut entropy(14)),
            |b| {
                let owner = owner().owner_key().verification();
                Config::decode(b.to_vec(), REPOSITORY, &epoch().log_key(), &owner)
                    .map(|config| cbor::encode(&config))
            },
        )),
    }
}

pub fn checkpoint() -> Checkpoint {
    let extra = Extra::default;
    let session = |n, state| SessionRow {
        id: SessionId::new([n; 16]),
        writer: writer(),
        state,
        seq: Seq(30 + u64::from(n)),
    };
    let pack = |n, state, damaged| PackRow {
        id: PackId::new([n; 32]),
        len: 16 << 20,
        session: SESSION,
        state,
        damaged,
    };
    let mut writers = vec![
        WriterRow { entry: enrolment(), revoked: false, seq: Seq(1), extra: extra() },
        WriterRow {
            entry: WriterEntry { key: stranger().verification(), ..enrolment() },
            revoked: true,
            seq: Seq(2),
            extra: extra(),
        },
    ];
    writers.sort_by_key(|row| row.entry.key.writer());
    Checkpoint {
        seq: Seq(41),
        head: LogHead::new([0x77; 32]),
        owner: owner().owner_key().verification(),
        epoch: EPOCH,
        writers,
        packs: [
            pack(1, PackState::Live, false),
            pack(2, PackState::Marked, true),
            pack(3, PackState::Deleting, false),
        ]
        .into_iter()
        .collect(),
        segments: vec![SegmentRow { id: SegmentId::new([4; 32]), scope: SCOPE, extra: extra() }],
        snapshots: vec![SnapshotRow {
            id: SnapshotId::new([5; 32]),
            seq: Seq(40),
            scope: SCOPE,
            session: SESSION,
            set: [0, 1].into_iter().collect(),
            summary: b"sealed".to_vec(),
            forgotten: true,
            held: false,
            damaged: true,
            added: vec!["daily".into()],
            removed: vec!["new".into()],
            extra: extra(),
        }],
        sessions: [
            session(1, SessionState::Open),
            session(2, SessionState::Committed),
            session(3, SessionState::Aborted),
        ]
        .into_iter()
        .collect(),
        tokens: [2, 1].map(|n| Token::new([n; 16])).into_iter().collect(),
        holder: Some("host".into()),
        entry: EntryHash::new([0x78; 32]),
        holds: vec![HoldRow {
            session: SessionId::new([1; 16]),
            set: [0].into_iter().collect(),
            extra: extra(),
        }],
        append: vec![1],
        collect: vec![1, 2],
        named: vec![CheckpointEntry {
            checkpoint: CheckpointId::new([0xdd; 32]),
            at: Seq(20),
            extra: extra(),
        }],
        extra: extra(),
    }
}

/// The entry that the owner enrolled the signer with.
pub fn enrolment_object() -> Vec<u8> {
    enrolled(&enrolment(), &owner().owner_key())
}

/// An entry 1 that enrols a writer.
pub fn enrolled(entry: &WriterEntry, by: &SigningKey) -> Vec<u8> {
    let writer = by.verification().writer();
    let session = SessionId::new([0; 16]);
    let place = Place { seq: Seq(1), writer, scope: 0, ..place(session) };
    let body = Body::Writer(entry.clone());
    log_entry::encode(&place, &body, &epoch().log_key(), by, &mut entropy(16))
}

fn checkpoint_sample() -> Sample {
    let header = Header { seq: 41, ..header(Kind::Checkpoint) };
    let (key, enrolment) = (epoch().log_key(), enrolment_object());
    let object = checkpoint().encode(header, enrolment, &key, &signer(), &mut entropy(15));
    Sample {
        name: "checkpoint",
        payload: cbor::encode(&checkpoint()),
        again: again::<Checkpoint>,
        object: Some((object.unwrap(), |b| {
            let owner = owner().owner_key().verification();
            Checkpoint::decode(b.to_vec(), REPOSITORY, &epoch().log_key(), &owner)
                .map(|checkpoint| cbor::encode(&checkpoint))
        })),
    }
}

pub fn owner_material() -> KeyMaterial {
    KeyMaterial::owner(REPOSITORY, &owner())
}

pub fn writer_material() -> KeyMaterial {
    KeyMaterial::Writer(WriterMaterial {
        repository: REPOSITORY,
        scope: SCOPE,
        scope_secret: owner().scope(SCOPE).0,
        epoch: EPOCH,
        epoch_secret: epoch().0,
        reading: reading().public(),
        owner: owner().owner_key().verification(),
        signing: signer().0,
        extra: Extra::default(),
    })
}

fn slot_sample() -> Sample {
    let header = header(Kind::Slot);
    let object =
        slot::encode(header, &owner_material(), PASSPHRASE, CHEAP, &mut entropy(16)).unwrap();
    Sample {
        name: "slot",
        payload: owner_material().encode().to_vec(),
        again: |b| KeyMaterial::decode(b).map(|m| m.encode().to_vec()),
        object: Some((object, |b| slot::decode(b, PASSPHRASE).map(|m| m.encode().to_vec()))),
    }
}

/// The text of a key file without its remarks.
pub fn key_file_line() -> String {
    let text = key_material::encode_file(&writer_material());
    text.lines().last().unwrap().to_owned()
}

pub fn recovery_text() -> String {
    recovery::encode(&owner()).to_string()
}

/// A frame's head for what is not compressed.
pub fn raw_frame(len: u32, chunks: u32) -> FrameHead {
    FrameHead {
        frame_type: FrameType::Data,
        codec: Codec::Raw,
        sealed_len: len + 16,
        plain_len: len,
        chunks,
    }
}
