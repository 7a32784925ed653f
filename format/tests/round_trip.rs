//! What was encoded is read back, for values of every kind.

use crate::entries::place;
use crate::samples::{self, CHEAP, PASSPHRASE};
use crate::support::*;
use crate::values::{self, Draw, draw};
use crate::values_log;
use esker_format::cbor::{self, Cbor};
use esker_format::checkpoint::Checkpoint;
use esker_format::codec::{Codec, Compressor, Decompressor};
use esker_format::config::Config;
use esker_format::content::Content;
use esker_format::envelope::{Header, Kind};
use esker_format::ids::Seq;
use esker_format::key::OwnerSecret;
use esker_format::key_material::{self, KeyMaterial};
use esker_format::list::ListPage;
use esker_format::log_entry::{self, Body, Place, SealedEntry};
use esker_format::node::{self, decode_node};
use esker_format::ordinals::Ordinals;
use esker_format::pack::Directory;
use esker_format::page::Page;
use esker_format::secret::Secret;
use esker_format::snapshot::{self, Manifest, Summary};
use esker_format::{recovery, segment, slot};
use proptest::prelude::*;
use std::fmt::Debug;

fn comes_back<T: Cbor + PartialEq + Debug>(value: &T) {
    let bytes = cbor::encode(value);
    assert_eq!(&cbor::decode::<T>("value", &bytes, 1 << 24).unwrap(), value);
    assert_eq!(cbor::encode_checked("value", value, 1 << 24).unwrap(), bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn headers_come_back(mut d in draw()) {
        let header = values::header(&mut d);
        let mut object = header.encode();
        let len = object.len();
        object.extend_from_slice(b"body");
        prop_assert_eq!(Header::decode(&object), Ok((header, len)));
    }

    #[test]
    fn nodes_and_contents_come_back(mut d in draw()) {
        let node = values::node(&mut d);
        node.check().unwrap();
        prop_assert_eq!(decode_node(&cbor::encode(&node)), Ok(node));
        comes_back::<Content>(&values::content(&mut d));
    }

    #[test]
    fn pages_come_back(mut d in draw()) {
        let page = values::page(&mut d);
        prop_assert_eq!(Page::decode(&page.encode()), Ok(page));
    }

    #[test]
    fn list_pages_come_back(mut d in draw()) {
        let page = values::list_page(&mut d);
        prop_assume!(values::adds_up(&page));
        prop_assert_eq!(ListPage::decode(&page.encode()), Ok(page));
    }

    #[test]
    fn attributes_come_back(mut d in draw()) {
        let list = values::xattrs(&mut d);
        prop_assert_eq!(node::decode_xattrs(&node::encode_xattrs(&list)), Ok(list));
    }

    #[test]
    fn ordinals_come_back(mut d in draw()) {
        let set = values::ordinals(&mut d);
        comes_back::<Ordinals>(&set);
        let all: Vec<u32> = set.iter().collect();
        prop_assert!(all.is_sorted_by(|a, b| a < b) && all.iter().all(|o| set.contains(*o)));
        prop_assert_eq!(all.last().copied(), set.last());
        prop_assert_eq!(all.into_iter().collect::<Ordinals>(), set);
    }

    #[test]
    fn directories_and_segments_come_back(mut d in draw()) {
        let directory = values::directory(&mut d);
        prop_assert_eq!(Directory::decode(&directory.encode()), Ok(directory));
        let packs = d.list(3, values::segment_pack);
        let bytes = segment::encode(&packs);
        prop_assert_eq!(bytes.len(), 4 + packs.iter().map(segment::encoded_len).sum::<usize>());
        prop_assert_eq!(segment::decode(&bytes), Ok(packs));
    }

    #[test]
    fn manifests_and_summaries_come_back(mut d in draw()) {
        let manifest = values::manifest(&mut d);
        comes_back::<Manifest>(&manifest);
        comes_back::<Summary>(&manifest.summary);
        let mut header = header(Kind::Manifest);
        let object = manifest.encode(&mut header, &recipients(), &mut entropy(1)).unwrap();
        prop_assert_eq!(Manifest::decode(&object, &reading(), &epoch()).unwrap(), manifest.clone());
        let sealed = snapshot::seal_summary(&manifest.summary, COMMIT, &scope().summary, &mut entropy(2));
        prop_assert_eq!(snapshot::open_summary(&sealed, COMMIT, &scope().summary), Ok(manifest.summary));
    }

    #[test]
    fn configs_and_checkpoints_come_back(mut d in draw()) {
        let (key, signer) = (epoch().log_key(), signer());
        let config = values_log::config(&mut d);
        comes_back::<Config>(&config);
        let object = config.encode(&header(Kind::Config), &key, &signer, &mut entropy(3));
        let read = Config::decode(object, REPOSITORY, &key, &signer.verification());
        prop_assert_eq!(read, Ok(config));
        let mut state = values_log::checkpoint(&mut d);
        state.check().unwrap();
        comes_back::<Checkpoint>(&state);
        (state.owner, state.epoch) = (owner().owner_key().verification(), EPOCH);
        state.writers = samples::checkpoint().writers;
        state.writers.iter_mut().for_each(|row| row.seq = state.seq.min(row.seq));
        let header = Header { seq: state.seq.0, ..header(Kind::Checkpoint) };
        let enrolment = samples::enrolment_object();
        let object = state.clone().encode(header, enrolment, &key, &signer, &mut entropy(4)).unwrap();
        let read = Checkpoint::decode(object, REPOSITORY, &key, &state.owner);
        prop_assert_eq!(read, Ok(state));
    }

    #[test]
    fn entries_of_every_kind_come_back(kind in 0u64..20, mut d in draw()) {
        let body = values_log::body(kind, &mut d);
        prop_assert_eq!(body.kind(), kind);
        body.check().unwrap();
        comes_back::<Body>(&body);
        let place = Place { seq: Seq(d.number()), ..place(SESSION) };
        let key = epoch().log_key();
        let object = log_entry::encode(&place, &body, &key, &signer(), &mut entropy(5));
        let entry = SealedEntry::parse(object.clone(), REPOSITORY, place.seq).unwrap();
        prop_assert_eq!(entry.place, place);
        prop_assert_eq!(entry.deletes(), body.deletes());
        prop_assert!(entry.is_signed_by(&signer().verification()));
        prop_assert_eq!(entry.open(&key), Ok(body));
        prop_assert_eq!(entry.bytes(), &object[..]);
    }

    #[test]
    fn keys_come_back(mut d in draw()) {
        let material = values::material(&mut d);
        prop_assert_eq!(&KeyMaterial::decode(&material.encode()).unwrap(), &material);
        let text = key_material::encode_file(&material);
        prop_assert_eq!(&key_material::decode_file(&text).unwrap(), &material);
        let header = Header { repository: material.repository(), ..header(Kind::Slot) };
        let object = slot::encode(header, &material, PASSPHRASE, CHEAP, &mut entropy(6)).unwrap();
        prop_assert_eq!(&slot::decode(&object, PASSPHRASE).unwrap(), &material);
    }

    #[test]
    fn recovery_keys_come_back(secret: [u8; 32]) {
        let secret = OwnerSecret(Secret::new(secret));
        prop_assert_eq!(recovery::decode(&recovery::encode(&secret)), Ok(secret));
    }

    #[test]
    fn compressed_data_comes_back(mut d in draw(), repeat in 0usize..50, level in -5i32..12) {
        let plain = all_of(&mut d).repeat(repeat);
        let (mut packed, mut back) = (Vec::new(), Vec::new());
        let codec = Compressor::default().compress(level, &plain, &mut packed);
        let shrunk = packed.len() < plain.len();
        prop_assert_eq!(codec == Codec::Zstd, shrunk);
        let limit = plain.len();
        Decompressor::default().decompress(codec, &packed, plain.len(), limit, &mut back).unwrap();
        prop_assert_eq!(back, plain);
    }
}

fn all_of(d: &mut Draw) -> Vec<u8> {
    d.bytes(0, 1500)
}
