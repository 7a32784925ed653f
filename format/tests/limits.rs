//! Each limit holds exactly: its last value is read, the next is refused.

use crate::samples::{self, CHEAP, bare, file, page_ref, raw_frame};
use crate::support::*;
use esker_format::cbor::{self, Extra};
use esker_format::codec::{Codec, Decompressor};
use esker_format::content::{Content, Item, ListRoot};
use esker_format::data_key::{Recipients, encapsulate};
use esker_format::envelope::{Header, Kind};
use esker_format::error::{FormatError, Result};
use esker_format::ids::Named;
use esker_format::limits::*;
use esker_format::list::ListPage;
use esker_format::log_entry::{Body, Note, OBJECT_MAX, SealedEntry};
use esker_format::node::{self, Node, NodeKind, Time, Xattr, Xattrs, decode_node};
use esker_format::pack::{self, Directory};
use esker_format::page::{Entry, Page};
use esker_format::path::{MapKey, check_name, check_parent};
use esker_format::segment;
use esker_format::slot::{self, Cost};
use esker_format::snapshot::Problem;

/// Holds that `read` works at `limit` and not above.
#[track_caller]
fn up_to<T>(limit: usize, read: impl Fn(usize) -> Result<T>) {
    assert_eq!(read(limit).err(), None, "{limit}");
    assert!(read(limit + 1).is_err(), "{limit} and one more");
}

/// The same, and not below `least`.
#[track_caller]
fn from_to<T>(least: usize, most: usize, read: impl Fn(usize) -> Result<T>) {
    assert!(read(least - 1).is_err(), "less than {least}");
    assert_eq!(read(least).err(), None, "{least}");
    up_to(most, read);
}

fn read_node(node: &Node) -> Result<Node> {
    let read = decode_node(&cbor::encode(node));
    assert_eq!(read.is_ok(), node.check().is_ok(), "what is written and what is read");
    read
}

fn with_content(content: Content) -> Result<Node> {
    read_node(&Node { size: Some(content.len()?), content: Some(content), ..file() })
}

#[test]
fn names_have_1_to_255_bytes() {
    from_to(1, NAME_MAX, |n| check_name(&vec![b'x'; n]));
    from_to(1, NAME_MAX, |n| {
        let key = MapKey { parent: b"dir".to_vec(), name: vec![b'x'; n] };
        Page::decode(&Page::Leaf(vec![Entry { key, node: bare(NodeKind::Fifo) }]).encode())
    });
}

#[test]
fn parents_have_65535_bytes_and_16384_components() {
    let path = |n| {
        let mut path = vec![b'x'; n];
        path.iter_mut().skip(255).step_by(256).for_each(|b| *b = 0);
        path
    };
    up_to(PATH_MAX, |n| check_parent(&path(n)));
    up_to(PATH_MAX, |n| {
        let key = MapKey { parent: path(n), name: b"x".to_vec() };
        Page::decode(&Page::Leaf(vec![Entry { key, node: bare(NodeKind::Fifo) }]).encode())
    });
    up_to(DEPTH_MAX, |n| check_parent(&vec![vec![b'x']; n].join(&0)));
}

#[test]
fn pages_have_1_to_1024_entries() {
    let name = |n: usize| format!("/{n:08}");
    from_to(1, PAGE_ENTRIES_MAX, |n| {
        let entries = (0..n).map(|i| samples::entry(&name(i), bare(NodeKind::Fifo)));
        Page::decode(&Page::Leaf(entries.collect()).encode())
    });
    // In groups of one.
    up_to(PAGE_ENTRIES_MAX, |n| {
        let path = |i| name(i) + "/x";
        let entries = (0..n).map(|i| samples::entry(&path(i), bare(NodeKind::Fifo)));
        Page::decode(&Page::Leaf(entries.collect()).encode())
    });
    from_to(1, PAGE_ENTRIES_MAX, |n| {
        Page::decode(&Page::Inner(1, (0..n).map(|i| page_ref(&name(i))).collect()).encode())
    });
    from_to(1, PAGE_ENTRIES_MAX, |n| {
        ListPage::decode(&ListPage::Leaf(vec![Item::Hole(1); n]).encode())
    });
}

#[test]
fn keys_of_a_page_have_1_mib_before_the_last() {
    let long = |n: usize| {
        let name = format!("{n:05}").into_bytes();
        MapKey { parent: vec![vec![b'p'; 255]; 16].join(&0), name }
    };
    let each = long(0).parent.len() + long(0).name.len();
    let fit = PAGE_KEYS_MAX.div_ceil(each);
    up_to(fit, |n| {
        let entries = (0..n).map(|i| Entry { key: long(i), node: bare(NodeKind::Fifo) });
        Page::decode(&Page::Leaf(entries.collect()).encode())
    });
    up_to(fit, |n| {
        let page = |i| {
            let MapKey { parent, name } = long(i);
            esker_format::page::PageRef { parent, name, ..page_ref("/") }
        };
        Page::decode(&Page::Inner(1, (0..n).map(page).collect()).encode())
    });
}

#[test]
fn the_largest_page_is_within_its_limit() {
    let mut names: Vec<Xattr> = (1..=255u8).map(|b| (vec![b], vec![])).collect();
    names.extend((1..=128u8).map(|b| (vec![b, b], vec![])));
    names.sort();
    assert!(node::xattrs_size(&names) >= XATTRS_INLINE_MAX - 2);
    let node = Node {
        user: Some(vec![b'u'; OWNER_NAME_MAX]),
        group: Some(vec![b'g'; OWNER_NAME_MAX]),
        mtime: Time { seconds: i64::MIN, nanos: 999_999_999 },
        uid: u32::MAX,
        gid: u32::MAX,
        target: Some(vec![b't'; LINK_TARGET_MAX]),
        xattrs: Some(Xattrs::Inline(names)),
        links: Some(scope().link_group(1, 2)),
        fidelity: Some(node::Fidelity::Unreadable),
        extra: unknown(NODE_EXTRA_MAX),
        ..bare(NodeKind::Symlink)
    };
    node.check().unwrap();
    // Many keys with one parent, which is written once.
    let parent = [&vec![b'p'; 255][..]; 3].join(&0);
    let entries = (0..PAGE_ENTRIES_MAX).map(|n| {
        let name = [format!("{n:05}").into_bytes(), vec![b'x'; 250]].concat();
        Entry { key: MapKey { parent: parent.clone(), name }, node: node.clone() }
    });
    let page = Page::Leaf(entries.collect());
    let bytes = page.encode();
    // And with the largest keys, each parent under a head of its own.
    let rest = bytes.len() - parent.len() - PAGE_ENTRIES_MAX * (NAME_MAX - 8);
    assert!(rest + PAGE_KEYS_MAX + PATH_MAX <= PAGE_MAX, "{}", bytes.len());
    assert_eq!(Page::decode(&bytes), Ok(page));
}

/// Unknown fields of exactly so many bytes.
fn unknown(size: usize) -> Extra {
    let mut w = cbor::Writer::default();
    w.map(2);
    w.u64(0);
    w.bytes(&[0; 16]);
    w.u64(200);
    w.bytes(&vec![0; size - 5]);
    let extra = cbor::decode::<esker_format::log_entry::Abort>("", &w.into_bytes(), 1 << 20);
    let extra = extra.unwrap().extra;
    assert_eq!(extra.size(), size);
    extra
}

#[test]
fn unknown_fields_of_a_node_have_512_bytes() {
    up_to(NODE_EXTRA_MAX, |n| read_node(&Node { extra: unknown(n), ..bare(NodeKind::Fifo) }));
}

#[test]
fn content_in_a_node_has_1_to_256_bytes_or_1_to_16_items() {
    from_to(1, INLINE_MAX, |n| with_content(Content::Inline(vec![b'x'; n])));
    from_to(1, ITEMS_INLINE_MAX, |n| with_content(Content::Items(vec![Item::Zero(5); n])));
    up_to(CHUNK_MAX, |n| with_content(Content::Items(vec![Item::Data(chunk(1), n as u64)])));
    assert!(with_content(Content::Items(vec![Item::Hole(0), Item::Hole(1)])).is_err());
    assert!(with_content(Content::Items(vec![Item::Hole(u64::MAX)])).is_ok());
    let over = Content::Items(vec![Item::Hole(u64::MAX), Item::Hole(1)]);
    assert!(read_node(&Node { size: Some(0), content: Some(over), ..file() }).is_err());
}

#[test]
fn lists_have_more_items_than_a_node_and_possible_counts() {
    let list = |root: ListRoot| with_content(Content::List(root));
    let root = samples::list_root();
    assert!(list(ListRoot { items: 17, ..root.clone() }).is_ok());
    assert!(list(ListRoot { items: 16, ..root.clone() }).is_err());
    assert!(list(ListRoot { items: 2000, bytes: 1999, ..root.clone() }).is_err());
    up_to(LEVELS_MAX.into(), |n| list(ListRoot { level: n as u32, ..root.clone() }));
    from_to(1, PAGE_MAX, |n| list(ListRoot { page_len: n as u64, ..root.clone() }));
}

#[test]
fn attributes_have_512_bytes_in_a_node_and_65536_names_outside() {
    let inline = |list| read_node(&Node { xattrs: Some(Xattrs::Inline(list)), ..file() });
    up_to(XATTRS_INLINE_MAX, |n| inline(vec![(b"name".to_vec(), vec![0; n - 4])]));
    from_to(1, 255, |n| inline(vec![(vec![b'n'; n], vec![])]));
    let page = |list: Vec<Xattr>| node::decode_xattrs(&node::encode_xattrs(&list));
    let name = |n: usize| (format!("{n:06}").into_bytes(), vec![]);
    from_to(1, XATTRS_COUNT_MAX, |n| page((0..n).map(name).collect()));
    up_to(XATTRS_MAX, |n| page(vec![(b"name".to_vec(), vec![0; n - 4])]));
    from_to(1, PAGE_MAX, |n| {
        read_node(&Node { xattrs: Some(Xattrs::Page(chunk(1), n as u64)), ..file() })
    });
    let pair = |name: &[u8]| (name.to_vec(), vec![]);
    for bad in [vec![pair(b"b"), pair(b"a")], vec![pair(b"a"), pair(b"a")], vec![pair(b"a\0")]] {
        assert!(inline(bad.clone()).is_err() && page(bad).is_err());
    }
}

#[test]
fn the_largest_attributes_fit_a_page() {
    let each = XATTRS_MAX / XATTRS_COUNT_MAX;
    let list: Vec<Xattr> = (0..XATTRS_COUNT_MAX)
        .map(|n| (format!("{n:032}").into_bytes(), vec![0; each - 32]))
        .collect();
    assert_eq!(node::xattrs_size(&list), XATTRS_MAX);
    assert_eq!(node::decode_xattrs(&node::encode_xattrs(&list)), Ok(list));
}

#[test]
fn other_fields_of_a_node_have_their_limits() {
    from_to(1, LINK_TARGET_MAX, |n| {
        read_node(&Node { target: Some(vec![b'x'; n]), ..bare(NodeKind::Symlink) })
    });
    up_to(OWNER_NAME_MAX, |n| read_node(&Node { user: Some(vec![b'x'; n]), ..file() }));
    up_to(OWNER_NAME_MAX, |n| read_node(&Node { group: Some(vec![b'x'; n]), ..file() }));
    up_to(0o7777, |n| read_node(&Node { mode: n as u32, ..file() }));
    up_to(999_999_999, |n| {
        read_node(&Node { mtime: Time { seconds: 0, nanos: n as u32 }, ..file() })
    });
}

#[test]
fn fields_that_do_not_fit_the_kind_are_refused() {
    for bad in [
        Node { size: Some(1), ..bare(NodeKind::Directory) },
        Node { links: Some(scope().link_group(1, 2)), ..bare(NodeKind::Directory) },
        Node { size: None, ..file() },
        Node { size: Some(1), ..file() },
        Node { content: None, fidelity: None, ..file() },
        Node { target: Some(b"x".to_vec()), ..file() },
        Node { device: Some((1, 2)), ..file() },
        bare(NodeKind::Symlink),
        bare(NodeKind::CharDevice),
        Node { target: Some(b"a\0b".to_vec()), ..bare(NodeKind::Symlink) },
    ] {
        assert!(read_node(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn pages_have_10_levels() {
    up_to(LEVELS_MAX.into(), |n| Page::decode(&Page::Inner(n as u8, vec![page_ref("/")]).encode()));
    let page = |n| {
        let ListPage::Inner(_, pages) = samples::list_inner() else { unreachable!() };
        ListPage::decode(&ListPage::Inner(n as u8, pages).encode())
    };
    up_to(LEVELS_MAX.into(), page);
}

#[test]
fn headers_have_64_kib() {
    up_to(HEADER_MAX, |n| {
        let value = vec![0; n - HEADER_LEN - 4 - 4];
        let tlvs = vec![(0x8000, vec![]), (0x8001, value)];
        let mut bytes = Header { tlvs: vec![], ..header(Kind::Config) }.encode();
        bytes[12..16].copy_from_slice(&(n as u32).to_le_bytes());
        for (tag, value) in &tlvs {
            bytes.extend_from_slice(&u16::to_le_bytes(*tag));
            bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
            bytes.extend_from_slice(value);
        }
        Header::decode(&bytes)
    });
    for len in [0, 79] {
        let mut bytes = header(Kind::Config).encode();
        bytes[12..16].copy_from_slice(&u32::to_le_bytes(len));
        assert_eq!(Header::decode(&bytes), Err(FormatError::Length { what: "header" }));
    }
}

#[test]
fn objects_have_1_to_8_recipients() {
    from_to(1, 8, |n| {
        let to = Recipients { keys: vec![reading().public(); n], ..recipients() };
        encapsulate(&mut header(Kind::Pack), &to, &mut entropy(1))
    });
}

#[test]
fn packs_have_16384_frames_of_1_byte_to_16_mib() {
    up_to(PACK_FRAMES_MAX, |n| {
        let directory =
            Directory { frames: vec![raw_frame(1, 1); n], chunks: vec![(chunk(1), 1); n] };
        Directory::decode(&directory.encode())
    });
    from_to(1, FRAME_MAX, |n| {
        let frames = vec![raw_frame(n as u32, 1)];
        Directory::decode(&Directory { frames, chunks: vec![(chunk(1), n as u32)] }.encode())
    });
    let mut counts = [0; 8];
    counts[4..].copy_from_slice(&(PACK_CHUNKS_MAX as u32 + 1).to_le_bytes());
    assert!(matches!(Directory::decode(&counts), Err(FormatError::TooLarge { .. })));
}

#[test]
fn a_pack_that_could_not_be_read_is_not_made() {
    let made = |frames: usize, chunks: usize| {
        let frames = vec![raw_frame(chunks as u32, chunks as u32); frames];
        let chunks = vec![(chunk(1), 1); chunks * frames.len()];
        let bare = chunks.iter().map(|(id, len)| (segment::prefix(id), *len)).collect();
        let directory = Directory { frames: frames.clone(), chunks };
        let (key, head) = (&scope().segment, header(Kind::Pack).encode());
        let tail = pack::encode_tail(&head, &directory, key, &mut entropy(1)).map(drop);
        let id = esker_format::ids::PackId::of(b"");
        let row = segment::SegmentPack { id, len: 1 << 20, header: head, frames, chunks: bare };
        let head = header(Kind::Segment);
        let listed = segment::encode_object(&head, &[row], key, &mut entropy(1)).map(drop);
        assert_eq!(tail.is_ok(), listed.is_ok());
        tail
    };
    up_to(PACK_FRAMES_MAX, |n| made(n, 1));
    up_to(PACK_CHUNKS_MAX, |n| made(1, n));
}

#[test]
fn lists_of_texts_paths_and_problems_have_limits() {
    let tags = |n| (0..n).map(|i| format!("{i:06}")).collect::<Vec<_>>();
    up_to(TAGS_MAX, |n| again::<Vec<String>>(&cbor::encode(&tags(n))));
    up_to(PATHS_MAX, |n| again::<Vec<Vec<u8>>>(&cbor::encode(&vec![b"/".to_vec(); n])));
    let problem = Problem { path: b"/".to_vec(), message: String::new(), extra: Extra::default() };
    up_to(PROBLEMS_MAX, |n| again::<Vec<Problem>>(&cbor::encode(&vec![problem.clone(); n])));
    up_to(TEXT_MAX, |n| again::<String>(&cbor::encode(&"x".repeat(n))));
}

#[test]
fn a_manifest_that_could_not_be_read_is_not_made() {
    let mut manifest = samples::manifest();
    manifest.summary.tags = (0..=TAGS_MAX).map(|i| format!("{i:06}")).collect();
    let made = manifest.encode(&mut header(Kind::Manifest), &recipients(), &mut entropy(1));
    assert!(matches!(made, Err(FormatError::TooLarge { .. })), "{made:?}");
}

#[test]
fn a_body_that_could_not_be_read_is_known_before_it_is_appended() {
    let note = |len| {
        Body::Note(Note {
            snapshot: esker_format::ids::SnapshotId::of(b""),
            add: vec![],
            remove: vec![],
            text: Some("x".repeat(len)),
            extra: Extra::default(),
        })
    };
    up_to(TEXT_MAX, |n| note(n).check());
    let object = vec![0; OBJECT_MAX + 1];
    let parsed = SealedEntry::parse(object, REPOSITORY, esker_format::ids::Seq(0));
    assert!(matches!(parsed, Err(FormatError::TooLarge { .. })));
}

#[test]
fn a_slot_asks_for_no_more_than_the_limits_and_none_is_made_that_does() {
    let refused = |cost| {
        let made = slot::encode(
            header(Kind::Slot),
            &samples::owner_material(),
            b"",
            cost,
            &mut entropy(1),
        );
        assert!(made.is_err() && cost.check().is_err(), "{cost:?}");
    };
    refused(Cost { memory_kib: ARGON_MEMORY_MAX_KIB + 1, ..CHEAP });
    refused(Cost { passes: ARGON_TIME_MAX + 1, ..CHEAP });
    refused(Cost { memory_kib: 1024, lanes: ARGON_LANES_MAX + 1, ..CHEAP });
    refused(Cost { passes: 0, ..CHEAP });
    refused(Cost { lanes: 0, ..CHEAP });
    refused(Cost { memory_kib: 7, ..CHEAP });
    let most =
        Cost { memory_kib: ARGON_MEMORY_MAX_KIB, passes: ARGON_TIME_MAX, lanes: ARGON_LANES_MAX };
    assert_eq!(most.check(), Ok(()));
    assert_eq!(Cost::RECOMMENDED.check(), Ok(()));
}

#[test]
fn what_is_decompressed_is_within_the_limit() {
    up_to(100, |n| {
        Decompressor::default().decompress(Codec::Raw, &vec![0; n], n, 100, &mut Vec::new())
    });
}
