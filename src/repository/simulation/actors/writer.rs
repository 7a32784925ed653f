//! Saves its tree, again and again.

use super::Part;
use crate::repository::fixture::summary;
use crate::repository::simulation::host::Host;
use crate::repository::simulation::tree::{self, Tree};
use crate::repository::{Error, FrameWriter, Kept, Lookup, Repository, Result, Session, SourceKey};
use esker_format::cbor::Extra;
use esker_format::content::{Content, Item};
use esker_format::ids::{ChunkId, SnapshotId};
use esker_format::map_builder::MapBuilder;
use esker_format::node::{Node, NodeKind};
use esker_format::page::{Entry, PageRef};
use esker_format::path::MapKey;
use esker_format::snapshot::Manifest;

/// Attempts of one process until it gives up. The last one holds what it relies on.
const TRIES: usize = 4;

/// So many of ten thousand things take long.
const LONG: u64 = 3_000;
const DAY: u64 = 24 * 3600;

/// A host that saves a tree of its own.
#[derive(Default)]
pub struct Writer {
    tree: Tree,
    /// The last snapshot that was acknowledged, and what is in it.
    last: Option<(SnapshotId, Tree)>,
}

/// What one run has gathered.
struct Gathered {
    root: Option<(PageRef, u8)>,
    /// All that the snapshot will refer to.
    needs: Vec<ChunkId>,
}

impl Part for Writer {
    fn run(&mut self, host: &mut Host) -> Result<()> {
        let mut repository = host.open()?;
        tree::change(&mut self.tree, &mut host.random);
        for attempt in 1..=TRIES {
            match self.save(&mut repository, host, attempt == TRIES) {
                Err(Error::GivenUp { .. }) => host.world.look().counters.count("refused commits"),
                Err(Error::Fenced { .. }) => host.world.look().counters.count("fenced runs"),
                other => return other,
            }
            repository.refresh()?;
        }
        host.world.look().counters.count("runs that gave up");
        Ok(())
    }
}

impl Writer {
    fn save(&mut self, repository: &mut Repository, host: &mut Host, hold: bool) -> Result<()> {
        let id = Session::new_id();
        let files = repository.files().expect("the simulation has room for a file table");
        let dead = files.dead_runs();
        let journal = files.journal(SourceKey([host.number as u8; 32]), id);
        let session = Session::begin_with(repository, 1, id, Some(journal))?;
        host.world.look().oracle.began(host.number, id);
        if hold || host.random.chance(300) {
            session.hold_all(repository)?;
        }
        if session.adopt(repository, dead)? > 0 {
            self.take_long(host);
        }
        let base = match &self.last {
            Some((last, tree)) if host.random.chance(5_000) => {
                session.build_on(repository, *last)?.then(|| tree.clone())
            }
            _ => None,
        };
        let Gathered { root, needs } =
            self.gather(&session, repository, host, &base.unwrap_or_default())?;
        host.world.look().oracle.needs(id, needs);
        let series = host.number as u8;
        let (root, root_level) = match root {
            Some((page, level)) => (Some(page), level.into()),
            None => (None, 0),
        };
        let finished = session.commit(repository, |_, _| Manifest {
            summary: summary(series),
            root,
            root_level,
            profiles: Vec::new(),
            problems: Vec::new(),
            program: String::new(),
            extra: Extra::default(),
        })?;
        let held = host.world.look().oracle.acknowledged(finished.snapshot, self.tree.clone());
        if let Err(what) = held {
            host.world.stop(what);
        }
        host.world.look().counters.count("snapshots");
        self.last = Some((finished.snapshot, self.tree.clone()));
        Ok(())
    }

    /// Sometimes what a run does takes long, and what it knows grows old.
    fn take_long(&self, host: &mut Host) {
        if host.random.chance(LONG) {
            let seconds = host.random.below(2 * DAY);
            host.world.pause(host.number, seconds);
        }
    }

    /// Stores what is new. What the base has too is taken over without a look.
    fn gather(
        &self,
        session: &Session,
        repository: &mut Repository,
        host: &mut Host,
        base: &Tree,
    ) -> Result<Gathered> {
        let keys = session.access().scope_keys.clone();
        let mut lookup = repository.lookup()?;
        let mut needs = Vec::new();
        let mut entries = Vec::new();
        let (mut data, mut pages) = (FrameWriter::data(0), FrameWriter::pages());
        for (name, chunks) in &self.tree {
            let is_old = base.get(name) == Some(chunks);
            let mut items = Vec::new();
            for number in chunks {
                let bytes = tree::chunk(*number);
                let id = keys.data_id(&bytes);
                if !is_old {
                    keep(session, &id, &bytes, &mut data, &mut lookup)?;
                }
                needs.push(id);
                items.push(Item::Data(id, bytes.len() as u64));
            }
            entries.push(file(name, items, host));
            self.take_long(host);
            if host.random.chance(1_000) {
                data.flush(session.packer())?;
                session.packer().finish()?;
                session.publish_done(repository)?;
                lookup = repository.lookup()?;
            }
        }
        let mut map = MapBuilder::new(&keys);
        let mut store = |bytes: &[u8]| {
            let id = session.page(bytes, &mut pages, &mut lookup)?;
            needs.push(id);
            Ok::<_, Error>(id)
        };
        for entry in entries {
            map.push(entry, &mut store)?;
        }
        let root = map.finish(&mut store)?;
        data.flush(session.packer())?;
        pages.flush(session.packer())?;
        Ok(Gathered { root, needs })
    }
}

/// Stores a chunk, unless it is known.
fn keep(
    session: &Session,
    id: &ChunkId,
    bytes: &[u8],
    data: &mut FrameWriter,
    lookup: &mut Lookup,
) -> Result<()> {
    if session.claim(id, bytes.len(), lookup)? == Kept::New {
        data.space(bytes.len(), session.packer())?.copy_from_slice(bytes);
        data.keep(*id, bytes.len());
    }
    Ok(())
}

fn file(name: &str, items: Vec<Item>, host: &Host) -> Entry {
    let path = format!("/{name}");
    let key = MapKey::from_path(path.as_bytes()).expect("names of the simulation are good");
    let content = Content::Items(items);
    let size = content.len().ok();
    let node = Node::bare(NodeKind::File, 0o644, host.now());
    Entry { key, node: Node { size, content: Some(content), ..node } }
}
