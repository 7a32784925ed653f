//! Test vectors for other implementations: `tests/vectors/*.hex`. Today's encoders make exactly
//! these bytes from fixed keys, and the decoders read them. `ESKER_BLESS=1` writes the files
//! anew, and the seeds of the fuzz targets with them.

use crate::entries::{bodies, entry_header};
use crate::samples::{self, PASSPHRASE, Sample, samples};
use crate::support::*;
use esker_format::cbor;
use esker_format::codec::{Codec, Compressor, Decompressor};
use esker_format::data_key::decapsulate;
use esker_format::envelope::Header;
use esker_format::error::Result;
use esker_format::frame::FrameKey;
use esker_format::{key_material, pack, recovery};
use std::fs;
use std::path::{Path, PathBuf};

/// The lines of one file: what stands there, and names with values.
struct Vectors {
    file: String,
    head: &'static str,
    lines: Vec<(String, String)>,
}

impl Vectors {
    fn new(file: &str, head: &'static str) -> Self {
        Self { file: file.into(), head, lines: vec![] }
    }
    fn hex(mut self, name: &str, bytes: &[u8]) -> Self {
        self.lines.push((name.into(), hex(bytes)));
        self
    }
    fn number(mut self, name: &str, number: impl std::fmt::Display) -> Self {
        self.lines.push((name.into(), number.to_string()));
        self
    }
    /// The keys that everything is made from.
    fn keys(self) -> Self {
        self.hex("owner_secret", owner().0.expose())
            .number("scope", SCOPE)
            .number("epoch", EPOCH)
            .hex("repository", REPOSITORY.as_bytes())
    }
    fn text(&self) -> String {
        let mut text = format!("# {}\n", self.head.replace('\n', "\n# "));
        for (name, value) in &self.lines {
            text.push_str(&format!("{name}: {value}\n"));
        }
        text
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn bless() -> bool {
    std::env::var_os("ESKER_BLESS").is_some()
}

/// Writes a file, or holds that it has these bytes.
fn same(path: &Path, bytes: &[u8]) {
    if bless() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let found = fs::read(path).unwrap_or_default();
    assert!(
        found == bytes,
        "{} differs from what is made today; if that is meant, run with ESKER_BLESS=1",
        path.display()
    );
}

const NUMBERS: &str = "Numbers are decimal, all else is hexadecimal.";

fn head(name: &str) -> &'static str {
    match name {
        "pack" => {
            "A pack of two frames. `payload` is its directory, sealed under the segment key of the\n\
             scope; the data key is encapsulated to the reading key of the epoch. `data_key` and\n\
             the frames' plaintexts are what comes out."
        }
        "segment" => {
            "A segment with one pack (the one of pack.hex), sealed under the segment key of the\n\
             scope."
        }
        "manifest" => "A manifest, sealed to the reading key of the epoch.",
        "summary" => {
            "The summary of a commit, sealed under the summary key of the scope for a session,\n\
             which is `session` in hexadecimal."
        }
        "config" => "A config, sealed under the log key of the epoch, signed by the owner.",
        "checkpoint" => {
            "A checkpoint, sealed under the log key of the epoch, signed with the working key."
        }
        "slot" => "A key slot with the owner's material and the cheapest Argon2id there is.",
        "key_writer" => "The key material of a writer.",
        "header" => "The header of a log entry, with a field of a newer version.",
        "ordinals" => "A set of pack ordinals: 0, 1, 2, 7, 300.",
        _ if bodies().iter().any(|(body, _)| *body == name) => {
            "A log entry with number 41, sealed under the log key of the epoch, signed with the\n\
             working key."
        }
        _ => "An encoded value that is not an object of its own.",
    }
}

fn files() -> Vec<Vectors> {
    let mut files = vec![derived(), key_file(), refused(), signatures()];
    for Sample { name, payload, object, .. } in samples() {
        let entry = bodies().iter().any(|(body, _)| *body == name);
        let file =
            if entry { format!("entry_{}", name.trim_end_matches("_entry")) } else { name.into() };
        let mut vectors = Vectors::new(&file, head(name));
        if let Some((object, _)) = &object {
            vectors = vectors.keys();
            match name {
                "pack" => vectors = frames(vectors, object),
                "slot" => vectors = vectors.hex("passphrase", PASSPHRASE),
                "summary" => vectors = vectors.hex("session", SESSION.as_bytes()),
                _ => {}
            }
        }
        vectors = vectors.hex("payload", &payload);
        if let Some((object, _)) = object {
            vectors = vectors.hex("object", &object);
        }
        files.push(vectors);
    }
    files
}

fn derived() -> Vectors {
    let (keys, owner) = (scope(), owner());
    let gear: Vec<u8> = keys.gear.iter().take(4).flat_map(|g| g.to_le_bytes()).collect();
    let plain = b"some plaintext";
    Vectors::new(
        "keys",
        "Keys and names that follow from the owner's secret, and its recovery key (as UTF-8).\n\
         Chunk ids and link group are of the given input; the gear table begins with these four.",
    )
    .keys()
    .hex("owner_signing_key", owner.owner_key().0.expose())
    .hex("owner_verification_key", &owner.owner_key().verification().0)
    .hex("working_signing_key", owner.working_key().0.expose())
    .hex("working_verification_key", &owner.working_key().verification().0)
    .hex("working_writer_id", writer().as_bytes())
    .hex("scope_secret", owner.scope(SCOPE).0.expose())
    .hex("segment_key", keys.segment.expose())
    .hex("summary_key", keys.summary.expose())
    .hex("gear", &gear)
    .hex("plaintext", plain)
    .hex("data_id", keys.data_id(plain).as_bytes())
    .hex("page_id", keys.page_id(plain).as_bytes())
    .number("device", 8)
    .number("inode", 12345)
    .hex("link_group", keys.link_group(8, 12345).as_bytes())
    .hex("cut_key", b"usr\0lib\0\0libc.so")
    .number("cut_level", 0)
    .number("cut_number", keys.cut_number(0, b"usr\0lib\0\0libc.so"))
    .number("block_number", keys.block_number(plain))
    .hex("epoch_secret", epoch().0.expose())
    .hex("log_key", epoch().log_key().expose())
    .hex("pre_shared_key", epoch().pre_shared_key().expose())
    .hex("reading_public_key", &reading().public().0)
    .hex("reading_short_id", &reading().public().short())
    .hex("recovery_key", recovery::encode(&owner).as_bytes())
}

fn key_file() -> Vectors {
    Vectors::new("key_file", "A writer's key file (as UTF-8) and the material in it.")
        .keys()
        .hex("file", key_material::encode_file(&samples::writer_material()).as_bytes())
        .hex("payload", &samples::writer_material().encode())
}

/// Data key and plaintexts of the frames of a pack.
fn frames(mut vectors: Vectors, object: &[u8]) -> Vectors {
    let (header, header_len, directory) = pack::decode_pack(object, &scope().segment).unwrap();
    let key = decapsulate(&header, &reading(), &epoch()).unwrap();
    vectors = vectors.hex("data_key", key.expose());
    let key = FrameKey::new(key, &object[..header_len]);
    let mut at = header_len;
    for (number, head) in directory.frames.iter().enumerate() {
        let end = at + head.sealed_len as usize;
        let (mut sealed, mut plain) = (object[at..end].to_vec(), Vec::new());
        key.open(number as u32, head, &mut sealed, &mut Decompressor::default(), &mut plain)
            .unwrap();
        vectors = vectors.hex(&format!("frame_{number}"), &plain);
        at = end;
    }
    vectors
}

type Reader = fn(&[u8]) -> Result<Vec<u8>>;

/// Bytes that every reader must refuse, by what they pretend to be.
fn refusals() -> Vec<(&'static str, Vec<u8>, Reader)> {
    let page: Reader = |b| esker_format::page::Page::decode(b).map(|p| p.encode());
    let header: Reader = |b| Header::decode(b).map(|(h, _)| h.encode());
    let leaf = |groups: &[u8]| [&[0x82, 0][..], groups].concat();
    let fifo = cbor::encode(&samples::bare(esker_format::node::NodeKind::Fifo));
    let entry = |name: &[u8]| [&[0x82, 0x40 + name.len() as u8][..], name, &fifo].concat();
    let group = |names: &[&[u8]]| {
        let mut out = vec![0x81, 0x82, 0x41, b'd', 0x80 + names.len() as u8];
        names.iter().for_each(|name| out.extend(entry(name)));
        leaf(&out)
    };
    let mut seq = crate::support::header(esker_format::envelope::Kind::Pack).encode();
    seq[72] = 1;
    let mut version = entry_header().encode();
    version[9] = 1;
    vec![
        (
            "ordinals.long_integer",
            vec![0x82, 0x18, 1, 1],
            again::<esker_format::ordinals::Ordinals>,
        ),
        (
            "ordinals.touching_runs",
            vec![0x84, 0, 1, 0, 1],
            again::<esker_format::ordinals::Ordinals>,
        ),
        ("ordinals.empty_run", vec![0x82, 1, 0], again::<esker_format::ordinals::Ordinals>),
        (
            "content.indefinite_length",
            vec![0x5f, 0x41, 1, 0xff],
            again::<esker_format::content::Content>,
        ),
        ("content.empty", vec![0x40], again::<esker_format::content::Content>),
        ("content.empty_item", vec![0x81, 0x82, 0, 1], again::<esker_format::content::Content>),
        (
            "entry.critical_key",
            vec![0xa1, 3, 0xa2, 0, 1, 0x18, 0x7f, 0],
            again::<esker_format::log_entry::Body>,
        ),
        (
            "entry.keys_out_of_order",
            vec![0xa1, 3, 0xa3, 0, 1, 0x18, 0x81, 0, 0x18, 0x80, 0],
            again::<esker_format::log_entry::Body>,
        ),
        (
            "entry.key_twice",
            vec![0xa1, 3, 0xa2, 0, 1, 0, 1],
            again::<esker_format::log_entry::Body>,
        ),
        (
            "entry.null_value",
            vec![0xa1, 3, 0xa2, 0, 1, 0x18, 0x80, 0xf6],
            again::<esker_format::log_entry::Body>,
        ),
        ("entry.byte_behind", vec![0xa1, 3, 0xa1, 0, 1, 0], again::<esker_format::log_entry::Body>),
        ("page.dot_dot", group(&[b".."]), page),
        ("page.slash", group(&[b"a/b"]), page),
        ("page.nul", group(&[b"a\0b"]), page),
        ("page.out_of_order", group(&[b"b", b"a"]), page),
        ("page.twice", group(&[b"a", b"a"]), page),
        ("page.empty", leaf(&[0x80]), page),
        ("header.sequence_number_of_a_pack", seq, header),
        ("header.newer_version", version, header),
    ]
}

fn refused() -> Vectors {
    let head = "Bytes that every reader refuses. Before the dot: what they pretend to be.";
    let add =
        |vectors: Vectors, (name, bytes, _): (&str, Vec<u8>, Reader)| vectors.hex(name, &bytes);
    refusals().into_iter().fold(Vectors::new("refused", head), add)
}

fn signatures() -> Vectors {
    let mut vectors = Vectors::new(
        "signatures",
        "Verification keys, messages and signatures over D(\"esker 0 signature\", message). Every\n\
         reader accepts those with a 1 and refuses the others.",
    );
    for case in &crate::signatures::CASES {
        vectors = vectors
            .hex(&format!("{}.key", case.name), &case.key())
            .hex(&format!("{}.message", case.name), case.message.as_bytes())
            .hex(&format!("{}.signature", case.name), &case.signature())
            .number(&format!("{}.accepted", case.name), u8::from(case.accepted));
    }
    vectors
}

#[test]
fn todays_encoders_make_the_vectors() {
    for vectors in files() {
        let path = folder("tests/vectors").join(format!("{}.hex", vectors.file));
        let text = format!("# {NUMBERS}\n{}", vectors.text());
        same(&path, text.as_bytes());
    }
}

#[test]
fn no_vector_is_left_over() {
    let mut found: Vec<String> = fs::read_dir(folder("tests/vectors"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut made: Vec<String> = files().iter().map(|v| format!("{}.hex", v.file)).collect();
    found.sort();
    made.sort();
    assert_eq!(found, made);
}

/// The value of a name in a vector file, as bytes.
fn read(file: &str, name: &str) -> Option<Vec<u8>> {
    let text = fs::read_to_string(folder("tests/vectors").join(format!("{file}.hex"))).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    Some(value.as_bytes().chunks(2).map(byte).collect())
}

#[test]
fn todays_decoders_read_the_vectors() {
    for Sample { name, again, object, .. } in samples() {
        let entry = bodies().iter().any(|(body, _)| *body == name);
        let file =
            if entry { format!("entry_{}", name.trim_end_matches("_entry")) } else { name.into() };
        let payload = read(&file, "payload").unwrap();
        assert_eq!(again(&payload).as_ref(), Ok(&payload), "{name}");
        if let Some((_, open)) = object {
            assert_eq!(open(&read(&file, "object").unwrap()), Ok(payload), "{name}");
        }
    }
    let file = String::from_utf8(read("key_file", "file").unwrap()).unwrap();
    assert_eq!(key_material::decode_file(&file).unwrap(), samples::writer_material());
    let text = String::from_utf8(read("keys", "recovery_key").unwrap()).unwrap();
    assert_eq!(recovery::decode(&text).unwrap(), owner());
}

#[test]
fn what_must_be_refused_is_refused() {
    for (name, _, decode) in refusals() {
        let bytes = read("refused", name).unwrap();
        assert!(decode(&bytes).is_err(), "{name}");
    }
}

/// Small inputs for the fuzz targets: target, name, bytes.
fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = vec![];
    let mut add = |target, name: &str, bytes: &[u8]| {
        seeds.push((target, name.to_owned(), bytes.to_vec()));
    };
    for Sample { name, payload, object, .. } in samples() {
        let body = bodies().iter().any(|(body, _)| *body == name);
        let target = match name {
            _ if body => "entry_body",
            "pack" => "directory",
            "slot" | "key_writer" => "key_material",
            _ if name.starts_with("content") => "content",
            _ if name.starts_with("node") => "node",
            _ if name.starts_with("page") => "page",
            _ if name.starts_with("list_page") => "list_page",
            _ => name,
        };
        add(target, name, &payload);
        match (name, object) {
            ("pack", Some((object, _))) => add("pack", name, &object),
            ("slot", Some((object, _))) => add("slot", name, &object),
            // Without the checksum, which the target adds.
            ("rekey" | "delete", Some((object, _))) => {
                add("signed_entry", name, &object[..object.len() - 32]);
            }
            _ => {}
        }
    }
    add("key_file", "writer", samples::key_file_line().as_bytes());
    add("recovery", "owner", samples::recovery_text().as_bytes());
    for (name, plain) in [("raw", b"abc".to_vec()), ("zstd", b"abc".repeat(100))] {
        let mut packed = Vec::new();
        let codec = Compressor::default().compress(3, &plain, &mut packed);
        let len = (plain.len() as u32).to_le_bytes();
        assert_eq!(codec == Codec::Zstd, name == "zstd");
        add("frame", name, &[&[codec as u8][..], &len, &packed].concat());
    }
    seeds
}

#[test]
fn the_fuzz_targets_begin_with_the_vectors() {
    for (target, name, bytes) in seeds() {
        same(&folder("../fuzz/seeds").join(target).join(name), &bytes);
    }
}
