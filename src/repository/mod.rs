//! The meaning of the objects in a store: open, read, append.

mod access;
mod cache;
pub mod check;
mod checkpoint;
mod choice;
mod content;
mod create;
mod descriptions;
mod diff;
pub mod difference;
mod error;
mod exclusive;
mod fetch;
#[cfg(test)]
mod fixture;
mod fold;
mod follow;
mod frame_writer;
pub mod gc;
mod history;
mod index;
mod judge;
mod keep;
mod log;
mod map;
mod merge;
mod packer;
mod pieces;
mod presence;
mod refresh;
pub mod retention;
mod selection;
mod session;
#[cfg(test)]
mod simulation;
mod slots;
mod snapshots;
pub mod state;
mod stats;
mod unlock;
pub mod validate;
mod versions;
mod writers;

pub use access::Access;
pub use checkpoint::Occasion;
pub use choice::{Choice, Filter};
pub use content::{Items, xattrs};
pub use create::{Created, NewKey, create};
pub use diff::{Diff, Step, root_of};
pub use error::{Error, Result};
pub use exclusive::{Exclusive, exclusive};
pub use fetch::{Chunks, Frames, chunk_in};
pub use frame_writer::{Compression, FrameWriter, Kept};
pub use history::Doubt;
pub use index::{
    DeadRun, Files, Journal, KnownPack, Leaf, LeafReader, Leaves, Location, Lookup, NewLeaf,
    OpenLeaf, SourceKey, Standing,
};
pub use keep::{Forget, Refusal, Tags};
pub use map::{Bounds, Found, Map, walk};
pub use merge::{Merge, Met, Variant};
pub use selection::{Selected, entry_at, look_into, map_key, select};
pub use session::{Finished, Published, Session};
pub use slots::Slot;
pub use snapshots::{Snapshot, shorten};
pub use stats::{Totals, totals};
pub use unlock::Unlock;
pub use versions::{Search, Sighting, Version};
pub use writers::{Draft, Enrolled, role_names};

use crate::store::{Store, StoreErrorKind};
use esker_format::checkpoint::PackState;
use esker_format::config::{self, Config};
use esker_format::envelope::{Header, Kind};
use esker_format::ids::{Named, PackId, SegmentId, Seq};
use esker_format::key_material::KeyMaterial;
use esker_format::secret::Entropy;
use esker_format::segment::{self, SegmentPack};
use esker_format::{FormatError, names, pack, signed};
use history::History;
use index::Index;
use presence::Presence;
use state::{Changes, Segment, State};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// An open repository.
pub struct Repository {
    store: Arc<dyn Store>,
    access: Arc<Access>,
    config: Config,
    state: State,
    index: Index,
    /// Which packs the store was seen to have.
    presence: Arc<Presence>,
    /// Where caches lie.
    folder: PathBuf,
    /// What was wrong with log and index objects and could be got round.
    warnings: Vec<Error>,
    /// Whether was looked for entries behind the end of the log.
    end_is_known: AtomicBool,
    /// What this machine has seen of the log before.
    history: History,
    /// How the log differs from that; then nothing is appended.
    doubt: Option<Doubt>,
    /// Whether the owner says to go on with the log as it is.
    accepts: bool,
    /// How it differed, when that was accepted.
    accepted: Option<Doubt>,
    /// Whether this log was found fit to be appended to.
    may_append: AtomicBool,
    /// Whether was told that the history cannot be remembered.
    is_forgetful: bool,
    /// Whether an entry of the log cannot be read: what is known is what came before.
    is_cut_off: bool,
}

/// Where a repository keeps what belongs to this machine, and what the owner says of its log.
#[derive(Debug, Clone, Copy)]
pub struct Local<'p> {
    /// The folder for caches.
    pub cache: &'p Path,
    /// The folder for what must not be lost with a cache; none where there is no such place.
    pub state: Option<&'p Path>,
    /// Whether to go on with a log that is not the one that was seen before, and to append to one
    /// that has an entry far behind its end.
    pub accept_history: bool,
}

impl Repository {
    /// Opens the repository in `store`; the index database lies below `cache`. What was seen of its
    /// log is remembered nowhere else.
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    pub fn open(store: Arc<dyn Store>, unlock: Unlock, cache: &Path) -> Result<Self> {
        Self::open_with(store, unlock, Local { cache, state: None, accept_history: false })
    }

    /// Opens the repository in `store`.
    ///
    /// # Errors
    /// [`Error::NoRepository`], [`Error::WrongKey`], [`Error::NotEnrolled`], [`Error::Revoked`],
    /// [`Error::Newer`], or damage to config or log.
    pub fn open_with(store: Arc<dyn Store>, unlock: Unlock, local: Local<'_>) -> Result<Self> {
        let object = read_config(&*store)?;
        // The checksum comes first: a flipped bit is neither another repository nor a newer one.
        let (header, _) = signed::read_header(&object, config::OBJECT_MAX)
            .map_err(|e| Error::damaged(names::CONFIG, e))?;
        let access = unlock.access(&*store, header.repository)?;
        header
            .expect(Kind::Config, access.repository)
            .map_err(|e| Error::damaged(names::CONFIG, e))?;
        let config = Config::decode(object, access.repository, &access.log_key, &access.owner_key)
            .map_err(|e| match e {
                FormatError::NotAuthentic { .. } => {
                    Error::WrongKey { reason: "its config was sealed with another".to_owned() }
                }
                e => Error::damaged(names::CONFIG, e),
            })?;
        let folder = cache::folder(local.cache, access.repository, &store.location());
        let (history, failure) = History::open(local.state, access.repository);
        let mut opened = Self::bare(store, Arc::new(access), config, folder, history)?;
        opened.warnings.extend(failure.err());
        opened.accepts = local.accept_history;
        opened.load()?;
        Ok(opened)
    }

    /// Opens a repository whose config was read, to read on in it; its caches lie in `folder`.
    fn at(
        store: Arc<dyn Store>,
        access: Arc<Access>,
        config: Config,
        folder: PathBuf,
    ) -> Result<Self> {
        let (history, _) = History::open(None, access.repository);
        let mut opened = Self::bare(store, access, config, folder, history)?;
        opened.load()?;
        Ok(opened)
    }

    /// One that has read nothing yet.
    fn bare(
        store: Arc<dyn Store>,
        access: Arc<Access>,
        config: Config,
        folder: PathBuf,
        history: History,
    ) -> Result<Self> {
        Ok(Self {
            index: Index::open(&folder.join("index.sqlite"))?,
            presence: Arc::new(Presence::new(Arc::clone(&store))),
            state: State::new(access.owner_key),
            store,
            access,
            config,
            folder,
            warnings: Vec::new(),
            end_is_known: AtomicBool::new(false),
            history,
            doubt: None,
            accepts: false,
            accepted: None,
            may_append: AtomicBool::new(false),
            is_forgetful: false,
            is_cut_off: false,
        })
    }

    fn load(&mut self) -> Result<()> {
        match self.catch_up() {
            Err(failure @ Error::Database { .. }) => self.renew_index(failure)?,
            other => other?,
        }
        // Of a log that was cut off the end may be what enrols it.
        self.expect_enrolled()
            .map_err(|e| self.doubt.map_or(e, |doubt| Error::History(Box::new(doubt))))
    }

    fn catch_up(&mut self) -> Result<()> {
        self.state = self.index.load(self.access.owner_key)?;
        self.refresh()
    }

    /// Begins the index anew from the repository, because it failed: it is a cache. The failure is
    /// among the warnings from here on.
    ///
    /// # Errors
    /// When the log is damaged, the store fails, or no folder of this machine takes an index.
    pub fn renew_index(&mut self, failure: Error) -> Result<()> {
        self.index.renew(&failure)?;
        self.warnings.push(failure);
        self.catch_up()
    }

    /// Whether the index lacks a segment of the log: a new one, or one that could not be read.
    fn lacks_segments(&self) -> Result<bool> {
        let known = self.index.segments()?;
        Ok(self.segments().any(|segment| !known.contains(&segment.id)))
    }

    /// The segments that this key reads.
    fn segments(&self) -> impl Iterator<Item = Segment> {
        let mine = self.state.segments.iter().filter(|s| self.access.has_scope(s.scope));
        mine.copied()
    }

    /// Brings what the log says into the index database: packs of `own`, which the segments `of`
    /// this run describe, and all others that it lacks. A segment that cannot be read is tried
    /// again whenever the repository is opened.
    fn index_segments(&mut self, own: &[SegmentPack], of: &[SegmentId]) -> Result<()> {
        self.presence.learn(&self.state);
        let mut known = self.index.segments()?;
        let mut read = of.to_vec();
        // Nothing is in them that was not in those they came from.
        for (old, new) in &self.state.changes.compacted {
            if old.iter().all(|id| known.contains(id)) {
                known.extend(new);
                read.extend(new);
            }
        }
        let new = |s: &Segment| !known.contains(&s.id) && !of.contains(&s.id);
        let new: Vec<Segment> = self.segments().filter(new).collect();
        let mut packs = Vec::new();
        let (mut failed, mut chunks) = (false, 0);
        for segment in new {
            match read_segment(&*self.store, &self.access, segment) {
                Ok(found) => {
                    chunks += found.iter().map(|pack| pack.chunks.len()).sum::<usize>();
                    packs.extend(found);
                    read.push(segment.id);
                    // Not all of a large index at once in memory.
                    if chunks > CHUNKS_AT_ONCE {
                        let some = descriptions::settle(self, own, std::mem::take(&mut packs))?;
                        let rows: Vec<_> = some.iter().filter_map(|p| self.wanted(p)).collect();
                        self.index.write(&rows, &read)?.keep()?;
                        read.clear();
                        chunks = 0;
                    }
                }
                // Whoever merges segments removes them: then the log names others by now.
                Err(Error::Missing { .. }) if self.reads_on() => {
                    return self.index_segments(own, of);
                }
                Err(e) => {
                    failed = true;
                    self.warnings.push(e);
                }
            }
        }
        if failed {
            let known = own.iter().chain(&packs).map(|p| p.id).collect();
            packs.extend(self.packs_without_segment(&known));
        }
        let packs = descriptions::settle(self, own, packs)?;
        let all = own.iter().chain(&packs);
        let rows: Vec<(u32, &SegmentPack)> = all.filter_map(|p| self.wanted(p)).collect();
        self.index.write(&rows, &read)?.save(&self.state)?;
        self.state.changes = Changes::default();
        Ok(())
    }

    /// Whether the log has more by now; what it has is folded in.
    fn reads_on(&mut self) -> bool {
        let read = log::replay(&*self.store, &self.access, &mut self.state);
        matches!(read, Ok(1..))
    }

    /// A pack that belongs into the index, with its ordinal: the log names it, and has not given
    /// it up.
    fn wanted<'p>(&self, pack: &'p SegmentPack) -> Option<(u32, &'p SegmentPack)> {
        let ordinal = self.state.ordinal(pack.id)?;
        let is_gone = self.state.packs[ordinal as usize].state == PackState::Deleting;
        (!is_gone).then_some((ordinal, pack))
    }

    /// Directories of packs that no readable segment describes, from the packs themselves.
    fn packs_without_segment(&mut self, known: &HashSet<PackId>) -> Vec<SegmentPack> {
        let mut found = Vec::new();
        for (ordinal, pack) in self.state.packs.iter().enumerate() {
            let in_index = self.index.has_pack(ordinal as u32).unwrap_or(false);
            if known.contains(&pack.id) || in_index || pack.state == PackState::Deleting {
                continue;
            }
            match read_directory(&*self.store, &self.access, pack.id, pack.len) {
                Ok(pack) => found.push(pack),
                // Of a scope that this key has nothing to do with.
                Err(Error::NeedsOwner) => {}
                Err(e) => self.warnings.push(e),
            }
        }
        found
    }

    /// Brings what this run has appended into the index database. That it cannot be written is no
    /// failure: what is in the log is done.
    fn settle(&mut self, packs: &[SegmentPack], segments: &[SegmentId]) {
        if let Err(failure) = self.index_segments(packs, segments) {
            self.warnings.push(failure);
        }
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }
    /// The store, to be shared.
    pub fn shared_store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }
    /// What a key file with the key in use holds.
    pub fn material(&self) -> &KeyMaterial {
        &self.access.material
    }
    /// The keys in use.
    pub fn access(&self) -> &Access {
        &self.access
    }
    /// The immutables.
    pub const fn config(&self) -> &Config {
        &self.config
    }
    /// What the log says.
    pub const fn state(&self) -> &State {
        &self.state
    }
    /// A connection for look-ups on any thread, of what this key's runs can refer to.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn lookup(&self) -> Result<Lookup> {
        self.lookup_in(self.access.scope)
    }
    /// The same for another scope.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn lookup_in(&self, scope: u32) -> Result<Lookup> {
        self.index.lookup(Some(scope), Arc::clone(&self.presence))
    }
    /// The same for all scopes.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn lookup_in_all(&self) -> Result<Lookup> {
        self.index.lookup(None, Arc::clone(&self.presence))
    }
    /// The file table; none where no cache can be written. Every writer has one of its own: rows of
    /// another would lead to chunks that this one cannot refer to.
    pub fn files(&self) -> Option<Files> {
        let name = match self.access.owner {
            Some(_) => "files.sqlite".to_owned(),
            None => format!("files-{}.sqlite", self.access.writer),
        };
        Files::open(&self.folder.join(name))
    }
    /// Whether no chunk is known yet.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn is_empty(&self) -> Result<bool> {
        self.index.is_empty()
    }
    /// What was wrong with log and index objects and could be got round.
    pub fn warnings(&self) -> &[Error] {
        &self.warnings
    }
    /// How the log differed from what was seen of it before, when the owner said to go on with it.
    pub const fn accepted(&self) -> Option<Doubt> {
        self.accepted
    }
}

/// Chunks of packs that are brought into the index in one go, some 10 MiB in memory.
const CHUNKS_AT_ONCE: usize = 256 << 10;

/// Fresh random bytes from the operating system.
pub(crate) fn entropy() -> Entropy {
    #[cfg(test)]
    if let Some(entropy) = simulation::drawn() {
        return entropy;
    }
    let mut seed = [0; 32];
    // The system's generator cannot fail on Linux once it is seeded; going on without would be
    // worse than stopping.
    if let Err(error) = getrandom::fill(&mut seed) {
        panic!("the operating system gives no random bytes: {error}");
    }
    Entropy::new(seed)
}

/// What a store is that has no config: no repository, one that was never finished, or one that has
/// lost it. The config is put before the first entry behind the two that every log begins with.
pub fn without_config(store: &dyn Store) -> Error {
    let has = |seq| matches!(store.size(&names::entry(Seq(seq))), Ok(Some(_)));
    // Whatever the log has lost: what was saved is not nothing.
    let mut is_used = has(2);
    let looked = store.list("", &mut |found| {
        is_used |= ["pack/", "snapshot/"].iter().any(|kind| found.name.starts_with(kind));
    });
    let location = store.location();
    match (has(0), is_used || looked.is_err()) {
        (_, true) => Error::Missing { object: names::CONFIG.to_owned() },
        (true, false) => Error::Unfinished { location },
        (false, false) => Error::NoRepository { location },
    }
}

fn read_config(store: &dyn Store) -> Result<Vec<u8>> {
    let mut object = Vec::new();
    match store.get(names::CONFIG, config::OBJECT_MAX as u64, &mut object) {
        Ok(()) => Ok(object),
        Err(e) if e.kind() == StoreErrorKind::NotFound => Err(without_config(store)),
        Err(e) => Err(Error::from_read(e)),
    }
}

/// Reads a segment and checks its name.
pub(crate) fn read_segment(
    store: &dyn Store,
    access: &Access,
    segment: Segment,
) -> Result<Vec<SegmentPack>> {
    let Segment { id, scope } = segment;
    let name = names::segment(id);
    let mut object = Vec::new();
    let limit = (esker_format::limits::SEGMENT_MAX + (1 << 20)) as u64;
    store.get(&name, limit, &mut object).map_err(Error::from_read)?;
    let damaged = |e| Error::damaged(name.as_str(), e);
    id.check("segment", &object).map_err(damaged)?;
    let keys = access.scope_keys_of(scope)?;
    let (header, packs) = segment::decode_object(&object, &keys.segment).map_err(damaged)?;
    header.expect(Kind::Segment, access.repository).map_err(damaged)?;
    if header.scope != scope {
        return Err(damaged(FormatError::Misplaced { what: "scope" }));
    }
    Ok(packs)
}

/// Reads header and directory of a pack, with three ranged reads, as its segment would say them.
pub(crate) fn read_directory(
    store: &dyn Store,
    access: &Access,
    id: PackId,
    len: u64,
) -> Result<SegmentPack> {
    let name = names::pack(id);
    let damaged = |e| Error::damaged(name.as_str(), e);
    let mut bytes = Vec::new();
    let mut range = |offset, len: usize| -> Result<Vec<u8>> {
        store.get_range(&name, offset, len, &mut bytes).map_err(Error::from_read)?;
        Ok(std::mem::take(&mut bytes))
    };
    let trailer_at = len.saturating_sub(pack::TRAILER_LEN as u64);
    let sealed_len =
        pack::decode_trailer(&range(trailer_at, pack::TRAILER_LEN)?).map_err(damaged)?;
    let sealed = range(trailer_at.saturating_sub(sealed_len as u64), sealed_len)?;
    let head = range(0, (len as usize).min(esker_format::limits::HEADER_MAX))?;
    let (header, header_len) = Header::decode(&head).map_err(damaged)?;
    header.expect(Kind::Pack, access.repository).map_err(damaged)?;
    let keys = access.scope_keys_of(header.scope)?;
    let header = head[..header_len].to_vec();
    let directory = pack::open_directory(&header, &sealed, len, &keys.segment).map_err(damaged)?;
    Ok(SegmentPack {
        id,
        len,
        header,
        frames: directory.frames,
        chunks: directory.chunks.iter().map(|(id, len)| (segment::prefix(id), *len)).collect(),
    })
}
