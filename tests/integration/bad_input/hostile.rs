//! Repositories made by somebody who has a key and means harm: whatever their pages say, a restore
//! stays below its target, names what it does not believe, and ends.

use crate::support::Home;
use esker::repository::{FrameWriter, Repository, Session, Unlock};
use esker::store::LocalStore;
use esker_format::cbor::Extra;
use esker_format::chunking::PROFILE_FILES;
use esker_format::content::{Content, Item};
use esker_format::ids::{ChunkId, LinkGroup, SeriesId};
use esker_format::key_material::decode_file;
use esker_format::node::{Node, NodeKind, Time};
use esker_format::page::{Entry, Page, PageRef};
use esker_format::path::MapKey;
use esker_format::snapshot::{Counts, Manifest, Summary};
use std::path::PathBuf;
use std::sync::Arc;

const TIME: Time = Time { seconds: 1, nanos: 1 };

/// A repository that takes every page.
struct Hostile {
    home: Home,
    repository: Repository,
}

/// A page that was stored, and what a reference to it would say if it were honest.
fn reference(page: ChunkId, bytes: &[u8], first: MapKey, entries: u64) -> PageRef {
    let MapKey { parent, name } = first;
    let (page_len, extra) = (bytes.len() as u64, Extra::default());
    PageRef { parent, name, page, page_len, entries, bytes: 0, extra }
}

impl Hostile {
    fn new() -> Self {
        let home = Home::new();
        home.snapshot(home.write("work/file", "honest")).ok();
        let key = std::fs::read_to_string(home.path("config/esker/key")).unwrap();
        let unlock = Unlock::File(decode_file(&key).unwrap());
        let store = Arc::new(LocalStore::open(home.repository()).unwrap());
        let repository = Repository::open(store, unlock, &home.path("other cache")).unwrap();
        Self { home, repository }
    }

    /// Commits a snapshot whose root `make` says, with a function that stores pages.
    fn commit(&mut self, make: impl FnOnce(&mut dyn FnMut(&[u8]) -> ChunkId) -> (PageRef, u32)) {
        let session = Session::begin(&self.repository, 1).unwrap();
        let (mut writer, mut lookup) = (FrameWriter::pages(), self.repository.lookup().unwrap());
        let mut store = |page: &[u8]| session.page(page, &mut writer, &mut lookup).unwrap();
        let (root, root_level) = make(&mut store);
        writer.flush(session.packer()).unwrap();
        let summary = Summary {
            series: SeriesId::new([1; 16]),
            host: "host".into(),
            label: "label".into(),
            tags: vec![],
            paths: vec![b"/x".to_vec()],
            start: TIME,
            end: TIME,
            counts: Counts::default(),
            problems: 0,
            base: None,
            position: None,
            requires: vec![],
            replaces: None,
            extra: Extra::default(),
        };
        let manifest = Manifest {
            summary,
            root: Some(root),
            root_level,
            profiles: vec![PROFILE_FILES],
            problems: vec![],
            program: "hostile".into(),
            extra: Extra::default(),
        };
        let _ = session.commit(&mut self.repository, |_, _| manifest).unwrap();
    }

    /// Commits a snapshot of one leaf with these entries, in this order.
    fn leaf(&mut self, entries: Vec<(MapKey, Node)>) {
        let first = entries[0].0.clone();
        let count = entries.len() as u64;
        let bytes =
            entries.iter().map(|(_, node)| node.size.unwrap_or(0)).fold(0, u64::wrapping_add);
        let page = Page::Leaf(entries.into_iter().map(|(key, node)| Entry { key, node }).collect());
        let page = page.encode();
        self.commit(|store| (PageRef { bytes, ..reference(store(&page), &page, first, count) }, 0));
    }

    /// Restores it deep in a folder; afterwards nothing around the target has changed.
    #[track_caller]
    fn restore(&self) -> (i32, String, PathBuf) {
        let around = self.home.path("around");
        let target = around.join("a/target");
        let _ = std::fs::remove_dir_all(&around);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        let ran = self.home.restore("latest", &target);
        let listed = self.home.run(["ls", "latest"]);
        let checked = self.home.run(["check", "--read-data"]);
        for run in [&ran, &listed, &checked] {
            assert!(!run.err.contains("panicked"), "{}", run.err);
        }
        let names = |folder: &str| -> Vec<_> {
            std::fs::read_dir(self.home.path(folder))
                .unwrap()
                .map(|e| e.unwrap().file_name())
                .collect()
        };
        assert_eq!((names("around"), names("around/a")), (vec!["a".into()], vec!["target".into()]));
        assert!(names("outside").is_empty());
        (ran.code, ran.err, target)
    }
}

fn key(parent: &[u8], name: &[u8]) -> MapKey {
    MapKey { parent: parent.to_vec(), name: name.to_vec() }
}

fn node(kind: NodeKind) -> Node {
    let mode = if kind == NodeKind::Directory { 0o755 } else { 0o644 };
    Node {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        size: (kind == NodeKind::File).then_some(0),
        ..Node::bare(kind, mode, TIME)
    }
}

fn file(text: &[u8]) -> Node {
    let content = Some(Content::Inline(text.to_vec()));
    Node { size: Some(text.len() as u64), content, ..node(NodeKind::File) }
}

fn link(target: &[u8]) -> Node {
    Node { target: Some(target.to_vec()), mode: 0o777, ..node(NodeKind::Symlink) }
}

fn ready() -> Hostile {
    let hostile = Hostile::new();
    std::fs::create_dir(hostile.home.path("outside")).unwrap();
    hostile
}

#[test]
fn names_that_lead_elsewhere_are_refused_and_named_as_damage() {
    let mut hostile = ready();
    let long = [b'x'; 256];
    let bad: [&[u8]; 10] =
        [b"..", b".", b"../x", b"a/b", b"/etc", b"/", b"a\0b", b"\0", &long, b"../../outside/x"];
    for name in bad {
        for key in
            [key(b"", name), key(b"a", name), key(name, b"x"), key(&[b"a\0", name].concat(), b"x")]
        {
            // A name with NUL as a parent is a parent of two names.
            if key.parent.ends_with(b"a\0b") {
                continue;
            }
            // The root of the map names the first key, and is refused where it is made.
            let root = MapKey::root();
            hostile.leaf(vec![(root, node(NodeKind::Directory)), (key.clone(), file(b"hostile"))]);
            let (code, err, _) = hostile.restore();
            assert_eq!(code, 4, "{key:?}: {err}");
        }
    }
}

#[test]
fn entries_twice_or_out_of_order_are_refused() {
    let mut hostile = ready();
    let lists: [&[(&[u8], &[u8])]; 4] = [
        &[(b"", b"a"), (b"", b"a")],
        &[(b"", b"b"), (b"", b"a")],
        &[(b"b", b"x"), (b"a", b"x")],
        &[(b"", b"a"), (b"", b"")],
    ];
    for list in lists {
        hostile.leaf(list.iter().map(|(parent, name)| (key(parent, name), file(b"x"))).collect());
        let (code, err, _) = hostile.restore();
        assert_eq!(code, 4, "{list:?}: {err}");
    }
}

#[test]
fn what_lies_below_a_link_or_a_file_never_gets_to_where_the_link_leads() {
    let mut hostile = ready();
    let outside = hostile.home.path("outside");
    let outside = std::os::unix::ffi::OsStrExt::as_bytes(outside.as_os_str());
    let leads: [Node; 5] =
        [link(outside), link(b"../../outside"), link(b".."), link(b"/"), file(b"no directory")];
    for lead in leads {
        let group = Some(LinkGroup::new([7; 16]));
        hostile.leaf(vec![
            (key(b"", b""), node(NodeKind::Directory)),
            (key(b"", b"a"), lead.clone()),
            (key(b"a", b"x"), file(b"hostile")),
            (key(b"a\0x", b"y"), node(NodeKind::Fifo)),
            (key(b"b", b"z"), Node { links: group, ..file(b"twice") }),
            (key(b"b\0z", b"w"), Node { links: group, ..file(b"twice") }),
        ]);
        let (code, err, _) = hostile.restore();
        assert!(matches!(code, 3 | 4), "{lead:?}: {code} {err}");
        for told in ["target/a/x: cannot make the file: ", "target/a/x/y: cannot make the fifo: "] {
            assert!(err.contains(told), "{told} is not in: {err}");
        }
    }
}

#[test]
fn lengths_beyond_reason_end_the_restore_of_a_file_and_nothing_else() {
    let mut hostile = ready();
    let honest = file(b"honest");
    let sized = |size, items: Vec<Item>| Node {
        size: Some(size),
        content: Some(Content::Items(items)),
        ..node(NodeKind::File)
    };
    let absurd: [Node; 7] = [
        sized(u64::MAX, vec![Item::Hole(u64::MAX)]),
        sized(1 << 63, vec![Item::Zero(1 << 63)]),
        sized(i64::MAX as u64, vec![Item::Lost(i64::MAX as u64)]),
        sized(u64::MAX, vec![Item::Hole(u64::MAX - 1), Item::Data(ChunkId::new([9; 32]), 1)]),
        sized(5, vec![Item::Hole(7)]),
        sized(16 << 20, vec![Item::Data(ChunkId::new([9; 32]), 16 << 20)]),
        sized(u64::MAX, vec![Item::Data(ChunkId::new([9; 32]), u64::MAX)]),
    ];
    for node in absurd {
        hostile.leaf(vec![(key(b"", b"a"), node.clone()), (key(b"", b"b"), honest.clone())]);
        let (code, err, target) = hostile.restore();
        assert!(matches!(code, 3 | 4), "{node:?}: {code} {err}");
        assert!(err.contains('a'), "{err}");
        // A page that breaks a rule is lost as a whole; nothing else of it can be believed.
        let whole_page = err.contains("2 in all");
        assert_eq!(target.join("b").exists(), !whole_page, "{node:?}: {err}");
    }
}

#[test]
fn pages_in_circles_or_of_absurd_size_are_refused() {
    let mut hostile = ready();
    let leaf =
        |name: &[u8]| Page::Leaf(vec![Entry { key: key(b"", name), node: file(b"x") }]).encode();
    // A page cannot hold its own id; what looks like a circle is one page in many places.
    for (level, inner_level) in [(1, 1), (2, 1), (1, 2), (10, 1), (10, 11)] {
        hostile.commit(|store| {
            let bytes = leaf(b"a");
            let below = reference(store(&bytes), &bytes, key(b"", b"a"), 1);
            let again = PageRef { name: b"b".to_vec(), ..below.clone() };
            let inner = Page::Inner(inner_level, vec![below, again]).encode();
            (reference(store(&inner), &inner, key(b"", b"a"), 2), level)
        });
        let (code, err, _) = hostile.restore();
        assert_eq!(code, 4, "{level} {inner_level}: {err}");
    }
    let lies: [fn(&mut PageRef); 6] = [
        |page| page.entries = u64::MAX,
        |page| page.bytes = u64::MAX,
        |page| page.page_len = u64::MAX,
        |page| page.page_len = 1 << 40,
        |page| page.page_len = 0,
        |page| page.page = ChunkId::new([3; 32]),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        hostile.commit(|store| {
            let bytes = leaf(b"a");
            let mut below = reference(store(&bytes), &bytes, key(b"", b"a"), 1);
            below.bytes = 1;
            lie(&mut below);
            let (entries, bytes) = (below.entries, below.bytes);
            let inner = Page::Inner(1, vec![below]).encode();
            let root = reference(store(&inner), &inner, key(b"", b"a"), entries);
            (PageRef { bytes, ..root }, 1)
        });
        let (code, err, _) = hostile.restore();
        assert_eq!(code, 4, "lie {number}: {err}");
    }
}
