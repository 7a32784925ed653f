//! Options that choose snapshots, the same for all commands that take one.

use crate::cli::exit::Failure;
use crate::cli::{Global, show};
use crate::repository::{Choice, Filter, Repository, Selected, Snapshot, look_into, shorten};
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
    pub fn filter(&self) -> Filter {
        let Self { labels, hosts, tags, at } = self;
        Filter { labels: labels.clone(), hosts: hosts.clone(), tags: tags.clone(), at: *at }
    }

    /// The snapshots that are left, oldest first.
    ///
    /// # Errors
    /// When a summary is damaged.
    pub fn snapshots(&self, repository: &Repository) -> Result<Vec<Snapshot>, Failure> {
        Ok(repository.snapshots_with(&self.filter())?)
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
        let choice = repository.choose(what, &self.filter())?;
        if choice.of_several && !global.quiet {
            show::note(&format!(
                "note: latest of several series, taken: {}",
                describe(&choice.snapshot)
            ));
        }
        Ok(choice)
    }

    /// The same, with the entry at the path.
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

/// A snapshot in one line: label, host, time, id.
pub fn describe(snapshot: &Snapshot) -> String {
    let s = &snapshot.summary;
    format!(
        "label {}, host {}, {}, {}",
        show::name(s.label.as_bytes()),
        show::name(s.host.as_bytes()),
        show::local(s.start),
        shorten(&snapshot.id)
    )
}
