//! What happens to the bytes of files.

use criterion::{BenchmarkId, Criterion, Throughput};
use esker_benches::{noise, text};
use esker_format::chunking::{Cutter, Profile};
use esker_format::codec::{Codec, Compressor, Decompressor};
use esker_format::frame::{FrameHead, FrameKey, FrameType};
use esker_format::key::{ScopeKeys, ScopeSecret};
use esker_format::limits::FRAME_MAX;
use esker_format::secret::Secret;
use std::hint::black_box;

const MIB: usize = 1 << 20;

/// The keys of a scope that nobody uses.
pub fn keys() -> ScopeKeys {
    ScopeSecret(Secret::new([7; 32])).keys()
}

pub fn cut(c: &mut Criterion) {
    let data = noise(1, 32 * MIB);
    let mut group = c.benchmark_group("cut");
    group.throughput(Throughput::Bytes(data.len() as u64));
    let profiles = [("files", Profile::files()), ("dump", Profile::dump())];
    for (name, profile) in profiles.into_iter().chain([("disk", Profile::disk())]) {
        let cutter = Cutter::new(profile, &keys()).unwrap();
        group.bench_function(format!("{name} profile"), |b| {
            b.iter(|| {
                let mut at = 0;
                while at < data.len() {
                    at += cutter.cut(black_box(&data[at..]), true).unwrap();
                }
                at
            });
        });
    }
}

pub fn identify(c: &mut Criterion) {
    let keys = keys();
    let mut group = c.benchmark_group("identify");
    for (name, len) in [("4 KiB", 4 << 10), ("16 KiB", 16 << 10), ("1 MiB", MIB)] {
        let data = noise(2, len);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(name, |b| b.iter(|| keys.data_id(black_box(&data))));
    }
}

pub fn compress(c: &mut Criterion) {
    let mut group = c.benchmark_group("compress");
    let mut out = Vec::new();
    for (kind, data) in [("text", text(3, 2 * MIB)), ("noise", noise(3, 2 * MIB))] {
        group.throughput(Throughput::Bytes(data.len() as u64));
        for level in [1, 3] {
            let mut zstd = Compressor::default();
            group.bench_function(BenchmarkId::new(format!("{kind}, level"), level), |b| {
                b.iter(|| zstd.compress(level, black_box(&data), &mut out));
            });
        }
    }
    let data = text(3, 2 * MIB);
    let mut packed = Vec::new();
    Compressor::default().compress(3, &data, &mut packed);
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("text, decompress", |b| {
        let mut zstd = Decompressor::default();
        b.iter(|| {
            let packed = black_box(&packed);
            zstd.decompress(Codec::Zstd, packed, data.len(), FRAME_MAX, &mut out).unwrap();
        });
    });
}

pub fn seal(c: &mut Criterion) {
    let data = noise(4, MIB);
    let key = FrameKey::new(Secret::new([9; 32]), b"the header of a pack");
    let mut head = FrameHead {
        frame_type: FrameType::Data,
        codec: Codec::Raw,
        sealed_len: 0,
        plain_len: data.len() as u32,
        chunks: 1,
    };
    let mut group = c.benchmark_group("seal");
    group.throughput(Throughput::Bytes(data.len() as u64));
    let mut sealed = Vec::new();
    group.bench_function("seal", |b| {
        b.iter(|| {
            sealed.clear();
            // One number for all rounds: nothing of it is ever kept.
            key.seal_into(0, &mut head, black_box(&data), &mut sealed);
        });
    });
    let mut scratch = Vec::new();
    group.bench_function("open and compare", |b| {
        b.iter(|| assert!(key.opens_to(0, &head, black_box(&sealed), &data, &mut scratch)));
    });
}
