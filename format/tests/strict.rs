//! There is one encoding of each value, and what is newer is either kept or refused.

use crate::entries::*;
use crate::samples::*;
use crate::support::*;
use esker_format::cbor::{self, Writer};
use esker_format::checkpoint::{Checkpoint, PackRow, SnapshotRow};
use esker_format::codec::{Codec, Compressor, Decompressor};
use esker_format::config::Config;
use esker_format::content::ListRoot;
use esker_format::envelope::{
    FLAG_DELETES, Header, Kind, TAG_ENROLMENT, TAG_PREVIOUS, TAG_RECIPIENTS, TAG_SLOT, TAG_TOKEN,
};
use esker_format::error::FormatError;
use esker_format::ids::{Seq, SessionId, Token};
use esker_format::key_material::KeyMaterial;
use esker_format::log_entry::{Body, SealedEntry, Snapshots};
use esker_format::ordinals::Ordinals;
use esker_format::pack::Directory;
use esker_format::page::PageRef;
use esker_format::snapshot::{Counts, Manifest, Summary};
use esker_format::table::{Row, Table};

/// Encoded maps with small keys alone, what reads each, and how many bytes stand before the map.
fn maps() -> Vec<(Vec<u8>, Read, usize)> {
    let mut maps: Vec<(Vec<u8>, Read, usize)> = vec![
        (cbor::encode(&manifest()), again::<Manifest>, 0),
        (cbor::encode(&checkpoint()), again::<Checkpoint>, 0),
        (cbor::encode(&list_root()), again::<ListRoot>, 0),
        (cbor::encode(&page_ref("/a")), again::<PageRef>, 0),
        (cbor::encode(&Counts::default()), again::<Counts>, 0),
        (cbor::encode(&file()), again::<esker_format::node::Node>, 0),
        (
            owner_material().encode().to_vec(),
            |b| KeyMaterial::decode(b).map(|m| m.encode().to_vec()),
            2,
        ),
        (
            writer_material().encode().to_vec(),
            |b| KeyMaterial::decode(b).map(|m| m.encode().to_vec()),
            2,
        ),
    ];
    maps.extend(bodies().iter().map(|(_, b)| (cbor::encode(b), again::<Body> as Read, 2)));
    maps
}

/// The map with one more pair behind the others.
fn with_pair(bytes: &[u8], at: usize, key: u64, value: &[u8]) -> Vec<u8> {
    let mut w = Writer::default();
    w.u64(key);
    let mut out = [bytes, &w.into_bytes(), value].concat();
    assert!((0xa0..0xb7).contains(&out[at]), "a short map");
    out[at] += 1;
    out
}

#[test]
fn unknown_ignorable_keys_are_preserved() {
    for (bytes, read, at) in maps() {
        assert_eq!(read(&bytes), Ok(bytes.clone()));
        for value in
            [&[0x01][..], &[0x38, 0xff], &[0x43, 1, 2, 3], &[0x61, b'x'], &[0x82, 1, 0xa1, 1, 2]]
        {
            let more = with_pair(&bytes, at, 128, value);
            assert_eq!(read(&more), Ok(more.clone()));
            let more = with_pair(&more, at, u64::MAX, value);
            assert_eq!(read(&more), Ok(more.clone()));
        }
    }
}

#[test]
fn unknown_critical_keys_are_newer() {
    for (bytes, read, at) in maps() {
        for key in [100, 127] {
            let newer = read(&with_pair(&bytes, at, key, &[1])).unwrap_err();
            assert!(matches!(newer, FormatError::Unsupported { number, .. } if number == key));
        }
    }
}

#[test]
fn keys_out_of_order_or_there_twice_are_refused() {
    for (bytes, read, at) in maps() {
        let once = with_pair(&bytes, at, 200, &[1]);
        for key in [0, 128, 199, 200] {
            assert!(read(&with_pair(&once, at, key, &[1])).is_err(), "{key}");
        }
    }
    let mut w = Writer::default();
    w.map(2);
    w.u64(1);
    w.text("why");
    w.u64(0);
    w.array(0);
    assert!(cbor::decode::<Snapshots>("snapshots", &w.into_bytes(), 100).is_err());
}

#[test]
fn values_that_are_not_used_are_refused_in_unknown_keys_too() {
    let (bytes, read, at) = maps().remove(0);
    let deep = |n| [vec![0x81; n], vec![1]].concat();
    assert!(read(&with_pair(&bytes, at, 128, &deep(8))).is_ok());
    for bad in [
        &[0xf6][..],         // null
        &[0xf5],             // true
        &[0xf9, 0, 0],       // a float
        &[0xc1, 0],          // a tag
        &[0x9f, 0xff],       // an array without a length
        &[0x5f, 0xff],       // bytes in pieces
        &[0x18, 5],          // a long 5
        &[0x61, 0xff],       // not UTF-8
        &[0xa2, 2, 0, 1, 0], // keys out of order
        &[0xa2, 1, 0, 1, 0], // a key twice
        &[0x1c],             // reserved
        &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255],
        &[0x5b, 255, 255, 255, 255, 255, 255, 255, 255],
        &deep(9),
    ] {
        assert!(read(&with_pair(&bytes, at, 128, bad)).is_err(), "{bad:?}");
    }
}

#[test]
fn integers_and_lengths_that_are_not_shortest_are_refused() {
    for Sample { name, payload, again, .. } in samples() {
        if ["header", "pack", "segment"].contains(&name) {
            continue;
        }
        let mut at = 0;
        while at < payload.len() {
            let (major, info) = (payload[at] >> 5, payload[at] & 31);
            let more = if info < 24 { 0 } else { 1 << (info - 24) };
            let mut number = [0; 8];
            number[8 - more..].copy_from_slice(&payload[at + 1..at + 1 + more]);
            let value = if more == 0 { info.into() } else { u64::from_be_bytes(number) };
            for (info, width) in [(24, 1), (25, 2), (26, 4), (27, 8)] {
                if width > more {
                    let head = [&[major << 5 | info][..], &value.to_be_bytes()[8 - width..]];
                    let long = [&payload[..at], &head.concat(), &payload[at + 1 + more..]].concat();
                    assert!(again(&long).is_err(), "{name} at {at}");
                }
            }
            let content = if matches!(major, 2 | 3) { value as usize } else { 0 };
            at += 1 + more + content;
        }
        assert_eq!(at, payload.len(), "{name}");
    }
}

#[test]
fn an_unknown_kind_of_entry_is_kept_as_it_came() {
    for kind in [20, 127, 128, 4000] {
        let mut w = Writer::default();
        w.map(1);
        w.u64(kind);
        w.array(2);
        w.u64(7);
        w.text("newer");
        let bytes = w.into_bytes();
        for flags in [0, FLAG_DELETES, 0xf0] {
            let object = entry_of(&bytes, flags);
            let entry = SealedEntry::parse(object, REPOSITORY, Seq(41)).unwrap();
            let body = entry.open(&epoch().log_key()).unwrap();
            assert!(matches!(&body, Body::Unknown(found, _) if *found == kind), "{body:?}");
            assert_eq!((body.kind(), body.name()), (kind, "Unknown"));
            assert_eq!(cbor::encode(&body), bytes);
            assert_eq!(body.check(), Ok(()));
        }
    }
    for bad in [&[0xa0][..], &[0xa2, 24, 128, 0, 24, 129, 0], &[0xa1, 24, 128]] {
        assert!(again::<Body>(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn an_entry_says_openly_whether_objects_may_go() {
    for (name, body) in bodies() {
        let deletes = ["abort", "delete", "compact"].contains(&name);
        assert_eq!(body.deletes(), deletes, "{name}");
        for flags in [0, FLAG_DELETES] {
            let object = entry_of(&cbor::encode(&body), flags);
            let entry = SealedEntry::parse(object, REPOSITORY, Seq(41)).unwrap();
            assert_eq!(entry.deletes(), flags != 0);
            let opened = entry.open(&epoch().log_key());
            assert_eq!(opened.is_ok(), deletes == (flags != 0), "{name}: {opened:?}");
        }
    }
}

#[test]
fn what_is_newer_in_a_header_is_refused_or_kept() {
    let bytes = entry_header().encode();
    let with = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        Header::decode(&bytes)
    };
    assert_eq!(with(0, 0), Err(FormatError::NotEsker));
    for (at, value) in [(8, 0), (8, 9), (9, 1), (10, 2), (11, 2), (11, 8)] {
        assert!(matches!(with(at, value), Err(FormatError::Unsupported { .. })), "{at} {value}");
    }
    assert_eq!(with(11, 0xf1).unwrap().0.flags, 0xf1);
    let flagged = Header { flags: FLAG_DELETES, ..header(Kind::Pack) }.encode();
    assert!(matches!(Header::decode(&flagged), Err(FormatError::Unsupported { .. })));
    let numbered = Header { seq: 1, ..header(Kind::Pack) }.encode();
    assert!(matches!(Header::decode(&numbered), Err(FormatError::Malformed { .. })));
}

#[test]
fn fields_of_a_header_ascend_and_belong_to_its_kind() {
    let read = |kind, tlvs: &[(u16, usize)]| {
        let tlvs = tlvs.iter().map(|(tag, len)| (*tag, vec![0; *len])).collect();
        Header::decode(&Header { tlvs, ..header(kind) }.encode()).map(drop)
    };
    let known = [
        (TAG_RECIPIENTS, 5, &[Kind::Pack, Kind::Manifest][..]),
        (TAG_PREVIOUS, 32, &[Kind::Entry]),
        (TAG_TOKEN, 16, &[Kind::Entry]),
        (TAG_SLOT, 45, &[Kind::Slot]),
        (TAG_ENROLMENT, 300, &[Kind::Checkpoint]),
    ];
    for kind in (1..=8).map(|n| Kind::from_number(n).unwrap()) {
        for (tag, len, kinds) in known {
            assert_eq!(read(kind, &[(tag, len)]).is_ok(), kinds.contains(&kind), "{kind:?} {tag}");
        }
        for tag in [0, 6, 0x7fff] {
            assert!(matches!(read(kind, &[(tag, 0)]), Err(FormatError::Unsupported { .. })));
        }
        assert_eq!(read(kind, &[(0x8000, 0), (0xffff, 9)]), Ok(()));
        assert!(read(kind, &[(0x8000, 0), (0x8000, 0)]).is_err());
        assert!(read(kind, &[(0x8001, 0), (0x8000, 0)]).is_err());
    }
    assert!(read(Kind::Entry, &[(TAG_PREVIOUS, 31)]).is_err());
    assert!(read(Kind::Entry, &[(TAG_TOKEN, 17)]).is_err());
}

#[test]
fn compressed_data_is_one_zstd_frame_of_the_permitted_form() {
    let plain = vec![7; 1000];
    let mut packed = Vec::new();
    assert_eq!(Compressor::default().compress(3, &plain, &mut packed), Codec::Zstd);
    let read = |bytes: &[u8], len| {
        Decompressor::default().decompress(Codec::Zstd, bytes, len, 1 << 24, &mut Vec::new())
    };
    assert_eq!(read(&packed, 1000), Ok(()));
    assert!(read(&packed.repeat(2), 2000).is_err(), "two frames");
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9];
    assert!(read(&[&packed[..], &skippable].concat(), 1000).is_err(), "a skippable frame behind");
    assert!(read(&[&skippable[..], &packed].concat(), 1000).is_err(), "a skippable frame before");
    // By hand: a raw last block of three bytes behind heads of several forms.
    let block = [&[0b11001, 0, 0][..], b"abc"].concat();
    let frame = |head: &[u8]| [&[0x28, 0xb5, 0x2f, 0xfd][..], head, &block].concat();
    assert_eq!(read(&frame(&[0b10_0000, 3]), 3), Ok(()));
    assert!(read(&frame(&[0b10_0000, 4]), 3).is_err(), "another size");
    assert!(read(&frame(&[0b10_0000, 4]), 4).is_err(), "a wrong size");
    assert!(read(&frame(&[0, 0]), 3).is_err(), "no size");
    assert!(read(&[&frame(&[0b10_0100, 3])[..], &[0; 4]].concat(), 3).is_err(), "a checksum");
    assert!(read(&frame(&[0b10_0001, 1, 3]), 3).is_err(), "a dictionary");
    // Content size in four bytes, with a window: 2^24 is the largest.
    assert_eq!(read(&frame(&[0x80, 14 << 3, 3, 0, 0, 0]), 3), Ok(()));
    assert!(read(&frame(&[0x80, 14 << 3 | 1, 3, 0, 0, 0]), 3).is_err(), "a larger window");
    assert!(read(&[], 0).is_err());
}

#[test]
fn runs_of_ordinals_are_never_empty_and_never_touch() {
    assert_eq!(again::<Ordinals>(&[0x82, 0, 1]), Ok(vec![0x82, 0, 1]));
    let all = [0x82, 0, 0x1a, 255, 255, 255, 255];
    assert!(again::<Ordinals>(&all).is_ok());
    let last = [0x82, 0x1a, 255, 255, 255, 255, 1];
    assert_eq!(again::<Ordinals>(&last), Ok(last.to_vec()));
    for bad in [
        &[0x81, 0][..],
        &[0x82, 0, 0],
        &[0x84, 0, 1, 0, 1],
        &[0x82, 0x1a, 255, 255, 255, 255, 2],
        &[0x84, 0, 0x1a, 255, 255, 255, 255, 1, 1],
        &[0x82, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    ] {
        assert!(again::<Ordinals>(bad).is_err(), "{bad:?}");
    }
    assert_eq!(cbor::decode::<Ordinals>("set", &all, 99).unwrap().last(), Some(u32::MAX - 1));
}

#[test]
fn absent_is_the_only_form_of_nothing() {
    // An empty list and a false flag, written where they should be left out.
    let mut w = Writer::default();
    w.map(1);
    w.u64(0);
    w.array(0);
    assert!(again::<Snapshots>(&w.into_bytes()).is_err());
    assert!(again::<Snapshots>(&[0xa0]).is_ok());
    assert!(
        again::<bool>(&[0]).is_err() && again::<bool>(&[2]).is_err() && again::<bool>(&[1]).is_ok()
    );
}

#[test]
fn manifests_and_summaries_are_consistent() {
    let change = |change: fn(&mut Manifest)| {
        let mut manifest = manifest();
        change(&mut manifest);
        manifest.check()
    };
    assert_eq!(change(|_| ()), Ok(()));
    assert_eq!(
        change(|m| {
            m.root = None;
            m.root_level = 0
        }),
        Ok(())
    );
    for bad in [
        change(|m| m.root = None),
        change(|m| m.root_level = 11),
        change(|m| m.profiles = vec![2, 1]),
        change(|m| m.profiles = vec![1, 1]),
        change(|m| m.summary.tags = vec!["b".into(), "a".into()]),
        change(|m| m.summary.problems = 0),
        change(|m| m.root = Some(PageRef { entries: 0, ..page_ref("/") })),
        change(|m| m.root = Some(PageRef { page_len: 0, ..page_ref("/") })),
        change(|m| m.root = Some(PageRef { name: b"..".to_vec(), ..page_ref("/a") })),
    ] {
        assert!(bad.is_err());
    }
    let twice = Summary { tags: vec!["a".into(), "a".into()], ..summary() };
    let key = scope().summary;
    let sealed = esker_format::snapshot::seal_summary(&twice, COMMIT, &key, &mut entropy(1));
    assert!(esker_format::snapshot::open_summary(&sealed, COMMIT, &key).is_err());
}

#[test]
fn checkpoints_are_in_order_and_name_only_what_is_in_them() {
    let change = |change: fn(&mut Checkpoint)| {
        let mut state = checkpoint();
        change(&mut state);
        state.check()
    };
    assert_eq!(change(|_| ()), Ok(()));
    /// The rows of a table in another form.
    fn rows<R: Row>(table: &mut Table<R>, change: impl FnOnce(&mut Vec<R>)) {
        let mut rows: Vec<R> = table.iter().collect();
        change(&mut rows);
        *table = rows.into_iter().collect();
    }
    for (n, bad) in [
        change(|c| rows(&mut c.sessions, |s| s.swap(0, 1))),
        change(|c| rows(&mut c.sessions, |s| s[1] = s[0])),
        change(|c| rows(&mut c.sessions, |s| s[1].seq = Seq(42))),
        change(|c| rows(&mut c.tokens, |t| t[1] = t[0])),
        change(|c| c.tokens = (0..1025u32).map(token).collect()),
        change(|c| rows(&mut c.packs, |p| p[1].id = p[0].id)),
        change(|c| c.writers.swap(0, 1)),
        change(|c| c.writers[1] = c.writers[0].clone()),
        change(|c| c.writers[1].seq = Seq(42)),
        change(|c| c.segments.push(c.segments[0].clone())),
        change(|c| c.snapshots.push(c.snapshots[0].clone())),
        change(|c| {
            let first = SnapshotRow { seq: Seq(39), ..c.snapshots[0].clone() };
            c.snapshots.insert(0, first);
        }),
        change(|c| c.snapshots[0].seq = Seq(42)),
        change(|c| c.snapshots[0].set = [3].into_iter().collect()),
        change(|c| c.snapshots[0].removed = vec!["daily".into()]),
        change(|c| c.snapshots[0].added = vec!["b".into(), "a".into()]),
        change(|c| c.holds.push(c.holds[0].clone())),
        change(|c| c.holds[0].set = [3].into_iter().collect()),
        change(|c| c.holds[0].set = Ordinals::default()),
        change(|c| c.holds[0].session = SessionId::new([2; 16])),
        change(|c| c.append = vec![1, 1]),
        change(|c| c.collect = vec![2, 1]),
        change(|c| c.named[0].at = Seq(41)),
        change(|c| c.named = vec![c.named[0].clone(); 17]),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(bad.is_err(), "{n}");
    }
}

fn token(n: u32) -> Token {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    Token::new(bytes)
}

#[test]
fn rows_of_a_table_are_whole_and_of_a_known_state() {
    let read = |bytes: &[u8]| {
        let mut w = Writer::default();
        w.bytes(bytes);
        cbor::decode::<Table<PackRow>>("table", &w.into_bytes(), 1 << 20).map(|t| t.len())
    };
    let mut row = Vec::new();
    let pack = checkpoint().packs.iter().nth(1).unwrap();
    pack.put(&mut row);
    assert_eq!((PackRow::get(&row), pack.damaged), (Ok(pack), true));
    assert_eq!(read(&[&row[..], &row].concat()), Ok(2));
    assert!(matches!(read(&row[1..]), Err(FormatError::Length { .. })));
    for newer in [0, 4, 0x21, 0x81, 0x10] {
        row[56] = newer;
        assert!(matches!(read(&row), Err(FormatError::Unsupported { .. })), "{newer}");
    }
    // No row at all is a key that is left out.
    assert_eq!(read(&[]), Ok(0));
    let mut w = Writer::default();
    w.map(1);
    w.u64(5);
    w.bytes(&[]);
    assert!(cbor::decode::<Checkpoint>("table", &w.into_bytes(), 100).is_err());
}

#[test]
fn profiles_of_a_config_ascend_and_can_be_used() {
    use esker_format::chunking::Profile;
    let read = |profiles| {
        let config = Config {
            genesis: esker_format::ids::EntryHash::new([0; 32]),
            profiles,
            extra: extra(&[]),
        };
        let (key, owner) = (epoch().log_key(), owner().owner_key());
        let object = config.encode(&header(Kind::Config), &key, &owner, &mut entropy(1));
        Config::decode(object, REPOSITORY, &key, &owner.verification())
    };
    let profile = |number, min| Profile { number, min, ..Profile::files() };
    assert!(read(vec![profile(1, 128), profile(2, 128)]).is_ok());
    assert!(read(vec![profile(2, 128), profile(1, 128)]).is_err());
    assert!(read(vec![profile(1, 128), profile(1, 128)]).is_err());
    assert!(read(vec![profile(1, 129)]).is_err());
    let blocks = |min, block| Profile { min, block: Some(block), ..Profile::disk() };
    assert!(read(vec![blocks(4096, 4096), Profile { number: 4, ..blocks(512, 512) }]).is_ok());
    for (min, block) in [(4096 + 2, 4096), (4096, 256), (4096, 0), (4096, 3 << 10)] {
        assert!(read(vec![blocks(min, block)]).is_err(), "{min} {block}");
    }
}

#[test]
fn directories_add_up() {
    let read = |frames: Vec<_>, chunks: &[u32]| {
        let chunks = chunks.iter().map(|len| (chunk(1), *len)).collect();
        Directory::decode(&Directory { frames, chunks }.encode())
    };
    assert!(read(vec![raw_frame(30, 2)], &[10, 20]).is_ok());
    assert!(read(vec![raw_frame(30, 2)], &[10, 21]).is_err());
    assert!(read(vec![raw_frame(30, 2)], &[30]).is_err());
    assert!(read(vec![raw_frame(30, 2)], &[10, 20, 1]).is_err());
    assert!(read(vec![raw_frame(30, 2)], &[0, 30]).is_err());
    assert!(read(vec![raw_frame(30, 0)], &[]).is_err());
    assert!(read(vec![raw_frame(0, 1)], &[0]).is_err());
    let mut zstd = raw_frame(30, 1);
    zstd.codec = Codec::Zstd;
    assert!(read(vec![zstd], &[30]).is_err(), "compressed and no smaller");
    zstd.sealed_len = 45;
    assert!(read(vec![zstd], &[30]).is_ok());
    zstd.sealed_len = 16;
    assert!(read(vec![zstd], &[30]).is_err(), "nothing but a tag");
    let mut raw = raw_frame(30, 1);
    raw.sealed_len = 45;
    assert!(read(vec![raw], &[30]).is_err(), "raw and of another length");
}
