//! What is known before a run: the base, the file table, and what killed runs left.

use crate::pipeline::base::{Base, BaseEntries, Root, root_of};
use crate::pipeline::counts::Counting;
use crate::pipeline::error::Result;
use crate::pipeline::known::Known;
use crate::pipeline::mark::Rules;
use crate::pipeline::pages::RunPages;
use crate::repository::{
    Chunks, DeadRun, Files, Journal, LeafReader, Leaves, Repository, Session, SourceKey,
};
use esker_format::ids::SnapshotId;

/// Frames of the base that are kept while it is compared.
const BASE_BUDGET: usize = 4 << 20;

/// Killed runs whose rows are looked at, newest first. A newer one has taken over what older ones had
/// found, and each slows every look-up.
const DEAD_READ: usize = 8;

/// What is known before a run.
pub struct Prior {
    /// The snapshot that the run is compared with.
    pub base: Option<SnapshotId>,
    /// The root of its path map, where it is known.
    pub root: Option<Root>,
    /// Packs of killed runs that were taken over.
    pub adopted: usize,
    rows: Option<Rows>,
    is_certain: bool,
    dead: Vec<Rows>,
    reader: Option<LeafReader>,
}

type Rows = (Leaves, LeafReader);

/// How a run begins.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// Threads that do the work.
    pub threads: usize,
    /// Whether nothing may be written.
    pub is_dry: bool,
    /// Whether the file table was found to be wrong.
    pub without_table: bool,
    /// In which week it begins.
    pub week: i64,
    /// Whether packs must stay that the run may rely on.
    pub hold: bool,
    /// Whether all content comes from what is read once: nothing of the base is taken over.
    pub is_fed: bool,
}

impl Prior {
    /// Begins a session, with what is known of this host and label.
    ///
    /// # Errors
    /// When index or store fail. A file table that cannot be read or written is none.
    pub fn begin(
        repository: &mut Repository,
        start: Start,
        base: &Base,
        host: &str,
        label: &str,
    ) -> Result<(Session, Self)> {
        let id = Session::new_id();
        let mut prior = Self {
            base: base.snapshot,
            root: None,
            adopted: 0,
            rows: None,
            is_certain: false,
            dead: Vec::new(),
            reader: None,
        };
        let Some(files) = repository.files() else {
            prior.root = base.snapshot.and_then(|id| root_of(repository, id));
            let session = Session::begin_with(repository, start.threads, id, None)?;
            if start.hold {
                session.hold_all(repository)?;
            }
            return Ok((session, prior));
        };
        let key = source_key(host, label);
        let standing = if start.without_table { None } else { prior.read(&files, &key) };
        let runs = if start.is_dry { Vec::new() } else { files.dead_runs() };
        if !start.without_table {
            prior.read_dead(&files, &runs, &key);
        }
        let journal = files.journal(key, id);
        if prior.rows.is_none() {
            journal.supersede_all();
        }
        let journal: Option<Journal> = (!start.is_dry).then_some(journal);
        let session = match start.is_dry {
            true => Session::begin_dry(repository, start.threads, id)?,
            false => Session::begin_with(repository, start.threads, id, journal)?,
        };
        if start.hold {
            session.hold_all(repository)?;
        }
        prior.adopted = session.adopt(repository, runs)?;
        // What a forgotten one refers to may have been given up, and no set says so.
        let is_live = |id| repository.state().live_snapshots().any(|s| s.id == id);
        match standing {
            Some(snapshot) if is_live(snapshot) => {
                // What is taken over without a look-up brings all packs of its base along, needed or
                // not. Now and then each chunk is looked for, so that a collection without the reading
                // key, which goes by the packs that snapshots name, has something to give back.
                let is_due = base.week.is_some_and(|week| week != start.week);
                prior.is_certain =
                    !start.is_fed && !is_due && session.build_on(repository, snapshot)?;
            }
            // Forgotten; or a log that is older than the table, or another: its rows are as good as those of a
            // run that was killed.
            _ => {
                prior.dead.extend(prior.rows.take());
                prior.base = base.snapshot;
                prior.root = base.snapshot.and_then(|id| root_of(repository, id));
            }
        }
        Ok((session, prior))
    }

    /// Reads the rows of a source; returns the snapshot that they stand for.
    fn read(&mut self, files: &Files, key: &SourceKey) -> Option<SnapshotId> {
        let (standing, leaves) = files.rows(key)?;
        self.rows = Some((leaves, files.reader()?));
        self.reader = files.reader();
        self.base = Some(standing.snapshot);
        self.root = standing.root;
        self.base
    }

    fn read_dead(&mut self, files: &Files, runs: &[DeadRun], key: &SourceKey) {
        let rows = runs.iter().filter_map(|run| files.rows_of(run, key));
        let opened = rows.filter_map(|leaves| Some((leaves, files.reader()?)));
        self.dead.extend(opened.take(DEAD_READ));
    }

    /// The counter, the walk's companion and the pages of the run.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn into_parts<'s>(
        self,
        session: &'s Session,
        repository: &Repository,
        rules: Rules,
    ) -> Result<(Counting, Known<'s>, RunPages<'s>)> {
        let base = match (&self.rows, &self.root) {
            (None, Some(root)) => {
                let scope = repository.access().scope;
                Some((BaseEntries::new(root), Chunks::new(repository, scope, BASE_BUDGET)?))
            }
            _ => None,
        };
        let pages = RunPages::new(session, repository, self.reader)?;
        let lookup = repository.lookup()?;
        let known = Known::new(session, lookup, rules, self.rows, self.is_certain, self.dead);
        Ok((Counting::new(base), known, pages))
    }
}

/// What the rows of a source are found by.
fn source_key(host: &str, label: &str) -> SourceKey {
    let mut hasher = blake3::Hasher::new();
    hasher.update(host.as_bytes()).update(&[0]).update(label.as_bytes());
    SourceKey(*hasher.finalize().as_bytes())
}
