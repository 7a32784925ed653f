//! One function for each decoder: whatever the bytes are, it does not panic, and what it reads
//! it writes again as the same bytes.

// It needs nothing else of the program, which would take long to build here.
#[allow(dead_code, reason = "answers are put together elsewhere")]
#[path = "../../src/browse/nbd/wire.rs"]
mod wire;

use esker_format::cbor::{self, Cbor};
use esker_format::checkpoint::Checkpoint;
use esker_format::codec::{Codec, Decompressor};
use esker_format::config::Config;
use esker_format::content::Content;
use esker_format::data_key::decapsulate;
use esker_format::envelope::Header;
use esker_format::frame::{FrameHead, FrameKey, FrameType};
use esker_format::ids::{EntryHash, Named, RepositoryId, Seq, SessionId};
use esker_format::key::OwnerSecret;
use esker_format::key_material::{self, KeyMaterial};
use esker_format::limits::{CHECKPOINT_MAX, CONFIG_MAX, ENTRY_MAX, FRAME_MAX, MANIFEST_MAX};
use esker_format::list::ListPage;
use esker_format::log_entry::{Body, SealedEntry};
use esker_format::node;
use esker_format::ordinals::Ordinals;
use esker_format::pack::{self, Directory};
use esker_format::page::{Page, reference_to};
use esker_format::secret::{Entropy, Secret};
use esker_format::snapshot::{self, Manifest, Summary, SummaryOf};
use esker_format::{recovery, segment, slot};

/// The owner of all seeds.
fn owner() -> OwnerSecret {
    OwnerSecret(Secret::new(std::array::from_fn(|i| i as u8)))
}

/// A CBOR value: what is read is written as it came.
fn value<T: Cbor>(data: &[u8], limit: usize) -> Option<T> {
    let value = cbor::decode::<T>("fuzz", data, limit).ok()?;
    assert_eq!(cbor::encode(&value), data);
    Some(value)
}

/// The header of any object, and its recipients.
pub fn header(data: &[u8]) {
    if let Ok((header, len)) = Header::decode(data) {
        assert_eq!(header.encode(), data[..len]);
        assert!(decapsulate(&header, &owner().reading_key(2), &owner().epoch(2)).is_err());
    }
}

/// The content of a file.
pub fn content(data: &[u8]) {
    if let Some(content) = value::<Content>(data, 1 << 20) {
        assert!(content.check().is_ok() && content.len().is_ok());
    }
}

/// A node.
pub fn node(data: &[u8]) {
    if let Ok(node) = node::decode_node(data) {
        assert_eq!(cbor::encode(&node), data);
        assert!(node.check().is_ok());
    }
}

/// A page of a path map.
pub fn page(data: &[u8]) {
    let Ok(page) = Page::decode(data) else { return };
    assert_eq!(page.encode(), data);
    let id = owner().scope(0).keys().page_id(data);
    if let Ok(reference) = reference_to(&page, id, data.len() as u64) {
        assert!(page.expect(&reference, page.level()).is_ok());
    }
    if let Page::Leaf(entries) = &page {
        assert!(entries.is_sorted_by(|a, b| a.key < b.key));
        for entry in entries {
            entry.key.check().unwrap();
            let again = esker_format::path::MapKey::from_path(&entry.key.path());
            assert_eq!(again.as_ref(), Ok(&entry.key));
        }
    }
}

/// A page of a content list.
pub fn list_page(data: &[u8]) {
    if let Ok(page) = ListPage::decode(data) {
        assert_eq!(page.encode(), data);
    }
}

/// A page of extended attributes.
pub fn xattrs(data: &[u8]) {
    if let Ok(list) = node::decode_xattrs(data) {
        assert_eq!(node::encode_xattrs(&list), data);
    }
}

/// The directory of a pack.
pub fn directory(data: &[u8]) {
    if let Ok(directory) = Directory::decode(data) {
        assert_eq!(directory.encode(), data);
    }
}

/// A whole pack: what is around the directory.
pub fn pack(data: &[u8]) {
    let key = owner().scope(3).keys().segment;
    let _ = pack::decode_trailer(data);
    if let Ok((header, len, directory)) = pack::decode_pack(data, &key) {
        assert_eq!(header.encode(), data[..len]);
        assert!(len as u64 + directory.frames_len() < data.len() as u64);
    }
}

/// The list in a segment.
pub fn segment(data: &[u8]) {
    if let Ok(packs) = segment::decode(data) {
        assert_eq!(segment::encode(&packs), data);
    }
}

/// A manifest.
pub fn manifest(data: &[u8]) {
    if let Some(manifest) = value::<Manifest>(data, MANIFEST_MAX) {
        let _ = manifest.check();
    }
}

/// A summary.
pub fn summary(data: &[u8]) {
    let key = owner().scope(3).keys().summary;
    let of = SummaryOf {
        repository: RepositoryId::new(*b"repository of id"),
        session: SessionId::new(*b"session of a run"),
    };
    assert!(snapshot::open_summary(data, of, &key).is_err());
    if let Some(summary) = value::<Summary>(data, MANIFEST_MAX) {
        let sealed = snapshot::seal_summary(&summary, of, &key, &mut Entropy::new([1; 32]));
        let opened = snapshot::open_summary(&sealed, of, &key);
        assert_eq!(opened, summary.check().map(|()| summary));
    }
}

/// The body of a log entry.
pub fn entry_body(data: &[u8]) {
    if let Some(body) = value::<Body>(data, ENTRY_MAX) {
        assert_eq!(body.check(), Ok(()));
    }
}

/// A log entry without its checksum, which is added here.
pub fn signed_entry(data: &[u8]) {
    let object = [data, EntryHash::of(data).as_bytes()].concat();
    let Ok((header, _)) = Header::decode(&object) else { return };
    let Ok(entry) = SealedEntry::parse(object.clone(), header.repository, Seq(header.seq)) else {
        return;
    };
    assert_eq!((entry.bytes(), entry.place.seq.0), (&object[..], header.seq));
    if entry.is_signed_by(&owner().working_key().verification())
        && let Ok(body) = entry.open(&owner().epoch(2).log_key())
    {
        assert!(body.deletes() == entry.deletes() || matches!(body, Body::Unknown(..)));
    }
}

/// The payload of a config.
pub fn config(data: &[u8]) {
    value::<Config>(data, CONFIG_MAX);
}

/// The payload of a checkpoint.
pub fn checkpoint(data: &[u8]) {
    if let Some(checkpoint) = value::<Checkpoint>(data, CHECKPOINT_MAX) {
        let _ = checkpoint.check();
    }
}

/// A key slot; opened where it is cheap.
pub fn slot(data: &[u8]) {
    let Ok((header, _)) = Header::decode(data) else { return };
    let Ok((cost, _)) = slot::parameters(&header) else { return };
    assert!(cost.check().is_ok());
    if cost.memory_kib <= 64 && cost.passes == 1 {
        let _ = slot::decode(data, b"correct horse");
    }
}

/// The material in slots and key files.
pub fn key_material(data: &[u8]) {
    if let Ok(material) = KeyMaterial::decode(data) {
        assert_eq!(material.encode()[..], *data);
    }
}

/// The text of a key file; a missing checksum is added.
pub fn key_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(material) = key_material::decode_file(text) {
        let again = key_material::encode_file(&material);
        assert_eq!(
            again.lines().last(),
            text.lines().map(str::trim).find(|l| l.starts_with("esker"))
        );
    }
}

/// The text of a recovery key.
pub fn recovery(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(secret) = recovery::decode(text) {
        assert_eq!(recovery::decode(&recovery::encode(&secret)), Ok(secret));
    }
}

/// A set of ordinals.
pub fn ordinals(data: &[u8]) {
    let Some(set) = value::<Ordinals>(data, ENTRY_MAX) else { return };
    let some: Vec<u32> = set.iter().take(1000).collect();
    assert!(some.is_sorted_by(|a, b| a < b) && some.iter().all(|o| set.contains(*o)));
    if set.last().is_some_and(|last| last < 1000) {
        assert_eq!(some.into_iter().collect::<Ordinals>(), set);
    }
}

/// A frame whose seal is right: codec, length, and what is decompressed.
pub fn frame(data: &[u8]) {
    let [codec, a, b, c, d, body @ ..] = data else { return };
    let Ok(codec) = Codec::from_number((*codec).into()) else { return };
    let plain_len = u32::from_le_bytes([*a, *b, *c, *d]);
    let mut head =
        FrameHead { frame_type: FrameType::Data, codec, sealed_len: 0, plain_len, chunks: 1 };
    let key = FrameKey::new(Secret::new([1; 32]), b"header");
    let (mut sealed, mut plain) = (body.to_vec(), Vec::new());
    key.seal(0, &mut head, &mut sealed);
    if key.open(0, &head, &mut sealed, &mut Decompressor::default(), &mut plain).is_ok() {
        assert!(plain.len() == plain_len as usize && plain.len() <= FRAME_MAX);
        assert!(codec == Codec::Zstd || plain == body);
    }
}

/// What a client of NBD says: a request, the head of an option, and what comes with options.
pub fn nbd_request(data: &[u8]) {
    if let Some(head) = data.first_chunk()
        && let Some(request) = wire::Request::parse(head)
    {
        assert_eq!(&request.encode(), head);
    }
    let Some((head, content)) = data.split_first_chunk() else { return };
    if wire::OptionHead::parse(head).is_none() {
        return;
    }
    if let Some(wanted) = wire::Wanted::parse(content) {
        let [name, infos] = [wanted.name.len(), 2 * wanted.infos.len()];
        assert_eq!(4 + name + 2 + infos, content.len());
    }
    if let Some(contexts) = wire::Contexts::parse(content) {
        let queries: usize = contexts.queries.iter().map(|query| 4 + query.len()).sum();
        assert_eq!(4 + contexts.name.len() + 4 + queries, content.len());
        assert!(!contexts.want_allocation(false) || contexts.want_allocation(true));
    }
}
