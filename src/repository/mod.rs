//! The meaning of the objects in a store: open, read, append.

mod access;
mod cache;
pub mod check;
mod checkpoint;
mod choice;
mod chunks;
mod content;
pub mod copy;
mod create;
mod cutters;
mod descriptions;
mod diff;
pub mod difference;
mod error;
mod exclusive;
mod extents;
mod fetch;
#[cfg(test)]
mod fixture;
mod fold;
mod follow;
mod frame_cache;
mod frame_writer;
pub mod gc;
mod history;
mod index;
mod indexing;
mod judge;
mod keep;
mod log;
mod map;
mod merge;
mod mode;
mod objects;
mod packer;
mod pieces;
mod presence;
mod refresh;
pub mod repair;
pub mod retention;
mod rewriter;
mod selection;
mod session;
#[cfg(test)]
mod simulation;
mod slots;
mod snapshots;
mod spill;
pub mod state;
mod stats;
mod unlock;
pub mod validate;
mod versions;
pub mod view;
mod writers;

pub use access::Access;
pub use checkpoint::Occasion;
pub use choice::{Choice, Filter};
pub use chunks::{ChunkSource, Chunks, chunk_in};
pub use content::{Items, xattrs};
pub use create::{Created, NewKey, create, create_in_mode};
pub use cutters::{Cutters, profile_of};
pub use diff::{Diff, Step, root_of};
pub use error::{Error, Result};
pub use exclusive::{Exclusive, exclusive};
pub use extents::{Extent, Extents};
pub use fetch::Frames;
pub use frame_writer::{Compression, FrameWriter, Kept};
pub use history::Doubt;
pub use index::{
    DeadRun, Files, Journal, KnownPack, Leaf, LeafReader, Leaves, Location, Lookup, NewLeaf,
    OpenLeaf, SourceKey, Standing,
};
pub use keep::{Forget, Refusal, Tags};
pub use map::{Bounds, Found, Map, walk};
pub use merge::{Merge, Met, Variant};
pub use mode::{Lock, Mode, Probed, Taken};
pub use objects::without_config;
pub(crate) use objects::{read_directory, read_segment};
pub use selection::{Selected, entry_at, look_into, map_key, select};
pub use session::{Finished, Published, Session};
pub use slots::Slot;
pub use snapshots::{Snapshot, Unlisted, shorten};
pub use stats::{Totals, totals};
pub use unlock::Unlock;
pub use versions::{Search, Sighting, Version};
pub use writers::{Draft, Enrolled, Revoked, role_names};

use crate::store::Store;
use esker_format::config::{self, Config};
use esker_format::envelope::Kind;
use esker_format::key_material::KeyMaterial;
use esker_format::secret::Entropy;
use esker_format::{FormatError, names, signed};
use history::History;
use index::Index;
use mode::Here;
use objects::read_config;
use presence::Presence;
use state::State;
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
    /// What was read of packs, where the store is far away.
    extents: Arc<Extents>,
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
    /// What this machine has to show before it appends.
    here: Here,
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
    /// Whether a store that this machine does not know is tried out before the first append.
    pub probes: bool,
}

impl Repository {
    /// Opens the repository in `store`; the index database lies below `cache`. What was seen of its
    /// log is remembered nowhere else.
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    pub fn open(store: Arc<dyn Store>, unlock: Unlock, cache: &Path) -> Result<Self> {
        Self::open_with(
            store,
            unlock,
            Local { cache, state: None, accept_history: false, probes: false },
        )
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
        opened.here = Here::new(local.state, opened.access.repository, local.probes);
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
            extents: Arc::new(Extents::new(Arc::clone(&store))),
            state: State::new(access.owner_key),
            here: Here::new(None, access.repository, false),
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

    /// The store.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }
    /// The store, to be shared.
    pub fn shared_store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }
    /// What was read of packs, where the store is far away.
    pub const fn extents(&self) -> &Arc<Extents> {
        &self.extents
    }
    /// Much is going to be read, perhaps all of a snapshot: see [`Extents::expect_much`].
    pub fn expect_much(&self, is_all: bool) {
        if self.extents.is_far() {
            self.extents.expect_much(is_all, &self.folder);
        }
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
