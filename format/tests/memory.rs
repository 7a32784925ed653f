//! What decoders take: a small multiple of their input and the limit that they state, whatever
//! lengths the bytes claim. And what they leave: no freed memory holds a secret.

use crate::samples::{self, checkpoint, samples, writer_material};
use crate::support::*;
use esker_format::cbor::{self, Cbor, Writer};
use esker_format::checkpoint::{Checkpoint, PackRow, PackState};
use esker_format::codec::{Codec, Decompressor};
use esker_format::content::Content;
use esker_format::envelope::{Header, Kind, open_body};
use esker_format::error::Result;
use esker_format::ids::PackId;
use esker_format::key_material::{self, KeyMaterial};
use esker_format::list::ListPage;
use esker_format::log_entry::Body;
use esker_format::node;
use esker_format::ordinals::Ordinals;
use esker_format::pack::{self, Directory};
use esker_format::page::Page;
use esker_format::path::MapKey;
use esker_format::segment;
use esker_format::snapshot::{Manifest, Summary};
use esker_format::{limits, recovery, slot};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts what one thread holds, and looks for a secret in what it frees.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
    static SECRET: Cell<Option<[u8; 16]>> = const { Cell::new(None) };
    static FOUND: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    MOST.set(MOST.get().max(held));
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        if let Some(secret) = SECRET.get() {
            // SAFETY: `at` is a block of that size, alive until the next line. Bytes that were
            // never written are only compared, in a test, and the blocks here are written.
            let freed = unsafe { std::slice::from_raw_parts(at, layout.size()) };
            let found = freed.windows(secret.len()).filter(|window| *window == secret).count();
            FOUND.set(FOUND.get() + found);
        }
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

/// The most memory that was held at once during `run`, and its result.
fn taken<T>(run: impl FnOnce() -> T) -> (usize, T) {
    let before = HELD.get();
    MOST.set(before);
    let out = run();
    ((MOST.get() - before) as usize, out)
}

/// How often the first half of `secret` was in memory that `run` freed.
fn left_behind<T>(secret: &[u8; 32], run: impl FnOnce() -> T) -> usize {
    let mut half = [0; 16];
    half.copy_from_slice(&secret[..16]);
    SECRET.set(Some(half));
    FOUND.set(0);
    drop(run());
    SECRET.set(None);
    FOUND.get()
}

#[test]
fn the_allocator_counts_and_looks() {
    let (bytes, _) = taken(|| drop(vec![1u8; 5000]));
    assert!((5000..6000).contains(&bytes), "{bytes}");
    let secret = *epoch().0.expose();
    assert_eq!(left_behind(&secret, || secret.to_vec()), 1);
}

/// Holds that a decoder refuses `bytes`, or takes them, with little memory: 24 times the input for
/// the smallest values, 4 KiB for errors and small things, and what it may hold by a limit.
#[track_caller]
fn modest<T>(name: &str, bytes: &[u8], limit: usize, read: impl FnOnce(&[u8]) -> Result<T>) {
    let (most, _) = taken(|| read(bytes).is_ok());
    let bound = 24 * bytes.len() + 4096 + limit;
    assert!(most <= bound, "{name}: {most} bytes for {}, bound {bound}", bytes.len());
}

/// Heads of items that claim a length far beyond what follows.
fn claims() -> Vec<Vec<u8>> {
    let mut claims = vec![];
    for major in [2u8, 3, 4, 5] {
        for head in [
            &[24, 255][..],
            &[25, 255, 255],
            &[26, 255, 255, 255, 255],
            &[27, 0, 0, 0, 1, 0, 0, 0, 0],
            &[27, 255, 255, 255, 255, 255, 255, 255, 255],
        ] {
            let mut claim = head.to_vec();
            claim[0] |= major << 5;
            claims.push(claim);
        }
    }
    claims
}

#[test]
fn lengths_that_are_only_claimed_take_no_memory() {
    for samples::Sample { name, payload, again, .. } in samples() {
        // Every claim at every place of every sample, alone and with the rest behind it.
        for at in 0..payload.len() {
            for claim in claims() {
                modest(name, &[&payload[..at], &claim].concat(), 0, again);
                modest(name, &[&payload[..at], &claim, &payload[at..]].concat(), 0, again);
            }
        }
    }
}

#[test]
fn hostile_lists_take_a_small_multiple_of_their_bytes() {
    /// A list of `n` items behind some bytes.
    fn list(before: &[u8], n: usize, item: &[u8]) -> Vec<u8> {
        let mut w = Writer::default();
        w.array(n);
        [before, &w.into_bytes(), &item.repeat(n)].concat()
    }
    fn cbor<T: Cbor>(bytes: &[u8]) -> Result<T> {
        cbor::decode("hostile", bytes, 64 << 20)
    }
    let n = 1_000_000;
    // The shortest items that become the largest values, where each decoder expects a list.
    modest("attributes", &list(&[], n, &[0x82, 0x41, b'a', 0x40]), 0, node::decode_xattrs);
    modest("items of a node", &list(&[], n, &[0x82, 1, 1]), 0, cbor::<Content>);
    modest("items of a page", &list(&[0x82, 0], n, &[0x82, 1, 1]), 0, ListPage::decode);
    modest("groups of a page", &list(&[0x82, 0], n, &[0x82, 0x40, 0x80]), 0, Page::decode);
    modest("pages of a page", &list(&[0x82, 1], n, &[0xa0]), 0, Page::decode);
    modest("tags", &list(&[0xa1, 3], n, &[0x60]), 0, cbor::<Summary>);
    modest("paths", &list(&[0xa1, 4], n, &[0x40]), 0, cbor::<Summary>);
    modest("problems", &list(&[0xa1, 4], n, &[0xa2, 0, 0x40, 1, 0x60]), 0, cbor::<Manifest>);
    modest("replacements", &list(&[0xa1, 14, 0xa1, 1], n, &[0xa1, 0, 0]), 0, cbor::<Body>);
    modest("features", &list(&[0xa1, 4, 0xa1, 0], n, &[1]), 0, cbor::<Body>);
    modest("runs", &list(&[], n, &[1, 1]), 0, cbor::<Ordinals>);
    let segment = [&[0xa1, 0, 0x58, 32][..], &[7; 32]].concat();
    modest("segments", &list(&[0xa1, 6], n, &segment), 0, cbor::<Checkpoint>);
    let named = [&[0xa2, 0, 0x58, 32][..], &[7; 32], &[1, 1]].concat();
    modest("checkpoints", &list(&[0xa1, 15], n, &named), 0, cbor::<Checkpoint>);
    let mut unknown = Writer::default();
    unknown.map(n);
    for key in 0..n as u64 {
        unknown.u64(200 + key);
        unknown.u64(0);
    }
    let unknown = unknown.into_bytes();
    modest("unknown keys", &unknown, 0, cbor::<Summary>);
    modest("unknown kind", &[&[0xa1, 24, 200][..], &unknown].concat(), 0, cbor::<Body>);
}

/// A checkpoint can be a quarter of a GiB, so that reading one must not take it several times.
#[test]
fn a_large_checkpoint_is_in_memory_twice_at_most() {
    let row = |n: u64| {
        let id = *blake3::hash(&n.to_le_bytes()).as_bytes();
        let (len, session, state) = (n, SESSION, PackState::Live);
        PackRow { id: PackId::new(id), len, session, state, damaged: false }
    };
    let large = Checkpoint { packs: (0..100_000).map(row).collect(), ..checkpoint() };
    let header = Header { seq: 41, ..header(Kind::Checkpoint) };
    let (key, enrolment) = (epoch().log_key(), samples::enrolment_object());
    let object = large.encode(header, enrolment, &key, &signer(), &mut entropy(1)).unwrap();
    let owner = owner().owner_key().verification();
    let (most, read) = taken(move || Checkpoint::decode(object, REPOSITORY, &key, &owner));
    assert_eq!(read.unwrap().packs.len(), 100_000);
    // Beside the object, which the caller has paid for: what was in it, and the value.
    assert!(most < 2 * 5_700_000 + (2 << 20), "{most} bytes");
}

#[test]
fn a_long_parent_is_not_repeated_for_a_thousand_names() {
    let mut w = Writer::default();
    w.array(2);
    w.u64(0);
    w.array(1);
    w.array(2);
    let parent = vec![vec![b'p'; 255]; 255].join(&0);
    w.bytes(&parent);
    w.array(1024);
    let mut bytes = w.into_bytes();
    let node = cbor::encode(&samples::bare(node::NodeKind::Fifo));
    for n in 0..1024 {
        let mut w = Writer::default();
        w.array(2);
        w.bytes(format!("{n:04}").as_bytes());
        bytes.extend(w.into_bytes());
        bytes.extend_from_slice(&node);
    }
    MapKey { parent, name: b"x".to_vec() }.check().unwrap();
    assert!(Page::decode(&bytes).is_err());
    modest("parents", &bytes, limits::PAGE_KEYS_MAX, Page::decode);
}

#[test]
fn arrays_of_fixed_width_are_measured_before_they_are_read() {
    let directory = |frames: u32, chunks: u32| {
        [&frames.to_le_bytes()[..], &chunks.to_le_bytes(), &[1; 100]].concat()
    };
    for (frames, chunks) in [
        (16_384, 0),
        (0, 1 << 20),
        (16_384, 1 << 20),
        (u32::MAX, 0),
        (0, u32::MAX),
        (u32::MAX, u32::MAX),
    ] {
        modest("directory", &directory(frames, chunks), 0, Directory::decode);
        let mut bytes = segment::encode(&[samples::segment_pack()]);
        bytes[48..52].copy_from_slice(&frames.to_le_bytes());
        bytes[52..56].copy_from_slice(&chunks.to_le_bytes());
        modest("segment", &bytes, 0, segment::decode);
        for count in [1, 2, u32::MAX] {
            bytes[..4].copy_from_slice(&count.to_le_bytes());
            modest("segment", &bytes, 0, segment::decode);
        }
    }
    let mut trailer = [&u32::MAX.to_le_bytes()[..], &[0; 4], b"eskrpack"].concat();
    assert!(pack::decode_trailer(&trailer).is_err());
    trailer[..4].copy_from_slice(&30_000_000u32.to_le_bytes());
    let (header, ..) = samples::pack_parts();
    let short = [header, trailer].concat();
    modest("pack", &short, 0, |b| pack::decode_pack(b, &scope().segment));
    for len in [0u32, 79, 81, 65_536, u32::MAX] {
        let mut bytes = header_bytes();
        bytes[12..16].copy_from_slice(&len.to_le_bytes());
        modest("header", &bytes, 0, Header::decode);
    }
}

fn header_bytes() -> Vec<u8> {
    header(Kind::Pack).encode()
}

/// A sealed body whose plaintext is this.
fn sealed(plain: &[u8]) -> Vec<u8> {
    use chacha20poly1305::aead::{Aead, KeyInit};
    let cipher = chacha20poly1305::XChaCha20Poly1305::new(scope().summary.expose().into());
    let nonce = [5; 24];
    [&nonce[..], &cipher.encrypt(&nonce.into(), plain).unwrap()].concat()
}

#[test]
fn a_body_takes_no_more_than_the_limit_that_its_reader_states() {
    let key = scope().summary;
    let open = |b: &[u8], limit| open_body("body", b, 0, &key, limit);
    for len in [1u32, 1 << 20, 1 << 28, u32::MAX] {
        for codec in [0, 1, 2] {
            let body = sealed(&[&[codec][..], &len.to_le_bytes(), &[0; 50]].concat());
            modest("body", &body, 0, |b| open(b, 1 << 20));
        }
        // A zstd frame that claims the same length, and does not have it.
        let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &len.to_le_bytes(), &[1, 0, 0]].concat();
        let body = sealed(&[&[1][..], &len.to_le_bytes(), &frame].concat());
        modest("zstd", &body, 1 << 20, |b| open(b, 1 << 20));
        modest("zstd", &frame, 1 << 20, |b| {
            let mut out = Vec::new();
            Decompressor::default().decompress(Codec::Zstd, b, len as usize, 1 << 20, &mut out)
        });
    }
    assert!(open(&sealed(&[0, 3, 0, 0, 0, 7, 8, 9]), 3).is_ok());
}

#[test]
fn keys_and_slots_take_little_until_a_slot_is_opened() {
    let long = "0".repeat(60_000);
    modest("key file", long.as_bytes(), 0, |_| key_material::decode_file(&long));
    let line = format!("esker-key-0:{long}");
    modest("key file", line.as_bytes(), 0, |_| key_material::decode_file(&line));
    modest("recovery", long.as_bytes(), 0, |_| recovery::decode(&long));
    // More Argon2 memory than the limit is refused before it is taken.
    let object = samples().into_iter().find(|s| s.name == "slot").unwrap().object.unwrap().0;
    for memory in [limits::ARGON_MEMORY_MAX_KIB + 1, u32::MAX] {
        let mut object = object.clone();
        object[85..89].copy_from_slice(&memory.to_le_bytes());
        modest("slot", &object, 0, |b| slot::decode(b, samples::PASSPHRASE));
    }
}

#[test]
fn no_freed_memory_holds_a_secret() {
    let material = writer_material();
    let KeyMaterial::Writer(writer) = &material else { unreachable!() };
    let secret = *writer.scope_secret.expose();
    let encoded = material.encode();
    assert_eq!(left_behind(&secret, || material.encode()), 0, "encode");
    assert_eq!(left_behind(&secret, || KeyMaterial::decode(&encoded)), 0, "decode");
    let file = key_material::encode_file(&material);
    assert_eq!(left_behind(&secret, || key_material::encode_file(&material)), 0, "encode_file");
    assert_eq!(left_behind(&secret, || key_material::decode_file(&file)), 0, "decode_file");
    let seal = || {
        slot::encode(header(Kind::Slot), &material, b"x", samples::CHEAP, &mut entropy(1)).unwrap()
    };
    let object = seal();
    assert_eq!(left_behind(&secret, seal), 0, "slot::encode");
    assert_eq!(left_behind(&secret, || slot::decode(&object, b"x")), 0, "slot::decode");
}
