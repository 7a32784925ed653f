//! Pages of the path map.

use crate::data_path::keys;
use criterion::{Criterion, Throughput};
use esker_benches::{Numbers, noise};
use esker_format::FormatError;
use esker_format::cbor::Extra;
use esker_format::content::{Content, Item};
use esker_format::map_builder::MapBuilder;
use esker_format::node::{Node, NodeKind, Time};
use esker_format::page::{Entry, Page};
use esker_format::path::MapKey;
use std::hint::black_box;

/// Files as a source tree has them: one chunk each, a dozen in a directory.
fn entries(count: usize) -> Vec<Entry> {
    let mut numbers = Numbers::new(5);
    let keys = keys();
    (0..count)
        .map(|n| {
            let len = 1 + numbers.draw() % 30_000;
            let id = keys.data_id(&noise(n as u64, 32));
            let node = Node {
                kind: NodeKind::File,
                mode: 0o644,
                uid: 1000,
                gid: 1000,
                user: Some(b"somebody".to_vec()),
                group: Some(b"somebody".to_vec()),
                mtime: Time { seconds: 1_790_000_000 + n as i64, nanos: 123_456_789 },
                size: Some(len),
                content: Some(Content::Items(vec![Item::Data(id, len)])),
                target: None,
                device: None,
                xattrs: None,
                links: None,
                fidelity: None,
                extra: Extra::default(),
            };
            let parent = format!("home\0somebody\0sources\0part{:06}", n / 12).into_bytes();
            Entry { key: MapKey { parent, name: format!("file{n:07}.c").into_bytes() }, node }
        })
        .collect()
}

pub fn pages(c: &mut Criterion) {
    let leaf = Page::Leaf(entries(256));
    let bytes = leaf.encode();
    let mut group = c.benchmark_group("page of 256 entries");
    group.throughput(Throughput::Elements(256));
    group.bench_function("encode", |b| b.iter(|| black_box(&leaf).encode()));
    group.bench_function("decode", |b| b.iter(|| Page::decode(black_box(&bytes)).unwrap()));
    group.finish();

    let list = entries(20_000);
    let keys = keys();
    let mut group = c.benchmark_group("map of 20,000 entries");
    group.throughput(Throughput::Elements(list.len() as u64));
    group.bench_function("build", |b| {
        b.iter(|| {
            let mut store = |page: &[u8]| Ok::<_, FormatError>(keys.page_id(page));
            let mut map = MapBuilder::new(&keys);
            for entry in &list {
                map.push(entry.clone(), &mut store).unwrap();
            }
            map.finish(&mut store).unwrap()
        });
    });
}
