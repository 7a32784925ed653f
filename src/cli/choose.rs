//! Options that choose snapshots, the same for all commands that take one.

use crate::cli::exit::Failure;
use crate::cli::{Global, show};
use crate::repository::state::Writer;
use crate::repository::{Choice, Filter, Repository, Selected, Snapshot, look_into, shorten};
use esker_format::ids::SnapshotId;
use esker_format::limits::TEXT_MAX;
use esker_format::node::Time;

/// Which snapshots a command looks at.
#[derive(clap::Args)]
#[command(next_help_heading = "Which snapshots")]
pub struct Choose {
    /// Only of the series with this label; given several times, of any of them
    #[arg(long = "label", value_name = "TEXT")]
    labels: Vec<String>,
    /// Only of this host; given several times, of any of them
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Only those that this writer saved: its name, its id, or the beginning of that; given several
    /// times, of any of them
    #[arg(long = "writer", value_name = "WRITER")]
    writers: Vec<String>,
    /// Only with this tag; given several times, with all of them
    #[arg(long = "tag", value_name = "TEXT")]
    tags: Vec<String>,
    /// Only those that began not later than this: 2026-11-21 (its first moment), "2026-11-21
    /// 14:30[:05]" (local time), 2026-11-21T14:30:05Z, or @SECONDS
    #[arg(long, value_name = "TIME", value_parser = show::parse_time)]
    at: Option<Time>,
}

impl Choose {
    /// The filter that they make.
    ///
    /// # Errors
    /// When a writer is not known.
    pub fn filter(&self, repository: &Repository) -> Result<Filter, Failure> {
        let Self { labels, hosts, writers, tags, at } = self;
        let (labels, hosts, tags) = (labels.clone(), hosts.clone(), tags.clone());
        let mut ids = Vec::new();
        for what in writers {
            ids.extend(repository.writers_called(what)?);
        }
        Ok(Filter { labels, hosts, writers: ids, tags, at: *at, forgotten: false })
    }

    /// The snapshots that are left and not forgotten, oldest first.
    ///
    /// # Errors
    /// When a summary is damaged.
    pub fn snapshots(&self, repository: &Repository) -> Result<Vec<Snapshot>, Failure> {
        Ok(repository.snapshots_with(&self.filter(repository)?)?)
    }

    /// The snapshot that `what` names among them, and the path behind it. Where `latest` is that of
    /// several series, standard error says which one was taken.
    ///
    /// # Errors
    /// When there is no such snapshot, or more than one.
    pub fn pick(
        &self,
        global: &Global,
        repository: &Repository,
        what: &str,
    ) -> Result<Choice, Failure> {
        let choice = repository.choose(what, &self.filter(repository)?)?;
        if choice.of_several && !global.quiet {
            show::note(&format!(
                "note: latest of several series, taken: {}",
                describe(repository, &choice.snapshot)
            ));
        }
        Ok(choice)
    }

    /// The snapshots that several words name, each once. It is for what changes them: where `latest`
    /// is that of several series, or a path is named, the words are refused; and the id of one that no
    /// list of this key has is as good as any.
    ///
    /// # Errors
    /// When one of them names no snapshot, or more than one.
    pub fn pick_all(&self, repository: &Repository, whats: &[String]) -> Result<Picked, Failure> {
        let mut picked = Picked::default();
        let filter = self.filter(repository)?;
        for what in whats {
            let choice = match repository.choose(what, &filter) {
                Ok(choice) => choice,
                Err(error) => {
                    let id = repository.choose_unlisted(what).ok_or(error)?;
                    picked.unlisted.push(id);
                    continue;
                }
            };
            if choice.of_several {
                let message = format!("{what} is the latest of several series");
                let hint = match what.starts_with("latest") {
                    true => {
                        "name the series, as in LABEL:latest, or with --label, --host and --writer"
                    }
                    false => {
                        "say which series with --host and --writer, or name the snapshot by its id"
                    }
                };
                return Err(Failure::Usage(message, Some(hint.to_owned())));
            }
            if choice.path.is_some() {
                let message = format!("{what} names a path; this is about whole snapshots");
                return Err(Failure::usage(message));
            }
            if picked.listed.iter().all(|s| s.id != choice.snapshot.id) {
                picked.listed.push(choice.snapshot);
            }
        }
        picked.unlisted.sort_unstable();
        picked.unlisted.dedup();
        Ok(picked)
    }

    /// As [`Self::pick`], with the entry at the path.
    ///
    /// # Errors
    /// When there is no such snapshot or path, or more than one.
    pub fn select(
        &self,
        global: &Global,
        repository: &Repository,
        what: &str,
    ) -> Result<Selected, Failure> {
        let choice = self.pick(global, repository, what)?;
        Ok(look_into(repository, choice)?)
    }
}

/// Snapshots that were named.
#[derive(Default)]
pub struct Picked {
    /// As lists have them.
    pub listed: Vec<Snapshot>,
    /// Those whose summaries cannot be read, or not with this key.
    pub unlisted: Vec<SnapshotId>,
}

/// A snapshot in one line: label, host, time, id, and where there are several writers by whom it is.
pub fn describe(repository: &Repository, snapshot: &Snapshot) -> String {
    let s = &snapshot.summary;
    format!(
        "label {}, host {}, {}, {}{}",
        show::name(s.label.as_bytes()),
        show::name(s.host.as_bytes()),
        show::local(s.start),
        shorten(&snapshot.id),
        by(repository, snapshot)
    )
}

/// By whom a snapshot is, where there are several writers: `, by web (revoked)`.
pub fn by(repository: &Repository, snapshot: &Snapshot) -> String {
    let writer = repository.writer_of(snapshot).filter(|_| repository.state().writers.len() > 1);
    let by = |writer: &Writer| {
        let name = show::name(writer.entry.name.as_bytes());
        format!(", by {name}{}", if writer.revoked { " (revoked)" } else { "" })
    };
    writer.map(by).unwrap_or_default()
}

/// A snapshot that no list of this key has, in one line.
pub fn describe_unlisted(repository: &Repository, id: &SnapshotId) -> String {
    let found = repository.state().snapshot(*id);
    match found.filter(|found| !repository.access().has_scope(found.scope)) {
        Some(found) => {
            format!("{}, of scope {}, which is not this key's", shorten(id), found.scope)
        }
        None => format!("{}, whose summary cannot be read", shorten(id)),
    }
}

/// Reads a reason for the log.
///
/// # Errors
/// When an entry has no room for it.
pub fn parse_reason(text: &str) -> Result<String, String> {
    if text.len() > TEXT_MAX {
        return Err(format!("a reason has {TEXT_MAX} bytes at most"));
    }
    Ok(text.to_owned())
}
