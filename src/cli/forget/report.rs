//! What stays and what goes, as tables and as JSON.

use crate::cli::choose::by;
use crate::cli::show;
use crate::repository::retention::{Outcome, Series};
use crate::repository::{Repository, Snapshot, shorten};
use esker_format::ids::SnapshotId;
use serde::Serialize;
use std::io::{self, Write};

/// A snapshot, and what becomes of it.
pub type Planned = (Snapshot, Outcome);

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Row<'r> {
    Snapshot {
        id: String,
        sequence: u64,
        series: String,
        writer: Option<String>,
        writer_name: Option<&'r str>,
        host: &'r str,
        label: &'r str,
        tags: &'r [String],
        start: String,
        complete: bool,
        ahead: bool,
        stays: bool,
        reasons: Vec<String>,
    },
    Unlisted {
        id: String,
        stays: bool,
    },
    Summary {
        dry_run: bool,
        stay: u64,
        go: u64,
        forgotten: u64,
    },
}

/// The snapshots series by series, in the order in which they began.
fn series(planned: &[Planned]) -> Vec<Vec<&Planned>> {
    let mut all: Vec<(Series, Vec<&Planned>)> = Vec::new();
    for one in planned {
        let id = one.0.series();
        match all.iter_mut().find(|(series, _)| *series == id) {
            Some((_, list)) => list.push(one),
            None => all.push((id, vec![one])),
        }
    }
    all.into_iter().map(|(_, list)| list).collect()
}

/// Tells each snapshot in a table of its series.
pub fn print(repository: &Repository, planned: &[Planned]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for list in series(planned) {
        let last = &list[list.len() - 1].0;
        let newest = &last.summary;
        let go = list.iter().filter(|(_, outcome)| !outcome.stays()).count();
        writeln!(
            out,
            "{}, host {}{}: {go} of {}",
            show::name(newest.label.as_bytes()),
            show::name(newest.host.as_bytes()),
            by(repository, last),
            match list.len() {
                1 => "1 snapshot goes".to_owned(),
                n => format!("{n} snapshots go"),
            }
        )?;
        for (snapshot, outcome) in list {
            let what = match (outcome.stays(), snapshot.summary.problems) {
                (true, 0) => "stays   ",
                (false, 0) => "goes    ",
                (true, _) => "stays  P",
                (false, _) => "goes   P",
            };
            let reasons = reasons(outcome).join(", ");
            let id = shorten(&snapshot.id);
            let time = show::local(snapshot.summary.start);
            writeln!(out, "{}", format!("  {id}  {time:19}  {what}  {reasons}").trim_end())?;
        }
    }
    out.flush()
}

/// Tells each snapshot in a row; those that no list of this key has by their ids.
pub fn print_json(
    repository: &Repository,
    planned: &[Planned],
    unlisted: &[SnapshotId],
) -> io::Result<()> {
    for (snapshot, outcome) in planned {
        let s = &snapshot.summary;
        show::json(&Row::Snapshot {
            id: snapshot.id.to_string(),
            sequence: snapshot.seq.0,
            series: s.series.to_string(),
            writer: snapshot.writer.map(|writer| writer.to_string()),
            writer_name: repository.writer_of(snapshot).map(|w| w.entry.name.as_str()),
            host: &s.host,
            label: &s.label,
            tags: &s.tags,
            start: show::utc(s.start),
            complete: s.problems == 0,
            ahead: outcome.is_ahead,
            stays: outcome.stays(),
            reasons: outcome.reasons.iter().map(ToString::to_string).collect(),
        })?;
    }
    unlisted
        .iter()
        .try_for_each(|id| show::json(&Row::Unlisted { id: id.to_string(), stays: false }))
}

/// Tells the sum of it: of how many snapshots how many go.
pub fn print_summary(
    planned: &[Planned],
    going: usize,
    dry_run: bool,
    forgotten: usize,
) -> io::Result<()> {
    let stay = planned.iter().filter(|(_, outcome)| outcome.stays()).count() as u64;
    show::json(&Row::Summary { dry_run, stay, go: going as u64, forgotten: forgotten as u64 })
}

/// Reasons, safe for a terminal: tags are anybody's words.
fn reasons(outcome: &Outcome) -> Vec<String> {
    outcome.reasons.iter().map(|reason| show::name(reason.to_string().as_bytes())).collect()
}
