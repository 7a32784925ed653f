//! Writes a small complete repository, made by hand from fixed keys, into a folder: every kind of
//! node, content and page, a map of three levels, void entries, a forgotten snapshot. Readers are
//! tested against it.
//!
//! `cargo run -p esker-format --example golden_repository OUT_DIR` writes `OUT_DIR/repository`,
//! `owner.key`, `writer.key`, `recovery.txt` and `passphrase.txt`. The same bytes every time; those
//! of tests/golden are made so.

use esker_format::cbor::Extra;
use esker_format::chunking::Profile;
use esker_format::codec::Compressor;
use esker_format::config::Config;
use esker_format::content::{Content, Item};
use esker_format::data_key::{Recipients, encapsulate};
use esker_format::envelope::{Header, Kind};
use esker_format::frame::{FrameHead, FrameKey, FrameType};
use esker_format::ids::*;
use esker_format::key::*;
use esker_format::key_material::{KeyMaterial, WriterMaterial, encode_file};
use esker_format::limits::PAGE_ENTRIES_MIN;
use esker_format::list::ListBuilder;
use esker_format::log_entry::*;
use esker_format::map_builder::MapBuilder;
use esker_format::node::{Fidelity, Node, NodeKind, Time, Xattrs, encode_xattrs};
use esker_format::ordinals::Ordinals;
use esker_format::pack::{Directory, encode_tail};
use esker_format::page::{Entry, PageRef};
use esker_format::path::MapKey;
use esker_format::secret::{Entropy, Secret};
use esker_format::segment::{self, SegmentPack, prefix};
use esker_format::snapshot::{Counts, Manifest, Problem, Summary, SummaryOf, seal_summary};
use esker_format::{FormatError, names, recovery, slot};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

/// What each step gives.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Small files beside the special ones.
const MANY: u64 = 64 * 64 + 64;

fn main() -> Outcome<()> {
    let out = std::env::args_os().nth(1).ok_or("which folder?")?;
    Golden::new(Path::new(&out)).write()
}

/// The repository being written.
pub struct Golden {
    out: PathBuf,
    owner: OwnerSecret,
    repository: RepositoryId,
    keys: ScopeKeys,
    drawn: Cell<u8>,
    previous: LogHead,
    seq: u64,
}

impl Golden {
    /// One that goes into a folder.
    pub fn new(out: &Path) -> Self {
        let owner = OwnerSecret(Secret::new([0x42; 32]));
        Self {
            out: out.to_owned(),
            keys: owner.scope(0).keys(),
            owner,
            repository: RepositoryId::new(*b"golden repo no.0"),
            drawn: Cell::new(0),
            previous: LogHead::START,
            seq: 0,
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn write(&mut self) -> Outcome<()> {
        let (owner, working) = (self.owner.owner_key(), self.owner.working_key());
        let host = SigningKey(Secret::new([7; 32]));
        self.put_keys(&host)?;

        let genesis = self.append(&owner, None, Body::Genesis(genesis(&owner)))?;
        self.put_config(genesis, &owner)?;
        self.append(&owner, None, Body::Writer(enrol(&working, 15, "owner")))?;
        self.append(&owner, None, Body::Writer(enrol(&host, ROLE_APPEND, "host")))?;
        // Void: only the owner's key enrols.
        let intruder = SigningKey(Secret::new([9; 32]));
        self.append(&working, None, Body::Writer(enrol(&intruder, 15, "intruder")))?;

        let session = SessionId::new([0xa1; 16]);
        let (mut data, mut pages) = (Pack::new(FrameType::Data), Pack::new(FrameType::Page));
        let root = self.tree(&mut data, &mut pages)?;
        let (data_segment, data_pack) = self.put_pack(data, session)?;
        let (page_segment, page_pack) = self.put_pack(pages, session)?;
        self.append(
            &working,
            Some(session),
            Body::Add(Add {
                session,
                segments: vec![data_segment],
                packs: vec![data_pack],
                hold: Ordinals::default(),
                extra: Extra::default(),
            }),
        )?;
        let (body, first) = self.commit(session, root, vec![page_segment], vec![page_pack])?;
        self.append(&working, Some(session), body)?;

        let session = SessionId::new([0xa2; 16]);
        let (body, second) = self.commit(session, None, vec![], vec![])?;
        self.append(&host, Some(session), body)?;
        self.append(
            &working,
            None,
            Body::Note(Note {
                snapshot: first,
                add: vec!["kept".into()],
                remove: vec!["first".into()],
                text: Some("made by hand".into()),
                extra: Extra::default(),
            }),
        )?;
        let forget = || Snapshots { snapshots: vec![first], reason: None, extra: Extra::default() };
        // Void: the host may only append.
        self.append(&host, None, Body::Forget(forget()))?;
        self.append(
            &working,
            None,
            Body::Forget(Snapshots { snapshots: vec![second], ..forget() }),
        )?;
        Ok(())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Outcome<()> {
        let path = self.out.join("repository").join(name);
        fs::create_dir_all(path.parent().ok_or("a name without a folder")?)?;
        Ok(fs::write(path, bytes)?)
    }

    /// A fresh seed for each call, and the same ones in each run.
    fn draw(&self) -> Entropy {
        self.drawn.set(self.drawn.get() + 1);
        Entropy::new([self.drawn.get(); 32])
    }

    fn header(&self, kind: Kind, writer: &SigningKey, session: SessionId) -> Header {
        Header {
            kind,
            flags: 0,
            repository: self.repository,
            scope: 0,
            epoch: 0,
            writer: writer.verification().writer(),
            session,
            seq: 0,
            tlvs: vec![],
        }
    }

    fn put_keys(&self, host: &SigningKey) -> Outcome<()> {
        let material = KeyMaterial::owner(self.repository, &self.owner);
        let writer = KeyMaterial::Writer(WriterMaterial {
            repository: self.repository,
            scope: 0,
            scope_secret: self.owner.scope(0).0,
            epoch: 0,
            epoch_secret: self.owner.epoch(0).0,
            reading: self.owner.reading_key(0).public(),
            owner: self.owner.owner_key().verification(),
            signing: host.0.clone(),
            extra: Extra::default(),
        });
        fs::create_dir_all(&self.out)?;
        fs::write(self.out.join("owner.key"), encode_file(&material).as_bytes())?;
        fs::write(self.out.join("writer.key"), encode_file(&writer).as_bytes())?;
        fs::write(self.out.join("recovery.txt"), recovery::encode(&self.owner).as_bytes())?;
        fs::write(self.out.join("passphrase.txt"), "a golden passphrase")?;
        let id = SessionId::new([0x5a; 16]);
        let header = self.header(Kind::Slot, &self.owner.owner_key(), id);
        // Cheap on purpose; real slots use `Cost::RECOMMENDED`.
        let cost = slot::Cost { memory_kib: 64, passes: 1, lanes: 2 };
        let entropy = &mut self.draw();
        let object = slot::encode(header, &material, b"a golden passphrase", cost, entropy)?;
        self.put(&names::slot(id), &object)
    }

    fn put_config(&self, genesis: EntryHash, owner: &SigningKey) -> Outcome<()> {
        let header = self.header(Kind::Config, owner, SessionId::new([0; 16]));
        let config = Config { genesis, profiles: Profile::all(), extra: Extra::default() };
        let log_key = self.owner.epoch(0).log_key();
        let object = config.encode(&header, &log_key, owner, &mut self.draw());
        self.put(names::CONFIG, &object)
    }

    fn append(
        &mut self,
        signer: &SigningKey,
        session: Option<SessionId>,
        body: Body,
    ) -> Outcome<EntryHash> {
        let place = Place {
            repository: self.repository,
            seq: Seq(self.seq),
            previous: self.previous,
            token: Token::new([self.seq as u8; 16]),
            writer: signer.verification().writer(),
            scope: 0,
            epoch: 0,
            session: session.unwrap_or(SessionId::new([0; 16])),
        };
        let log_key = self.owner.epoch(0).log_key();
        let object = encode(&place, &body, &log_key, signer, &mut self.draw());
        self.put(&names::entry(place.seq), &object)?;
        let hash = EntryHash::of(&object);
        self.previous = self.previous.then(hash);
        self.seq += 1;
        Ok(hash)
    }

    /// Stores a pack and the segment that describes it.
    fn put_pack(&self, pack: Pack, session: SessionId) -> Outcome<(SegmentId, PackAdd)> {
        let working = self.owner.working_key();
        let mut header = self.header(Kind::Pack, &working, session);
        let to = Recipients {
            keys: vec![self.owner.reading_key(0).public()],
            epoch: self.owner.epoch(0),
        };
        let key = encapsulate(&mut header, &to, &mut self.draw())?;
        let header = header.encode();
        let (mut object, directory) = pack.seal(&FrameKey::new(key, &header), &header);
        object.extend(
            encode_tail(&header, &directory, &self.keys.segment, &mut self.draw()).unwrap(),
        );
        let id = PackId::of(&object);
        self.put(&names::pack(id), &object)?;
        let row = SegmentPack {
            id,
            len: object.len() as u64,
            header,
            frames: directory.frames,
            chunks: directory.chunks.iter().map(|(id, len)| (prefix(id), *len)).collect(),
        };
        let add = PackAdd { id, len: row.len, session: None, extra: Extra::default() };
        let header = self.header(Kind::Segment, &working, session);
        let entropy = &mut self.draw();
        let object = segment::encode_object(&header, &[row], &self.keys.segment, entropy).unwrap();
        let id = SegmentId::of(&object);
        self.put(&names::segment(id), &object)?;
        Ok((id, add))
    }

    /// Stores a manifest and makes the entry that commits it.
    fn commit(
        &self,
        session: SessionId,
        root: Option<(PageRef, u8)>,
        segments: Vec<SegmentId>,
        packs: Vec<PackAdd>,
    ) -> Outcome<(Body, SnapshotId)> {
        let full = root.is_some();
        let summary = Summary {
            series: SeriesId::new([0x5e; 16]),
            host: "golden".into(),
            label: if full { "everything" } else { "nothing" }.into(),
            tags: vec!["first".into()],
            paths: vec![b"/data".to_vec(), b"/many".to_vec()],
            start: time(1_700_000_000),
            end: time(1_700_000_010),
            counts: Counts { files: if full { 13 + MANY } else { 0 }, ..Counts::default() },
            problems: u64::from(full),
            base: None,
            position: None,
            requires: vec![],
            replaces: None,
            extra: Extra::default(),
        };
        let problem = Problem {
            path: b"/data/big".to_vec(),
            message: "100 bytes lost".into(),
            extra: Extra::default(),
        };
        let manifest = Manifest {
            summary: summary.clone(),
            root_level: root.as_ref().map_or(0, |(_, level)| (*level).into()),
            root: root.map(|(page, _)| page),
            profiles: vec![1],
            problems: full.then_some(problem).into_iter().collect(),
            program: "by hand".into(),
            extra: Extra::default(),
        };
        let mut header = self.header(Kind::Manifest, &self.owner.working_key(), session);
        let to = Recipients {
            keys: vec![self.owner.reading_key(0).public()],
            epoch: self.owner.epoch(0),
        };
        let object = manifest.encode(&mut header, &to, &mut self.draw())?;
        let id = SnapshotId::of(&object);
        self.put(&names::manifest(id), &object)?;
        let body = Body::Commit(Commit {
            session,
            manifest: id,
            segments,
            packs,
            bases: vec![],
            set: if full { (0..2).collect() } else { Ordinals::default() },
            set_object: None,
            summary: seal_summary(
                &summary,
                SummaryOf { repository: self.repository, session },
                &self.keys.summary,
                &mut self.draw(),
            ),
            extra: Extra::default(),
        });
        Ok((body, id))
    }

    /// The path map: every kind of node and content.
    fn tree(&self, data: &mut Pack, pages: &mut Pack) -> Outcome<Option<(PageRef, u8)>> {
        let mut nodes = self.special(data, pages)?;
        for dir in ["/", "/data", "/many"] {
            nodes.push((dir.into(), node(NodeKind::Directory, 0o755)));
        }
        for (number, name) in self.many(nodes.len()).into_iter().enumerate() {
            nodes.push((name, inline(format!("file {number}\n").as_bytes())));
        }
        let mut entries: Vec<Entry> = nodes
            .into_iter()
            .map(|(path, node)| Ok(Entry { key: MapKey::from_path(&path)?, node }))
            .collect::<Result<_, FormatError>>()?;
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        let mut map = MapBuilder::new(&self.keys);
        let store = &mut |page: &[u8]| Ok::<_, FormatError>(pages.page(&self.keys, page));
        for entry in entries {
            map.push(entry, store)?;
        }
        Ok(map.finish(store)?)
    }

    /// Names of many files behind `before` other entries, chosen so that every page ends as early
    /// as it may: a map of three levels from as few entries as possible.
    fn many(&self, before: usize) -> Vec<Vec<u8>> {
        let mut names = Vec::new();
        let (mut in_leaf, mut leaves) = (before, 0);
        for number in 0..MANY {
            let (ends_leaf, ends_page) =
                (in_leaf == PAGE_ENTRIES_MIN, leaves == PAGE_ENTRIES_MIN - 1);
            let fits = |name: &Vec<u8>| {
                let joined = MapKey::from_path(name).unwrap_or_default().joined();
                let cuts = |level, more| self.keys.cut_number(level, &joined) < u32::MAX / more;
                !ends_leaf || (cuts(0, 192) && (!ends_page || cuts(1, 64)))
            };
            let mut tried = (0u32..).map(|salt| format!("/many/{number:04}.{salt}").into_bytes());
            names.extend(tried.find(fits));
            if ends_leaf {
                (in_leaf, leaves) = (0, leaves + 1);
            }
            in_leaf += 1;
        }
        names
    }

    fn special(&self, data: &mut Pack, pages: &mut Pack) -> Outcome<Vec<(Vec<u8>, Node)>> {
        let keys = &self.keys;
        let (a, b) = (data.data(keys, &noise(1, 5000)), data.data(keys, &noise(2, 70_001)));
        let items = vec![a, Item::Hole(65_536), b, Item::Zero(4096), Item::Lost(100), a];
        let big = Node { fidelity: Some(Fidelity::Damaged), ..file(items) };
        let shared = Node { links: Some(keys.link_group(1, 99)), ..file(vec![b]) };

        let (mut list, mut size) = (ListBuilder::default(), 0);
        let mut items: Vec<Item> =
            (0..1500).map(|i| data.data(keys, &noise(1000 + i, 50 + i as usize % 100))).collect();
        items.insert(700, Item::Hole(1 << 20));
        for item in items {
            size += item.len();
            list.push(item, &mut |page: &[u8]| Ok::<_, FormatError>(pages.page(keys, page)))?;
        }
        let root = list.finish(&mut |page: &[u8]| Ok::<_, FormatError>(pages.page(keys, page)))?;
        let long = Node {
            size: Some(size),
            content: Some(Content::List(root)),
            ..node(NodeKind::File, 0o600)
        };

        let large = vec![(b"user.large".to_vec(), vec![b'x'; 2000])];
        let page = encode_xattrs(&large);
        let page = Xattrs::Page(pages.page(keys, &page), page.len() as u64);
        let small = vec![(b"user.a".to_vec(), b"1".to_vec()), (b"user.b".to_vec(), vec![0, 255])];
        let hello = Node { xattrs: Some(Xattrs::Inline(small)), ..inline(b"hello\n") };
        let target = |target: &[u8]| Some(target.to_vec());
        Ok(vec![
            (b"/data/big".into(), big),
            (b"/data/empty".into(), Node { size: Some(0), ..node(NodeKind::File, 0o4755) }),
            (b"/data/hello".into(), hello),
            (b"/data/hole".into(), file(vec![Item::Hole(1 << 20)])),
            (b"/data/list".into(), long),
            (b"/data/link one".into(), shared.clone()),
            (b"/data/link two".into(), shared),
            (b"/data/bad \xff\\ name".into(), inline(b"odd\n")),
            (b"/data/attributes".into(), Node { xattrs: Some(page), ..inline(b"x") }),
            (
                b"/data/symlink".into(),
                Node { target: target(b"hello"), ..node(NodeKind::Symlink, 0o777) },
            ),
            (b"/data/fifo".into(), node(NodeKind::Fifo, 0o640)),
            (b"/data/socket".into(), node(NodeKind::Socket, 0o755)),
            (
                b"/data/null".into(),
                Node { device: Some((1, 3)), ..node(NodeKind::CharDevice, 0o666) },
            ),
            (
                b"/data/loop".into(),
                Node { device: Some((7, 300)), ..node(NodeKind::BlockDevice, 0o660) },
            ),
            (
                b"/data/old".into(),
                Node { mtime: Time { seconds: -1, nanos: 500_000_000 }, ..inline(b"before 1970") },
            ),
            (
                b"/data/secret".into(),
                Node {
                    size: Some(12),
                    fidelity: Some(Fidelity::Unreadable),
                    ..node(NodeKind::File, 0)
                },
            ),
            (
                b"/data/dump".into(),
                Node { kind: NodeKind::Stream, ..inline(b"INSERT INTO t VALUES (1);\n") },
            ),
            (
                b"/data/disk".into(),
                Node {
                    kind: NodeKind::Image,
                    ..file(vec![b, Item::Hole(1 << 20), a, Item::Zero(4096)])
                },
            ),
            (
                b"/data/owned".into(),
                Node {
                    uid: 1234,
                    gid: 5678,
                    user: target(b"somebody"),
                    group: target(b"some\xff"),
                    ..inline(b"mine")
                },
            ),
        ])
    }
}

/// Chunks gathered for one pack of one frame type.
struct Pack {
    frame_type: FrameType,
    frames: Vec<(Vec<u8>, u32)>,
    chunks: Vec<(ChunkId, u32)>,
}

impl Pack {
    fn new(frame_type: FrameType) -> Self {
        Self { frame_type, frames: vec![], chunks: vec![] }
    }
    fn data(&mut self, keys: &ScopeKeys, plain: &[u8]) -> Item {
        Item::Data(self.add(keys.data_id(plain), plain), plain.len() as u64)
    }
    fn page(&mut self, keys: &ScopeKeys, plain: &[u8]) -> ChunkId {
        self.add(keys.page_id(plain), plain)
    }
    fn add(&mut self, id: ChunkId, plain: &[u8]) -> ChunkId {
        if self.chunks.iter().any(|(known, _)| *known == id) {
            return id;
        }
        if self.frames.last().is_none_or(|(frame, _)| frame.len() > 60_000) {
            self.frames.push((vec![], 0));
        }
        if let Some((frame, chunks)) = self.frames.last_mut() {
            frame.extend_from_slice(plain);
            *chunks += 1;
        }
        self.chunks.push((id, plain.len() as u32));
        id
    }
    /// Header and frames, and the directory that belongs behind them.
    fn seal(self, key: &FrameKey, header: &[u8]) -> (Vec<u8>, Directory) {
        let mut object = header.to_vec();
        let mut frames = Vec::new();
        for (number, (plain, chunks)) in (0..).zip(self.frames) {
            let mut body = Vec::new();
            let codec = Compressor::default().compress(3, &plain, &mut body);
            let plain_len = plain.len() as u32;
            let mut head =
                FrameHead { frame_type: self.frame_type, codec, sealed_len: 0, plain_len, chunks };
            key.seal(number, &mut head, &mut body);
            object.extend_from_slice(&body);
            frames.push(head);
        }
        (object, Directory { frames, chunks: self.chunks })
    }
}

fn genesis(owner: &SigningKey) -> Genesis {
    Genesis {
        owner: owner.verification(),
        time: time(1_700_000_000),
        holder: None,
        program: "by hand".into(),
        extra: Extra::default(),
    }
}

fn enrol(key: &SigningKey, roles: u32, name: &str) -> WriterEntry {
    let name = name.into();
    WriterEntry { key: key.verification(), scope: 0, roles, name, extra: Extra::default() }
}

fn time(seconds: i64) -> Time {
    Time { seconds, nanos: 123_456_789 }
}

fn node(kind: NodeKind, mode: u32) -> Node {
    Node { user: Some(b"root".to_vec()), ..Node::bare(kind, mode, time(1_600_000_000)) }
}

fn inline(bytes: &[u8]) -> Node {
    let content = Some(Content::Inline(bytes.to_vec()));
    Node { size: Some(bytes.len() as u64), content, ..node(NodeKind::File, 0o644) }
}

fn file(items: Vec<Item>) -> Node {
    let size = items.iter().map(Item::len).sum();
    Node { size: Some(size), content: Some(Content::Items(items)), ..node(NodeKind::File, 0o644) }
}

/// Bytes that do not compress, the same for the same number.
fn noise(number: u64, len: usize) -> Vec<u8> {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    let mut stream = Entropy::new(seed);
    (0..len).map(|_| stream.take::<1>()[0]).collect()
}
