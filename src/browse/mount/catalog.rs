//! Which snapshots the file system has, and what they are called. It reads on in the log when somebody
//! looks, so that new ones show up and forgotten ones go.

use super::names;
use super::place::SNAPSHOTS_MAX;
use super::saved::Saved;
use crate::browse::lock;
use crate::repository::retention::Series;
use crate::repository::view::View;
use crate::repository::{Filter, Result, Snapshot};
use esker_format::ids::{Seq, SnapshotId};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long what was read of the log is good enough.
const FRESH: Duration = Duration::from_secs(1);

/// Which snapshots are to be seen.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Those that a filter lists, in directories.
    All(Filter),
    /// One, as the file system itself.
    One(Box<Snapshot>),
}

/// The snapshots.
pub struct Catalog {
    view: Arc<View>,
    wanted: Wanted,
    /// When the log was read last, and where it ended then. Who reads it holds this, and nobody else has to wait.
    read: Mutex<Option<(Instant, Seq)>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// All that were ever seen, by number less one: what is open stays readable while it can be.
    saved: Vec<Arc<Saved>>,
    numbers: HashMap<SnapshotId, u32>,
    series: HashMap<Series, u32>,
    list: Arc<List>,
}

/// What is to be seen now.
#[derive(Default)]
pub struct List {
    /// Snapshots by their names in `by-id`.
    pub ids: BTreeMap<String, u32>,
    /// The same by time.
    pub times: BTreeMap<String, u32>,
    /// Names of series, and their numbers.
    pub series: BTreeMap<String, u32>,
    /// The snapshots of each of them by time.
    pub of_series: HashMap<u32, BTreeMap<String, u32>>,
}

impl List {
    /// The name by which the newest snapshot of a series goes there.
    pub fn latest(&self, series: u32) -> Option<&str> {
        // Numbers rise with the log, and the log says what came last.
        let newest = self.of_series.get(&series)?.iter().max_by_key(|(_, number)| **number);
        newest.map(|(name, _)| &**name)
    }
}

impl Catalog {
    /// Nothing seen yet.
    pub fn new(view: Arc<View>, wanted: Wanted) -> Self {
        let mut state = State::default();
        if let Wanted::One(snapshot) = &wanted {
            state.number(snapshot);
        }
        Self { view, wanted, read: Mutex::default(), state: Mutex::new(state) }
    }

    /// Whether one snapshot is the file system itself.
    pub const fn is_one(&self) -> bool {
        matches!(self.wanted, Wanted::One(_))
    }

    /// What is to be seen now. When the log cannot be read, what was seen before, and why.
    pub fn list(&self) -> (Arc<List>, Result<()>) {
        let done = match &self.wanted {
            Wanted::All(filter) => self.read(filter),
            Wanted::One(_) => Ok(()),
        };
        (Arc::clone(&self.state().list), done)
    }

    fn read(&self, filter: &Filter) -> Result<()> {
        let mut read = lock(&self.read);
        if read.is_some_and(|(at, _)| at.elapsed() < FRESH) {
            return Ok(());
        }
        // What was opened was read just now.
        let done = if read.is_none() { Ok(()) } else { self.view.refresh() };
        let end = self.view.end();
        let is_new = read.is_none_or(|(_, seen)| seen != end);
        // Also when that fails: who looks at a thousand names is not to wait for each of them.
        *read = Some((Instant::now(), end));
        if is_new {
            let all = self.view.snapshots()?;
            let mut state = self.state();
            state.list = Arc::new(state.name(all.iter().filter(|s| filter.lists(s))));
        }
        done
    }

    /// The snapshot with a number.
    pub fn saved(&self, number: u32) -> Option<Arc<Saved>> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        self.state().saved.get(at).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// The number of a snapshot, which it keeps; none when there are too many.
    fn number(&mut self, snapshot: &Snapshot) -> Option<u32> {
        if let Some(number) = self.numbers.get(&snapshot.id) {
            return Some(*number);
        }
        let number = u32::try_from(self.saved.len() + 1).ok().filter(|n| *n <= SNAPSHOTS_MAX)?;
        let saved = Saved::new(snapshot.id, snapshot.scope, snapshot.summary.start);
        self.saved.push(Arc::new(saved));
        self.numbers.insert(snapshot.id, number);
        Some(number)
    }

    /// Gives names, oldest snapshot first.
    fn name<'s>(&mut self, all: impl Iterator<Item = &'s Snapshot>) -> List {
        let mut list = List::default();
        let mut named: HashMap<u32, String> = HashMap::new();
        for snapshot in all {
            let Some(number) = self.number(snapshot) else { continue };
            let id = crate::repository::shorten(&snapshot.id);
            let by_id = format!("_{}", id.get(..8).unwrap_or(&id));
            let time = names::time(snapshot.summary.start);
            let name = names::distinct(&time, &by_id, &|name| list.times.contains_key(name));
            list.times.insert(name, number);
            let series = self.series(snapshot);
            named.entry(series).or_insert_with(|| {
                let label = names::label(&snapshot.summary.label);
                let by_host = format!("@{}", names::label(&snapshot.summary.host));
                let is_taken = |name: &str| list.series.contains_key(name);
                let name = names::distinct(&label, &by_host, &is_taken);
                list.series.insert(name.clone(), series);
                name
            });
            let own = list.of_series.entry(series).or_default();
            let name = names::distinct(&time, &by_id, &|name| own.contains_key(name));
            own.insert(name, number);
            list.ids.insert(id, number);
        }
        list
    }

    fn series(&mut self, snapshot: &Snapshot) -> u32 {
        let next = self.series.len() as u32;
        *self.series.entry(snapshot.series()).or_insert(next)
    }
}
