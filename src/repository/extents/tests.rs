//! What is asked of a store that is far away when frames are wanted.

use super::{Extents, FIRST, KEPT, MOST};
use crate::repository::index::KnownPack;
use crate::store::conformance::noise;
use crate::store::{Durability, MemoryStore, Operation, RecordingStore, Store};
use esker_format::codec::Codec;
use esker_format::frame::{FrameHead, FrameType};
use esker_format::ids::{Named, PackId};
use esker_format::names;
use esker_format::segment::SegmentPack;
use std::sync::Arc;

const HEADER: usize = 178;

/// A pack of so many frames of a length, the last `pages` of them of pages.
fn pack(store: &dyn Store, frames: usize, pages: usize, len: usize) -> (KnownPack, Vec<u8>) {
    let bytes = noise((frames * 1000 + len) as u64, HEADER + frames * len + 500);
    let id = PackId::of(&bytes);
    let _ = store.put_new(&names::pack(id), &[&bytes], Durability::Now).unwrap();
    let head = |number| FrameHead {
        frame_type: if number < frames - pages { FrameType::Data } else { FrameType::Page },
        codec: Codec::Raw,
        sealed_len: len as u32,
        plain_len: len as u32 - 16,
        chunks: 0,
    };
    let pack = SegmentPack {
        id,
        len: bytes.len() as u64,
        header: bytes[..HEADER].to_vec(),
        frames: (0..frames).map(head).collect(),
        chunks: Vec::new(),
    };
    (KnownPack::new(7, 0, pack), bytes)
}

type Recorded = Arc<RecordingStore<MemoryStore>>;

fn far() -> (Recorded, Extents) {
    let store = Arc::new(RecordingStore::new(MemoryStore::new()));
    (Arc::clone(&store), Extents::new(store))
}

#[track_caller]
fn reads(extents: &Extents, pack: &(KnownPack, Vec<u8>), frame: u32) {
    let (head, offset) = pack.0.frame(frame).unwrap();
    let extent = extents.around(&pack.0, frame).unwrap();
    let expected = &pack.1[offset as usize..][..head.sealed_len as usize];
    assert!(extent.part(offset, head.sealed_len) == Some(expected), "frame {frame}");
}

#[test]
fn frame_by_frame_requests_grow_and_no_byte_comes_twice() {
    let (store, extents) = far();
    let pack = pack(&*store, 160, 0, 100_000);
    store.forget();
    (0..160).for_each(|frame| reads(&extents, &pack, frame));
    let asked = store.count(Operation::GetRange);
    // 256 KiB, 512 KiB, 1 MiB, 2 MiB, and then 4 MiB each.
    assert_eq!(asked, 8);
    assert_eq!(store.bytes_read(), 16_000_000);
}

#[test]
fn here_and_there_a_request_brings_little() {
    let (store, extents) = far();
    let pack = pack(&*store, 160, 0, 100_000);
    store.forget();
    for frame in [80, 10, 120, 40, 150] {
        reads(&extents, &pack, frame);
    }
    assert_eq!(store.count(Operation::GetRange), 5);
    assert!(store.bytes_read() <= 5 * FIRST, "{}", store.bytes_read());
}

#[test]
fn a_small_pack_comes_whole_and_the_last_pages_come_together() {
    let (store, extents) = far();
    let small = pack(&*store, 20, 5, 10_000);
    store.forget();
    (0..20).rev().for_each(|frame| reads(&extents, &small, frame));
    assert_eq!((store.count(Operation::GetRange), store.bytes_read()), (1, 200_000));

    let (store, extents) = far();
    let large = pack(&*store, 60, 30, 30_000);
    store.forget();
    // The root, and what is above the leaves: those before it in the pack.
    for frame in [59, 58, 55] {
        reads(&extents, &large, frame);
    }
    assert_eq!((store.count(Operation::GetRange), store.bytes_read()), (1, 8 * 30_000));
}

#[test]
fn of_all_the_pages_of_a_pack_come_with_one_request_and_nothing_else_of_it() {
    let (store, extents) = far();
    let pack = pack(&*store, 100, 60, 90_000);
    let folder = tempfile::tempdir().unwrap();
    extents.expect_much(true, folder.path());
    store.forget();
    reads(&extents, &pack, 99);
    (40..99).for_each(|frame| reads(&extents, &pack, frame));
    assert_eq!((store.count(Operation::GetRange), store.bytes_read()), (1, 60 * 90_000));
}

#[test]
fn what_is_kept_is_bounded_and_what_was_spilled_does_not_come_again() {
    let (store, extents) = far();
    let packs: Vec<_> = (0..6).map(|n| pack(&*store, 40, 0, 100_000 + n)).collect();
    let packs: Vec<_> = packs
        .into_iter()
        .zip(0..)
        .map(|((known, bytes), ordinal)| (KnownPack::new(ordinal, 0, known.pack), bytes))
        .collect();
    let read_all = || {
        for pack in &packs {
            (0..40).for_each(|frame| reads(&extents, pack, frame));
        }
    };
    read_all();
    let kept: usize = super::lock(&extents.state).kept.iter().map(|e| e.bytes.len()).sum();
    assert!(kept <= KEPT, "{kept}");
    let folder = tempfile::tempdir().unwrap();
    extents.expect_much(false, folder.path());
    read_all();
    store.forget();
    read_all();
    assert!(store.bytes_read() <= MOST, "{}", store.bytes_read());
}

#[test]
fn many_who_want_the_same_ask_once() {
    let (store, extents) = far();
    let pack = pack(&*store, 20, 0, 200_000);
    store.forget();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| reads(&extents, &pack, 3));
        }
    });
    assert_eq!(store.count(Operation::GetRange), 1);
}

#[test]
fn a_pack_that_is_cut_off_is_an_error_and_what_is_there_can_still_be_asked_for() {
    let (store, extents) = far();
    let (mut known, bytes) = pack(&*store, 4, 0, 30_000);
    known.pack.frames[3].sealed_len += 1000;
    let known = KnownPack::new(7, 0, known.pack);
    assert!(extents.around(&known, 0).is_err_and(|error| error.is_damage()));
    assert!(extents.around(&known, 9).is_err_and(|error| error.is_damage()));
    drop(bytes);
}
