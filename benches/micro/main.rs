//! Micro-benchmarks: what each stage can do alone, on one core.
//!
//! `cargo bench -p esker-benches [-- FILTER]`

mod data_path;
mod index;
mod pages;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    stages,
    data_path::cut,
    data_path::identify,
    data_path::compress,
    data_path::seal,
    pages::pages,
    index::insert,
    index::look_up,
);
criterion_main!(stages);
