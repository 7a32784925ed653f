//! Many packs, and many snapshots that need them: what planning a collection costs.
//!
//! `ESKER_MANY_PACKS=10000 ESKER_MANY_SNAPSHOTS=400` makes a repository of that size.
#![expect(clippy::print_stdout, reason = "numbers are what this is run for")]

use super::{at_once, forget};
use crate::repository::fixture::{key, summary};
use crate::repository::gc::{Progress, apply, plan};
use crate::repository::{Compression, FrameWriter, NewKey, Repository, Session, Unlock, create};
use crate::store::{LocalStore, Operation, RecordingStore};
use esker_format::cbor::Extra;
use esker_format::content::{Content, Item};
use esker_format::ids::SnapshotId;
use esker_format::map_builder::MapBuilder;
use esker_format::node::{Node, NodeKind, Time};
use esker_format::page::Entry;
use esker_format::secret::Entropy;
use esker_format::snapshot::Manifest;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Chunks of a pack, and bytes of a chunk: packs of 64 KiB.
const CHUNKS: usize = 16;
const CHUNK: usize = 4 << 10;
/// Where the process finds the repository in which it is to plan.
const PLACE: &str = "ESKER_MANY_AT";
const TEST: &str =
    "repository::gc::tests::many::a_collection_among_many_packs_is_planned_with_little_memory";

fn new_key() -> NewKey {
    NewKey::from(&mut Entropy::new([7; 32]))
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// Saves packs of noise; returns a file for each.
fn packs(session: &Session, random: &mut Entropy, count: usize) -> Vec<Node> {
    let mut data = FrameWriter::data(0).compressed(Compression::Off);
    let keys = session.access().scope_keys.clone();
    let pack = |_| {
        let items = (0..CHUNKS).map(|_| {
            let space = data.space(CHUNK, session.packer()).unwrap();
            blake3::Hasher::new().update(&random.take::<32>()).finalize_xof().fill(space);
            let id = keys.data_id(space);
            data.keep(id, CHUNK);
            Item::Data(id, CHUNK as u64)
        });
        let content = Some(Content::Items(items.collect()));
        data.flush(session.packer()).unwrap();
        session.packer().finish().unwrap();
        let size = Some((CHUNK * CHUNKS) as u64);
        Node { size, content, ..Node::bare(NodeKind::File, 0o644, TIME) }
    };
    (0..count).map(pack).collect()
}

const TIME: Time = Time { seconds: 0, nanos: 0 };

/// Ends the run with a snapshot of these files.
fn commit(
    repository: &mut Repository,
    session: Session,
    files: &BTreeMap<String, Node>,
) -> SnapshotId {
    let keys = session.access().scope_keys.clone();
    let (mut lookup, mut pages) = (repository.lookup().unwrap(), FrameWriter::pages());
    let mut store = |bytes: &[u8]| session.page(bytes, &mut pages, &mut lookup);
    let mut map = MapBuilder::new(&keys);
    for (name, node) in files {
        map.push(Entry { key: key(name), node: node.clone() }, &mut store).unwrap();
    }
    let (root, level) = map.finish(&mut store).unwrap().unwrap();
    pages.flush(session.packer()).unwrap();
    let manifest = |_, _| Manifest {
        summary: summary(1),
        root: Some(root),
        root_level: level.into(),
        profiles: Vec::new(),
        problems: Vec::new(),
        program: String::new(),
        extra: Extra::default(),
    };
    session.commit(repository, manifest).unwrap().snapshot
}

/// Makes the repository: half of the packs come with the first snapshot, and a part of their files
/// changes every so often; the others come with one snapshot each. One in fifty is forgotten.
fn make(folder: &Path, count: usize, snapshots: usize) {
    let (key, time) = (new_key(), Time { seconds: 0, nanos: 0 });
    let store = LocalStore::create(folder.join("repository")).unwrap();
    create(&store, &key, None, time, "a test", &mut Entropy::new([8; 32])).unwrap();
    let unlock = Unlock::File(key.material());
    let cache = folder.join("cache");
    std::fs::create_dir(&cache).unwrap();
    let mut repository = Repository::open(Arc::new(store), unlock, &cache).unwrap();
    let mut random = Entropy::new([9; 32]);
    let session = Session::begin(&repository, 1).unwrap();
    let base = packs(&session, &mut random, count / 2);
    let base = |turn: usize| {
        let is_there = |at: &usize| !(*at * 7 + turn).is_multiple_of(4);
        let files = base.iter().enumerate().filter(move |(at, _)| is_there(at));
        files.map(|(at, node)| (format!("/base/{at:06}"), node.clone())).collect::<BTreeMap<_, _>>()
    };
    let all = (0..4).flat_map(&base).collect();
    let mut ids = vec![commit(&mut repository, session, &all)];
    for n in 1..snapshots {
        let session = Session::begin(&repository, 1).unwrap();
        assert!(session.build_on(&repository, ids[n - 1]).unwrap());
        let (from, to) = (n * (count / 2) / snapshots, (n + 1) * (count / 2) / snapshots);
        let own = packs(&session, &mut random, to - from);
        let mut files = base(n * 8 / snapshots);
        files.extend((from..).zip(own).map(|(at, node)| (format!("/own/{at:06}"), node)));
        ids.push(commit(&mut repository, session, &files));
    }
    ids.into_iter().skip(1).step_by(50).for_each(|id| forget(&mut repository, id));
}

/// Plans a collection; says what.
fn planned(folder: &Path) {
    let store = LocalStore::open(folder.join("repository")).unwrap();
    let store = Arc::new(RecordingStore::new(store));
    let (unlock, begin) = (Unlock::File(new_key().material()), std::time::Instant::now());
    let mut repository = Repository::open(store.clone(), unlock, &folder.join("cache")).unwrap();
    let opened = begin.elapsed();
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    let plan = plan(&mut repository, &at_once(), &progress, &stop).unwrap();
    let took = begin.elapsed();
    let [lists, reads] = [Operation::List, Operation::GetRange].map(|o| store.count(o));
    let others = store.calls().len() - lists - reads;
    let (said, planned_peak) = (plan.frees(), peak());
    println!(
        "opened {opened:?}, planned {took:?}, {lists} lists, {reads} reads, {others} other calls"
    );
    if std::env::var_os("ESKER_MANY_PLAN").is_some() {
        println!("said {said}, {planned_peak} KiB");
        return;
    }
    let packs = plan.repack.count;
    let report = apply(&mut repository, plan, &at_once(), &progress, &stop).unwrap();
    println!("collected {:?}, {} KiB: {report:?}", begin.elapsed(), peak());
    let snapshots = repository.state().snapshots.len();
    println!(
        "counted {said} {} {} {packs} {planned_peak} {snapshots} {}",
        report.freed(),
        report.overtaken,
        lists + reads + others
    );
}

/// The most memory that this process has had, KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_collection_among_many_packs_is_planned_with_little_memory() {
    if let Some(folder) = std::env::var_os(PLACE) {
        return planned(Path::new(&folder));
    }
    let (count, snapshots) = (number("ESKER_MANY_PACKS", 600), number("ESKER_MANY_SNAPSHOTS", 100));
    let folder = tempfile::tempdir().unwrap();
    let at = match std::env::var_os("ESKER_MANY_KEEP") {
        Some(kept) => kept.into(),
        None => folder.path().to_owned(),
    };
    if !at.join("repository").exists() {
        std::fs::create_dir_all(&at).unwrap();
        make(&at, count, snapshots);
    }
    // In a process of its own, which has nothing in memory of what made it.
    let mut child = Command::new(std::env::current_exe().unwrap());
    let ran = child.args([TEST, "--exact", "--nocapture"]).env(PLACE, &at).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    println!("{told}");
    assert!(ran.status.success(), "{told}{}", String::from_utf8_lossy(&ran.stderr));
    let Some((_, line)) = told.split_once("counted ") else { return };
    let numbers = line.lines().next().unwrap().split(' ').map(|number| number.parse().unwrap());
    let numbers: Vec<u64> = numbers.collect();
    let [said, freed, overtaken, packs, peak, left, calls] = numbers[..] else { panic!("{line}") };
    // In many batches, none of which is in the way of another.
    assert!(overtaken == 0 && packs as usize > count * 9 / 10, "{line}");
    // Pages of many snapshots get smaller than was said when they are compressed together.
    assert!(freed >= said - said / 100, "{said} said, {freed} freed");
    assert!(peak <= 200 << 10, "{peak} KiB");
    // A manifest of each snapshot, and what holds pages.
    assert!(calls <= left * 4 + 100, "{calls} calls for {left} snapshots");
}
