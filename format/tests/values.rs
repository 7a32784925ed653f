//! Values of every kind, drawn from bytes that proptest makes and shrinks.

use crate::support::{EPOCH, SCOPE, extra, hex};
use esker_format::cbor::Extra;
use esker_format::codec::Codec;
use esker_format::content::{Content, Item, ListRoot, total};
use esker_format::envelope::{Header, Kind, TAG_PREVIOUS, TAG_RECIPIENTS, TAG_SLOT, TAG_TOKEN};
use esker_format::frame::{FrameHead, FrameType};
use esker_format::ids::*;
use esker_format::key::{OwnerSecret, ReadingPublic, VerificationKey};
use esker_format::key_material::{KeyMaterial, WriterMaterial};
use esker_format::list::{ListPage, ListRef};
use esker_format::node::{Fidelity, Node, NodeKind, Time, Xattr, Xattrs, xattrs_size};
use esker_format::ordinals::Ordinals;
use esker_format::pack::Directory;
use esker_format::page::{Entry, Page, PageRef};
use esker_format::path::MapKey;
use esker_format::secret::Secret;
use esker_format::segment::{SegmentPack, prefix};
use esker_format::snapshot::{Counts, Manifest, Position, Problem, Summary};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes to draw from; zeros when they are used up.
#[derive(Clone)]
pub struct Draw {
    bytes: Vec<u8>,
    at: usize,
}

pub fn draw() -> impl Strategy<Value = Draw> {
    prop::collection::vec(any::<u8>(), 0..1500).prop_map(|bytes| Draw { bytes, at: 0 })
}

/// Short, because a failure prints it.
impl std::fmt::Debug for Draw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Draw({})", hex(&self.bytes))
    }
}

impl Draw {
    pub fn byte(&mut self) -> u8 {
        self.at += 1;
        self.bytes.get(self.at - 1).copied().unwrap_or(0)
    }
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }
    /// A number of any width, with the edges of each width likely.
    pub fn number(&mut self) -> u64 {
        let bits = u32::from(self.byte()) % 65;
        let all = u64::MAX.checked_shr(64 - bits).unwrap_or(0);
        match self.byte() % 4 {
            0 => all,
            1 => all.saturating_add(1),
            _ => u64::from_le_bytes(self.array()) & all,
        }
    }
    pub fn number32(&mut self) -> u32 {
        self.number() as u32
    }
    /// A number from `low` to `high`, both often.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let high = high.max(low);
        match self.byte() % 8 {
            0 => low,
            1 => high,
            _ => low + self.number() % (high - low).saturating_add(1),
        }
    }
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }
    pub fn bytes(&mut self, low: usize, high: usize) -> Vec<u8> {
        let len = self.between(low as u64, high as u64);
        (0..len).map(|_| self.byte()).collect()
    }
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.bytes(0, 40)).into_owned()
    }
    pub fn option<T>(&mut self, get: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| get(self))
    }
    pub fn list<T>(&mut self, most: usize, mut get: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let len = usize::from(self.byte()) % (most + 1);
        (0..len).map(|_| get(self)).collect()
    }
    pub fn name(&mut self) -> Vec<u8> {
        let mut name = self.bytes(1, 255);
        name.iter_mut().filter(|b| matches!(**b, 0 | b'/')).for_each(|b| *b = b'x');
        if matches!(&name[..], b"." | b"..") { b"dots".to_vec() } else { name }
    }
    pub fn key(&mut self) -> MapKey {
        let parents = self.list(3, Self::name);
        MapKey { parent: parents.join(&0), name: self.name() }
    }
    pub fn extra(&mut self) -> Extra {
        let keys: BTreeSet<u64> = self.list(2, |d| d.number().max(128)).into_iter().collect();
        extra(&keys.into_iter().map(|key| (key, self.number())).collect::<Vec<_>>())
    }
}

pub fn header(d: &mut Draw) -> Header {
    let kind = Kind::from_number(d.between(1, 8)).unwrap();
    let entry = kind == Kind::Entry;
    let mut tlvs = BTreeMap::new();
    match kind {
        Kind::Entry => {
            tlvs.insert(TAG_PREVIOUS, d.bytes(32, 32));
            tlvs.insert(TAG_TOKEN, d.bytes(16, 16));
        }
        Kind::Slot => drop(tlvs.insert(TAG_SLOT, d.bytes(0, 50))),
        Kind::Pack | Kind::Manifest => drop(tlvs.insert(TAG_RECIPIENTS, d.bytes(0, 99))),
        _ => {}
    }
    tlvs.extend(d.list(3, |d| (d.between(0x8000, 0xffff) as u16, d.bytes(0, 300))));
    Header {
        kind,
        flags: d.byte() << 4 | (u8::from(entry) & d.byte()),
        repository: RepositoryId::new(d.array()),
        scope: d.number32(),
        epoch: d.number32(),
        writer: WriterId::new(d.array()),
        session: SessionId::new(d.array()),
        seq: if entry || kind == Kind::Checkpoint { d.number() } else { 0 },
        tlvs: tlvs.into_iter().collect(),
    }
}

pub fn time(d: &mut Draw) -> Time {
    Time { seconds: d.number() as i64, nanos: d.between(0, 999_999_999) as u32 }
}

pub fn item(d: &mut Draw) -> Item {
    let len = d.between(1, 1 << 50);
    match d.byte() % 4 {
        0 => Item::Data(ChunkId::new(d.array()), len.min(16 << 20)),
        1 => Item::Hole(len),
        2 => Item::Zero(len),
        _ => Item::Lost(len),
    }
}

fn items(d: &mut Draw, most: usize) -> Vec<Item> {
    let mut items = d.list(most - 1, item);
    items.push(item(d));
    items
}

pub fn content(d: &mut Draw) -> Content {
    match d.byte() % 3 {
        0 => Content::Inline(d.bytes(1, 256)),
        1 => Content::Items(items(d, 16)),
        _ => {
            let items = d.between(17, u64::MAX);
            Content::List(ListRoot {
                page: ChunkId::new(d.array()),
                page_len: d.between(1, 8 << 20),
                level: d.between(0, 10) as u32,
                items,
                bytes: d.between(items, u64::MAX),
                extra: d.extra(),
            })
        }
    }
}

pub fn xattrs(d: &mut Draw) -> Vec<Xattr> {
    let mut set: BTreeMap<Vec<u8>, Vec<u8>> =
        d.list(4, |d| (d.name(), d.bytes(0, 300))).into_iter().collect();
    set.insert(b"user.one".to_vec(), vec![]);
    set.into_iter().collect()
}

pub fn node(d: &mut Draw) -> Node {
    let kind = match d.between(1, 9) {
        1 => NodeKind::Directory,
        2 => NodeKind::Symlink,
        3 => NodeKind::Fifo,
        4 => NodeKind::Socket,
        5 => NodeKind::BlockDevice,
        6 => NodeKind::CharDevice,
        7 => NodeKind::Stream,
        8 => NodeKind::Image,
        _ => NodeKind::File,
    };
    let has_content = matches!(kind, NodeKind::File | NodeKind::Stream | NodeKind::Image);
    let content = if has_content { d.option(content) } else { None };
    let unreadable = has_content && content.is_none() && d.flag();
    let size = match &content {
        Some(content) => content.len().unwrap(),
        None if unreadable => d.number(),
        None => 0,
    };
    let fidelity = |d: &mut Draw| match d.byte() % 3 {
        0 => Fidelity::Changed,
        1 => Fidelity::Damaged,
        _ => Fidelity::Grew,
    };
    let device = matches!(kind, NodeKind::BlockDevice | NodeKind::CharDevice);
    let extra = d.extra();
    Node {
        kind,
        mode: d.between(0, 0o7777) as u32,
        uid: d.number32(),
        gid: d.number32(),
        user: d.option(|d| d.bytes(0, 255)),
        group: d.option(|d| d.bytes(0, 255)),
        mtime: time(d),
        size: has_content.then_some(size),
        content,
        target: (kind == NodeKind::Symlink).then(|| {
            let mut target = d.bytes(1, 300);
            target.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b'/');
            target
        }),
        device: device.then(|| (d.number32(), d.number32())),
        xattrs: d.option(|d| {
            let list = xattrs(d);
            match xattrs_size(&list) {
                0..=512 => Xattrs::Inline(list),
                _ => Xattrs::Page(ChunkId::new(d.array()), d.between(1, 8 << 20)),
            }
        }),
        links: if kind == NodeKind::Directory {
            None
        } else {
            d.option(|d| LinkGroup::new(d.array()))
        },
        fidelity: if unreadable { Some(Fidelity::Unreadable) } else { d.option(fidelity) },
        extra,
    }
}

pub fn page_ref(d: &mut Draw) -> PageRef {
    let MapKey { parent, name } = if d.byte() == 0 { MapKey::root() } else { d.key() };
    PageRef {
        parent,
        name,
        page: ChunkId::new(d.array()),
        page_len: d.between(1, 8 << 20),
        entries: d.number().max(1),
        bytes: d.number(),
        extra: d.extra(),
    }
}

pub fn page(d: &mut Draw) -> Page {
    if d.flag() {
        let mut entries: BTreeMap<MapKey, Node> =
            d.list(5, |d| (d.key(), node(d))).into_iter().collect();
        entries.insert(d.key(), node(d));
        if d.flag() {
            entries.insert(MapKey::root(), node(d));
        }
        return Page::Leaf(entries.into_iter().map(|(key, node)| Entry { key, node }).collect());
    }
    let mut pages = d.list(5, page_ref);
    pages.push(page_ref(d));
    pages.sort_by_key(PageRef::first);
    pages.dedup_by_key(|page| page.first());
    Page::Inner(d.between(1, 10) as u8, pages)
}

pub fn list_page(d: &mut Draw) -> ListPage {
    if d.flag() {
        return ListPage::Leaf(items(d, 20));
    }
    let page = |d: &mut Draw| {
        let items = d.between(1, 1 << 50);
        ListRef {
            page: ChunkId::new(d.array()),
            page_len: d.between(1, 8 << 20),
            items,
            bytes: d.between(items, 1 << 51),
            extra: d.extra(),
        }
    };
    let mut pages = d.list(5, page);
    pages.push(page(d));
    ListPage::Inner(d.between(1, 10) as u8, pages)
}

pub fn ordinals(d: &mut Draw) -> Ordinals {
    let starts = d.list(4, |d| (d.number32(), d.byte() % 5));
    starts.into_iter().flat_map(|(first, more)| first..=first.saturating_add(more.into())).collect()
}

pub fn directory(d: &mut Draw) -> Directory {
    let mut directory = Directory::default();
    for _ in 0..d.byte() % 4 {
        let mut lens = d.list(4, |d| d.between(1, 1 << 20) as u32);
        lens.push(d.between(1, 1 << 20) as u32);
        let plain_len = lens.iter().sum();
        let codec = if plain_len > 1 && d.flag() { Codec::Zstd } else { Codec::Raw };
        let packed = match codec {
            Codec::Raw => plain_len,
            Codec::Zstd => d.between(1, u64::from(plain_len) - 1) as u32,
        };
        directory.frames.push(FrameHead {
            frame_type: if d.flag() { FrameType::Data } else { FrameType::Page },
            codec,
            sealed_len: packed + 16,
            plain_len,
            chunks: lens.len() as u32,
        });
        directory.chunks.extend(lens.into_iter().map(|len| (ChunkId::new(d.array()), len)));
    }
    directory
}

pub fn segment_pack(d: &mut Draw) -> SegmentPack {
    let directory = directory(d);
    let header = Header { kind: Kind::Pack, seq: 0, flags: 0, tlvs: vec![], ..header(d) }.encode();
    let least = header.len() as u64 + directory.frames_len() + 61;
    SegmentPack {
        id: PackId::new(d.array()),
        len: d.between(least, 256 << 20),
        header,
        chunks: directory.chunks.iter().map(|(id, len)| (prefix(id), *len)).collect(),
        frames: directory.frames,
    }
}

pub fn snapshot(d: &mut Draw) -> SnapshotId {
    SnapshotId::new(d.array())
}

pub fn session(d: &mut Draw) -> SessionId {
    SessionId::new(d.array())
}

pub fn segment(d: &mut Draw) -> SegmentId {
    SegmentId::new(d.array())
}

pub fn summary(d: &mut Draw) -> Summary {
    let tags: BTreeSet<String> = d.list(3, Draw::text).into_iter().collect();
    Summary {
        series: SeriesId::new(d.array()),
        host: d.text(),
        label: d.text(),
        tags: tags.into_iter().collect(),
        paths: d.list(3, |d| d.bytes(0, 40)),
        start: time(d),
        end: time(d),
        counts: Counts {
            files: d.number(),
            directories: d.number(),
            others: d.number(),
            bytes: d.number(),
            new: d.number(),
            changed: d.number(),
            unchanged: d.number(),
            added: d.number(),
            stored: d.number(),
            removed: d.number(),
            extra: d.extra(),
        },
        problems: d.number().max(3),
        base: d.option(snapshot),
        position: d.option(|d| Position {
            chain: d.bytes(0, 20),
            timeline: d.option(Draw::number32),
            first: d.option(|d| d.bytes(0, 20)),
            last: d.option(|d| d.bytes(0, 20)),
            previous: d.option(|d| d.bytes(0, 20)),
            transactions: d.option(|d| d.bytes(0, 20)),
            first_time: d.option(time),
            last_time: d.option(time),
            extra: d.extra(),
        }),
        requires: d.list(3, snapshot),
        replaces: d.option(snapshot),
        extra: d.extra(),
    }
}

pub fn manifest(d: &mut Draw) -> Manifest {
    let root = d.option(page_ref);
    let profiles: BTreeSet<u32> = d.list(3, Draw::number32).into_iter().collect();
    Manifest {
        summary: summary(d),
        root_level: if root.is_some() { d.between(0, 10) as u32 } else { 0 },
        root,
        profiles: profiles.into_iter().collect(),
        problems: d.list(3, |d| Problem {
            path: d.bytes(0, 40),
            message: d.text(),
            extra: d.extra(),
        }),
        program: d.text(),
        extra: d.extra(),
    }
}

pub fn material(d: &mut Draw) -> KeyMaterial {
    let repository = RepositoryId::new(d.array());
    if d.flag() {
        return KeyMaterial::owner(repository, &OwnerSecret(Secret::new(d.array())));
    }
    KeyMaterial::Writer(WriterMaterial {
        repository,
        scope: SCOPE,
        scope_secret: Secret::new(d.array()),
        epoch: EPOCH,
        epoch_secret: Secret::new(d.array()),
        reading: ReadingPublic(d.array()),
        owner: VerificationKey(d.array()),
        signing: Secret::new(d.array()),
        extra: d.extra(),
    })
}

/// Whether the items of a generated page add up, which the page of a real list always does.
pub fn adds_up(page: &ListPage) -> bool {
    match page {
        ListPage::Leaf(items) => total(items).is_ok(),
        ListPage::Inner(..) => true,
    }
}
