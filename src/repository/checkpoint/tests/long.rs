//! Years of daily backups of many hosts: what a new host needs to open their repository.
//!
//! The log is folded from entries that are judged by the rules and not written, sealed or signed:
//! who goes on from a checkpoint asks for none of them. `ESKER_LONG_LOG_YEARS=5` makes all of it.
#![expect(clippy::print_stdout, reason = "numbers are what this is run for")]

use crate::repository::judge::{Fate, Judged};
use crate::repository::state::State;
use crate::repository::validate::validate;
use crate::repository::{Local, NewKey, Repository, Unlock, create};
use crate::store::{Durability, LocalStore, Operation, RecordingStore, Store};
use esker_format::cbor::Extra;
use esker_format::checkpoint::PackState;
use esker_format::envelope::{Header, Kind};
use esker_format::frame::{FrameHead, FrameType};
use esker_format::ids::{EntryHash, Named, PackId, SegmentId, SessionId, SnapshotId, Token};
use esker_format::key::SigningKey;
use esker_format::log_entry::{
    Add, Body, Commit, Compact, Delete, Mark, Note, PackAdd, Place, ROLE_APPEND, ROLE_FORGET,
    Snapshots, WriterEntry,
};
use esker_format::node::Time;
use esker_format::ordinals::Ordinals;
use esker_format::secret::{Entropy, Secret};
use esker_format::segment::{self, SegmentPack};
use esker_format::{codec::Codec, names};
use std::collections::VecDeque;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const HOSTS: usize = 100;
/// Snapshots that each host keeps.
const KEPT: usize = 30;
/// Packs of the first snapshot of each host.
const FIRST: u32 = 20;
/// Where the process finds the repository that it is to open.
const PLACE: &str = "ESKER_LONG_LOG_AT";
const TEST: &str = "repository::checkpoint::tests::long::a_new_host_opens_a_long_log_with_few_requests_and_little_memory";

fn key() -> NewKey {
    NewKey::from(&mut Entropy::new([7; 32]))
}

/// A host, and what it keeps.
struct Host {
    key: SigningKey,
    base: Ordinals,
    /// Snapshots, with the packs that each has brought.
    kept: VecDeque<(SnapshotId, u32)>,
}

/// A log in the making.
struct Years {
    state: State,
    repository: Repository,
    made: u64,
}

impl Years {
    /// An id that nothing had before.
    fn id(&mut self) -> [u8; 32] {
        self.made += 1;
        *blake3::hash(&self.made.to_le_bytes()).as_bytes()
    }

    fn session(&mut self) -> SessionId {
        let id = self.id();
        let mut out = [0; 16];
        out.copy_from_slice(&id[..16]);
        SessionId::new(out)
    }

    /// Folds in an entry, which the rules must let through.
    fn entry(&mut self, signer: &SigningKey, session: SessionId, body: Body) {
        let hash = EntryHash::new(self.id());
        let place = Place {
            repository: self.repository.access.repository,
            seq: self.state.next(),
            previous: self.state.previous(),
            token: Token::new(*self.session().as_bytes()),
            writer: signer.verification().writer(),
            scope: 0,
            epoch: 0,
            session,
        };
        validate(&self.state, &place, &body).unwrap();
        let (writer, fate) = (Some(place.writer), Fate::Valid(place, Box::new(body)));
        self.state.apply(Judged { hash, writer, fate });
    }

    fn pack(&mut self) -> PackAdd {
        let id = PackId::new(self.id());
        PackAdd { id, len: 11 << 20, session: None, extra: Extra::default() }
    }

    /// Three entries of a host: what a day brought, the snapshot, and what it keeps no longer.
    fn day(&mut self, host: &mut Host) {
        let session = self.session();
        let extra = Extra::default;
        let packs = match host.base.is_empty() {
            true => (0..FIRST).map(|_| self.pack()).collect(),
            false => vec![self.pack()],
        };
        let first = self.state.packs.len() as u32;
        let own: Ordinals = (first..first + packs.len() as u32).collect();
        let (segments, hold) = (vec![SegmentId::new(self.id())], Ordinals::default());
        let add = Add { session, segments, packs, hold, extra: extra() };
        self.entry(&host.key, session, Body::Add(add));
        if host.base.is_empty() {
            host.base = own;
        }
        let last = self.state.packs.len() as u32;
        let (manifest, pack) = (SnapshotId::new(self.id()), self.pack());
        let mine = host.kept.iter().flat_map(|(_, pack)| [*pack - 1, *pack]);
        let set = host.base.iter().chain(mine).chain([last - 1, last]).collect();
        let commit = Commit {
            session,
            manifest,
            segments: vec![SegmentId::new(self.id())],
            packs: vec![pack],
            bases: host.kept.back().map(|(id, _)| *id).into_iter().collect(),
            set,
            set_object: None,
            summary: [&self.id()[..]; 10].concat(),
            extra: extra(),
        };
        self.entry(&host.key, session, Body::Commit(commit));
        host.kept.push_back((manifest, last));
        let none = SessionId::new([0; 16]);
        let third = if host.kept.len() > KEPT
            && let Some((oldest, _)) = host.kept.pop_front()
        {
            let snapshots = vec![oldest];
            Body::Forget(Snapshots { snapshots, reason: None, extra: extra() })
        } else {
            let add = vec!["daily".to_owned()];
            let (remove, text) = (vec![], None);
            Body::Note(Note { snapshot: manifest, add, remove, text, extra: extra() })
        };
        self.entry(&host.key, none, third);
    }

    /// What a collection appends: marks what nobody needs, gives it up, merges segments.
    fn collect(&mut self, new: Vec<SegmentId>) {
        let (signer, session) = (self.repository.access.signer.clone(), self.session());
        let extra = Extra::default;
        let needed = self.state.needed();
        let packs = self.state.packs.iter().zip(&needed).enumerate();
        let packs: Ordinals = packs
            .filter(|(_, (pack, needed))| pack.state == PackState::Live && !**needed)
            .map(|(ordinal, _)| ordinal as u32)
            .collect();
        let forgotten = self.state.snapshots.iter().filter(|s| s.forgotten);
        let manifests = forgotten.map(|s| s.id).collect();
        if !packs.is_empty() {
            let mark = Mark {
                packs: packs.clone(),
                replacements: vec![],
                walked: vec![],
                segments: vec![],
                added: vec![],
                session: None,
                scope: None,
                extra: extra(),
            };
            self.entry(&signer, session, Body::Mark(mark));
            let (segments, sets) = (vec![], vec![]);
            let delete = Delete { packs, manifests, segments, sets, extra: extra() };
            self.entry(&signer, session, Body::Delete(delete));
        }
        let old = self.state.segments.iter().map(|s| s.id).collect();
        self.entry(&signer, session, Body::Compact(Compact { old, new, scope: 0, extra: extra() }));
        // What a cache would have by now.
        self.state.changes = Default::default();
    }

    /// Puts segments that describe all packs that are left.
    fn segments(&mut self) -> Vec<SegmentId> {
        let access = Arc::clone(&self.repository.access);
        let header = Header {
            kind: Kind::Pack,
            flags: 0,
            repository: access.repository,
            scope: 0,
            epoch: 0,
            writer: access.writer,
            session: SessionId::new([1; 16]),
            seq: 0,
            tlvs: vec![(1, vec![0; 120])],
        };
        let bytes = header.encode();
        let left = self.state.packs.iter().filter(|pack| pack.state == PackState::Live);
        let packs: Vec<SegmentPack> = left
            .map(|pack| {
                let mut random = Entropy::new(*pack.id.as_bytes());
                let chunks: Vec<_> = (0..100).map(|_| (random.take(), 120_000)).collect();
                let sealed_len = (pack.len - 1000) as u32;
                let (frame_type, codec) = (FrameType::Data, Codec::Zstd);
                let plain_len = 120_000 * 100;
                let head = FrameHead { sealed_len, plain_len, chunks: 100, frame_type, codec };
                let (id, len) = (pack.id, pack.len);
                SegmentPack { id, len, header: bytes.clone(), frames: vec![head], chunks }
            })
            .collect();
        let header = Header { kind: Kind::Segment, tlvs: vec![], ..header };
        let put = |packs: &[SegmentPack]| {
            let key = &access.scope_keys.segment;
            let mut entropy = crate::repository::entropy();
            let object = segment::encode_object(&header, packs, key, &mut entropy).unwrap();
            let id = SegmentId::of(&object);
            let name = names::segment(id);
            let _ =
                self.repository.store.put_new(&name, &[&object], Durability::AtBarrier).unwrap();
            id
        };
        segment::split(&packs).into_iter().map(put).collect()
    }
}

/// Makes the repository: `days` days, and then a collection with a checkpoint.
fn make(folder: &Path, days: u32) {
    let (key, cache) = (key(), tempfile::tempdir().unwrap());
    let store = LocalStore::create(folder).unwrap();
    let time = Time { seconds: 0, nanos: 0 };
    create(&store, &key, None, time, "a test", &mut Entropy::new([8; 32])).unwrap();
    let unlock = Unlock::File(key.material());
    let repository = Repository::open(Arc::new(store), unlock, cache.path()).unwrap();
    let mut years = Years { state: repository.state.clone(), repository, made: 0 };
    let owner = years.repository.access.owner.as_ref().unwrap().owner_key();
    let mut hosts: Vec<Host> = (0..HOSTS)
        .map(|n| {
            let key = SigningKey(Secret::new(*blake3::hash(&[n as u8, 9]).as_bytes()));
            let (scope, roles) = (0, ROLE_APPEND | ROLE_FORGET);
            let (name, extra) = (format!("host {n}"), Extra::default());
            let entry = WriterEntry { key: key.verification(), scope, roles, name, extra };
            years.entry(&owner, SessionId::new([0; 16]), Body::Writer(entry));
            Host { key, base: Ordinals::default(), kept: VecDeque::new() }
        })
        .collect();
    for _ in 0..days {
        hosts.iter_mut().for_each(|host| years.day(host));
        let merged = vec![SegmentId::new(years.id())];
        years.collect(merged);
    }
    let new = years.segments();
    // From here on as the program does: an entry that is there, and a checkpoint of it.
    let Years { state, mut repository, .. } = years;
    let old: Vec<SegmentId> = state.segments.iter().map(|s| s.id).collect();
    repository.state = state;
    repository
        .append(SessionId::new([2; 16]), &mut |_| {
            let (old, new, extra) = (old.clone(), new.clone(), Extra::default());
            Ok(Body::Compact(Compact { old, new, scope: 0, extra }))
        })
        .unwrap();
    repository.checkpoint().unwrap();
}

/// Opens the repository as a host that has never seen it; says requests, entries, packs, KiB.
fn open(folder: &Path) {
    let store = Arc::new(RecordingStore::new(LocalStore::open(folder).unwrap()));
    let (cache, state) = (tempfile::tempdir_in(folder).unwrap(), tempfile::tempdir().unwrap());
    let local = Local {
        cache: cache.path(),
        state: Some(state.path()),
        accept_history: false,
        probes: false,
    };
    let unlock = Unlock::File(key().material());
    let repository = Repository::open_with(store.clone(), unlock, local).unwrap();
    assert!(repository.warnings().is_empty(), "{:?}", repository.warnings()[0]);
    assert!(!repository.is_empty().unwrap());
    let calls = store.calls();
    let of_segments = calls.iter().filter(|call| call.name.starts_with(names::INDEX)).count();
    let state = repository.state();
    let (entries, packs) = (state.next().0, state.packs.len());
    let peak = peak();
    drop(repository);
    // And from its cache.
    store.forget();
    let unlock = Unlock::File(key().material());
    let again = Repository::open_with(store.clone(), unlock, local).unwrap();
    assert_eq!(again.state().packs.len(), packs);
    assert_eq!(store.count(Operation::List), 0);
    let requests = calls.len() - of_segments;
    println!("opened {requests} {of_segments} {entries} {packs} {peak}");
}

/// The most memory that this process has had, KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_new_host_opens_a_long_log_with_few_requests_and_little_memory() {
    if let Some(folder) = std::env::var_os(PLACE) {
        return open(Path::new(&folder));
    }
    let years =
        std::env::var("ESKER_LONG_LOG_YEARS").ok().map(|years| years.parse::<f64>().unwrap());
    let days = years.map_or(40, |years| (years * 365.0) as u32);
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), days);
    // In a process of its own, which has nothing in memory of what made it.
    let mut child = Command::new(std::env::current_exe().unwrap());
    let ran =
        child.args([TEST, "--exact", "--nocapture"]).env(PLACE, folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{told}{}", String::from_utf8_lossy(&ran.stderr));
    let line = told.lines().find_map(|line| line.split_once("opened ")).unwrap().1;
    let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
    let [requests, segments, entries, packs, peak] = numbers[..] else { panic!("{line}") };
    println!(
        "{days} days: {entries} entries, {packs} packs: {requests} requests, {segments} segments, \
         {peak} KiB"
    );
    assert!(entries >= u64::from(days) * HOSTS as u64 * 3);
    assert!(requests <= 20 && segments >= 1, "{requests} {segments}");
    assert!(peak <= 100 << 10, "{peak} KiB");
}
