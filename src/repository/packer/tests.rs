//! Packs as the store gets them.

use super::{PACK_CHUNKS, PACK_FRAMES};
use crate::repository::{FrameWriter, NewKey, Repository, Session, Unlock, create};
use crate::store::{MemoryStore, Store};
use esker_format::data_key::decapsulate;
use esker_format::envelope::Header;
use esker_format::frame::{FrameKey, FrameType};
use esker_format::node::Time;
use esker_format::pack::decode_pack;
use esker_format::secret::Entropy;
use std::collections::HashSet;
use std::sync::Arc;

/// Bytes that do not compress, other ones for each number.
fn noise(number: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[number]).finalize_xof().fill(&mut bytes);
    bytes
}

fn new_repository() -> (Arc<MemoryStore>, Repository, tempfile::TempDir) {
    let key = NewKey::from(&mut Entropy::new([7; 32]));
    let store = Arc::new(MemoryStore::new());
    let time = Time { seconds: 0, nanos: 0 };
    create(&*store, &key, None, time, "a test", &mut Entropy::new([8; 32])).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let unlock = Unlock::File(key.material());
    let repository = Repository::open(store.clone(), unlock, cache.path()).unwrap();
    (store, repository, cache)
}

/// A nonce is the number of its frame, so a number must never seal two texts under one key.
#[test]
fn every_frame_of_a_pack_has_a_number_of_its_own_and_every_pack_a_key_of_its_own() {
    let (store, repository, _cache) = new_repository();
    let session = Session::begin(&repository, 2).unwrap();
    for thread in 0..2u8 {
        let mut writer = FrameWriter::data(thread.into());
        for number in 0..20 {
            let bytes = noise(thread * 100 + number, 1 << 20);
            let id = session.access().scope_keys.data_id(&bytes);
            writer.space(bytes.len(), session.packer()).unwrap().copy_from_slice(&bytes);
            writer.keep(id, bytes.len());
        }
        writer.flush(session.packer()).unwrap();
    }
    session.packer().finish().unwrap();

    let access = session.access();
    let (mut keys, mut texts) = (HashSet::new(), HashSet::new());
    let mut packs = Vec::new();
    store.list("pack/", &mut |listed| packs.push(listed)).unwrap();
    assert!(packs.len() > 1);
    for listed in packs {
        let mut object = Vec::new();
        store.get(&listed.name, u64::MAX, &mut object).unwrap();
        let (_, header_len, directory) = decode_pack(&object, &access.scope_keys.segment).unwrap();
        assert!(keys.insert(object[..header_len].to_vec()), "a fresh key for each pack");
        let decoded = Header::decode(&object).unwrap().0;
        let key = decapsulate(&decoded, access.reading().unwrap(), &access.epoch_secret).unwrap();
        let key = FrameKey::new(key, &object[..header_len]);
        let (mut at, mut plain) = (header_len, Vec::new());
        for (number, head) in directory.frames.iter().enumerate() {
            let sealed = &mut object[at..at + head.sealed_len as usize];
            assert_eq!(head.frame_type, FrameType::Data);
            // A frame opens under its own number only.
            key.open(number as u32, head, sealed, &mut Default::default(), &mut plain).unwrap();
            assert!(texts.insert(plain.clone()), "each text once");
            at += head.sealed_len as usize;
        }
    }
    assert_eq!(texts.iter().map(Vec::len).sum::<usize>(), 40 << 20);
}

/// What a reader of packs refuses to take must never be written.
#[test]
fn tiny_chunks_fill_several_packs_that_all_decode() {
    let (store, repository, _cache) = new_repository();
    let session = Session::begin(&repository, 1).unwrap();
    let mut writer = FrameWriter::data(0);
    for number in 0..150_000u32 {
        let bytes = number.to_le_bytes();
        let id = session.access().scope_keys.data_id(&bytes);
        writer.space(bytes.len(), session.packer()).unwrap().copy_from_slice(&bytes);
        writer.keep(id, bytes.len());
    }
    writer.flush(session.packer()).unwrap();
    session.packer().finish().unwrap();

    let mut names = Vec::new();
    store.list("pack/", &mut |listed| names.push(listed.name)).unwrap();
    assert_eq!(names.len(), 3);
    let mut chunks = 0;
    for name in names {
        let mut object = Vec::new();
        store.get(&name, u64::MAX, &mut object).unwrap();
        let key = &session.access().scope_keys.segment;
        let (_, _, directory) = decode_pack(&object, key).unwrap();
        assert!(directory.chunks.len() < 2 * PACK_CHUNKS, "{}", directory.chunks.len());
        chunks += directory.chunks.len();
    }
    assert_eq!(chunks, 150_000);
}

#[test]
fn a_pack_is_closed_at_half_the_frames_that_a_reader_takes() {
    let (store, repository, _cache) = new_repository();
    let session = Session::begin(&repository, 1).unwrap();
    let mut writer = FrameWriter::data(0);
    for number in 0..=PACK_FRAMES as u32 {
        let bytes = number.to_le_bytes();
        let id = session.access().scope_keys.data_id(&bytes);
        writer.space(bytes.len(), session.packer()).unwrap().copy_from_slice(&bytes);
        writer.keep(id, bytes.len());
        writer.flush(session.packer()).unwrap();
    }
    session.packer().finish().unwrap();
    let mut packs = 0;
    store.list("pack/", &mut |_| packs += 1).unwrap();
    assert_eq!(packs, 2);
}
