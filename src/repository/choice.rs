//! Which snapshot is meant: a list, a filter and words in, one of the list out.
//!
//! ```text
//! what      = snapshot [":" path]                  path begins with "/"
//! snapshot  = id or the beginning of one | latest | label ":" latest
//! latest    = "latest" ["~" N]                     the Nth before the newest
//! ```
//! A label can have colons in it, and words about `latest` too. What can be read as an id or as
//! plain `latest` is read so, whatever labels there are; other words must fit just one label.

use crate::repository::snapshots::Snapshot;
use esker_format::ids::{SnapshotId, WriterId};
use esker_format::node::Time;

/// Which snapshots are looked at. Empty lists let all through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Labels, one of which it must have; as they are, or as lists print them.
    pub labels: Vec<String>,
    /// Hosts, one of which it must be of.
    pub hosts: Vec<String>,
    /// Writers, one of which must have saved it.
    pub writers: Vec<WriterId>,
    /// Tags that it must have, all of them.
    pub tags: Vec<String>,
    /// The time that it must not have begun after.
    pub at: Option<Time>,
    /// Whether lists have forgotten ones too.
    pub forgotten: bool,
}

impl Filter {
    /// Whether lists have a snapshot.
    pub fn lists(&self, snapshot: &Snapshot) -> bool {
        (self.forgotten || !snapshot.is_forgotten) && self.lets(snapshot)
    }

    /// Whether a snapshot can be named. A forgotten one can, by its id.
    pub fn lets(&self, snapshot: &Snapshot) -> bool {
        let s = &snapshot.summary;
        let one_of = |wanted: &[String], name: &str| {
            wanted.is_empty() || wanted.iter().any(|given| is_name(given, name))
        };
        one_of(&self.labels, &s.label)
            && one_of(&self.hosts, &s.host)
            && (self.writers.is_empty()
                || snapshot.writer.is_some_and(|w| self.writers.contains(&w)))
            && self.tags.iter().all(|given| s.tags.iter().any(|tag| is_name(given, tag)))
            && self.at.is_none_or(|at| s.start <= at)
    }

    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The snapshot that is meant.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Whether it is the latest among those of several series, so that another may be meant.
    pub of_several: bool,
    /// The path behind it, as it was written.
    pub path: Option<String>,
}

/// Why none is.
#[derive(Debug, PartialEq, Eq)]
pub enum Miss {
    /// None goes by this name.
    None(String),
    /// One does, and the filter leaves it out.
    Filtered(String),
    /// Only forgotten ones do.
    Forgotten(String),
    /// The beginning of an id fits several.
    Several(String, Vec<SnapshotId>),
    /// The words fit several labels.
    Labels(Vec<String>),
}

/// Chooses from `all`, oldest first, what `what` names.
///
/// # Errors
/// When there is no such snapshot, or more than one.
pub fn choose(all: &[Snapshot], filter: &Filter, what: &str) -> Result<Choice, Miss> {
    let (name, path) = match what.split_once(':') {
        Some((name, path)) => (name, Some(path)),
        None => (what, None),
    };
    let plain = || pick(all, filter, None, name).map(|choice| choice.with(path));
    if path.is_none_or(|path| path.starts_with('/')) && is_plain(name) {
        return plain();
    }
    let readings = readings(what);
    let is_there = |r: &&Reading<'_>| all.iter().any(|s| is_name(r.label, &s.summary.label));
    let known: Vec<Reading<'_>> = readings.iter().filter(is_there).copied().collect();
    match (&known[..], readings.first()) {
        ([reading], _) | ([], Some(reading)) => {
            let Reading { label, latest, path } = reading;
            let picked = pick(all, filter, Some(label), latest);
            picked.map(|choice| choice.with(*path)).map_err(|miss| miss.behind(label))
        }
        ([], None) => plain(),
        _ => Err(Miss::Labels(known.iter().map(|r| r.label.to_owned()).collect())),
    }
}

impl Choice {
    fn with(self, path: Option<&str>) -> Self {
        Self { path: path.map(str::to_owned), ..self }
    }
}

impl Miss {
    /// The same of a snapshot that was named with its label.
    fn behind(self, label: &str) -> Self {
        match self {
            Self::None(latest) => Self::None(format!("{label}:{latest}")),
            Self::Filtered(latest) => Self::Filtered(format!("{label}:{latest}")),
            Self::Forgotten(latest) => Self::Forgotten(format!("{label}:{latest}")),
            other => other,
        }
    }
}

/// Whether `name` can be an id, the beginning of one, or `latest`: nothing of it is a label's.
fn is_plain(name: &str) -> bool {
    steps(name).is_some() || (!name.is_empty() && name.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// How far back `latest` or `latest~N` goes; none for other words.
fn steps(name: &str) -> Option<usize> {
    match name.strip_prefix("latest")?.strip_prefix('~') {
        Some(n) if n.bytes().all(|b| b.is_ascii_digit()) => n.parse().ok(),
        None if name == "latest" => Some(0),
        _ => None,
    }
}

/// Chooses by id or by age, among those with a label when one is given.
fn pick(
    all: &[Snapshot],
    filter: &Filter,
    label: Option<&str>,
    name: &str,
) -> Result<Choice, Miss> {
    let has_label = |s: &&Snapshot| label.is_none_or(|label| is_name(label, &s.summary.label));
    let all: Vec<&Snapshot> = all.iter().filter(has_label).collect();
    let left: Vec<&Snapshot> = all.iter().copied().filter(|s| filter.lets(s)).collect();
    // Why there is none in the list: because of the filter, or because there is none at all.
    let miss = |is_there: bool| {
        if is_there { Miss::Filtered(name.to_owned()) } else { Miss::None(name.to_owned()) }
    };
    if let Some(back) = steps(name) {
        let live = |of: &[&Snapshot]| of.iter().filter(|s| !s.is_forgotten).count();
        let mut named: Vec<&Snapshot> = left.iter().copied().filter(|s| !s.is_forgotten).collect();
        if filter.at.is_some() {
            // A point in time was asked for: of two snapshots the later time counts, also where one
            // was given its time afterwards.
            named.sort_by_key(|s| s.summary.start);
        }
        let Some(at) = named.len().checked_sub(1).and_then(|last| last.checked_sub(back)) else {
            // With those that are forgotten there might be one.
            // Of a label that several series have, each has an age of its own.
            let is_one = || left.iter().all(|other| is_one_series(left[0], other));
            if live(&all) <= back && left.len() > back && (label.is_none() || is_one()) {
                return Err(Miss::Forgotten(name.to_owned()));
            }
            return Err(miss(live(&all) > back));
        };
        let snapshot = named[at].clone();
        let of_several = named.iter().any(|other| !is_one_series(&snapshot, other));
        return Ok(Choice { snapshot, of_several, path: None });
    }
    let fits = |s: &&Snapshot| !name.is_empty() && s.id.to_string().starts_with(name);
    let fitting: Vec<&Snapshot> = left.iter().copied().filter(fits).collect();
    match fitting[..] {
        [] => Err(miss(all.iter().copied().any(|s| fits(&s)))),
        [one] => Ok(Choice { snapshot: one.clone(), of_several: false, path: None }),
        _ => Err(Miss::Several(name.to_owned(), fitting.iter().map(|s| s.id).collect())),
    }
}

/// Whether two snapshots are of one series: by its id, which a new host name does not change, or
/// by host and label, which two first runs at one time have in common. What another writer calls by
/// the same names is another series.
fn is_one_series(a: &Snapshot, b: &Snapshot) -> bool {
    let is_one_writer = a.writer == b.writer;
    let (a, b) = (&a.summary, &b.summary);
    let is_alike = a.series == b.series || (&a.host, &a.label) == (&b.host, &b.label);
    is_one_writer && is_alike
}

/// One way to read words with `:latest` in them.
#[derive(Debug, Clone, Copy)]
struct Reading<'w> {
    label: &'w str,
    latest: &'w str,
    path: Option<&'w str>,
}

/// All ways to read `LABEL:latest[~N][:PATH]`, shortest label first.
fn readings(what: &str) -> Vec<Reading<'_>> {
    let mut found = Vec::new();
    for (at, _) in what.match_indices(":latest") {
        let (label, rest) = (&what[..at], &what[at + 1..]);
        let (latest, path) = match rest.split_once(':') {
            Some((latest, path)) => (latest, Some(path)),
            None => (rest, None),
        };
        if steps(latest).is_some() && path.is_none_or(|path| path.starts_with('/')) {
            found.push(Reading { label, latest, path });
        }
    }
    found
}

/// Whether `given` is this name, as it is or as lists print it.
fn is_name(given: &str, name: &str) -> bool {
    given == name || (given.contains('\\') && unescape(given) == name.as_bytes())
}

/// A name as lists print it, back to its bytes: `\xNN` is a byte and `\\` a backslash.
pub(super) fn unescape(name: &str) -> Vec<u8> {
    let bytes = name.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let hex = |i: usize| rest.get(i).and_then(|c| char::from(*c).to_digit(16));
        if rest.starts_with(b"\\\\") {
            out.push(b'\\');
            at += 2;
        } else if rest.starts_with(b"\\x")
            && let (Some(high), Some(low)) = (hex(2), hex(3))
        {
            out.push((high << 4 | low) as u8);
            at += 4;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests;
