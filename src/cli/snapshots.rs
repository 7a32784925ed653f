//! `esker snapshots`: list what was saved.

use crate::cli::choose::Choose;
use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, place, show};
use crate::repository::{Error, Filter, Repository, Snapshot, shorten};
use serde::Serialize;
use std::io::Write;

/// List snapshots, oldest first
///
/// Those that are forgotten are left out. Marks: PARTIAL, not all could be saved; HELD, no forget
/// takes it; DAMAGED, something of it was found lost; FORGOTTEN, it can be collected.
#[derive(clap::Args)]
pub struct Args {
    /// Also those that are forgotten and not yet collected
    #[arg(long)]
    forgotten: bool,
    #[command(flatten)]
    choose: Choose,
}

#[derive(Serialize)]
struct Row<'a> {
    id: String,
    sequence: u64,
    series: String,
    scope: u32,
    writer: Option<String>,
    writer_name: Option<&'a str>,
    host: &'a str,
    label: &'a str,
    tags: &'a [String],
    paths: Vec<String>,
    start: String,
    end: String,
    complete: bool,
    problems: u64,
    forgotten: bool,
    held: bool,
    damaged: bool,
    files: u64,
    directories: u64,
    others: u64,
    bytes: u64,
    added_bytes: u64,
    stored_bytes: u64,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let repository = place::open(global)?;
    let filter = Filter { forgotten: args.forgotten, ..args.choose.filter(&repository)? };
    let all = repository.snapshots_with(&filter)?;
    for one in repository.unlisted().iter().filter(|one| args.forgotten || !one.is_forgotten) {
        let (id, why) = (shorten(&one.id), place::describe(&one.error));
        show::warning(&format!(
            "snapshot {id} cannot be listed: {why}; nothing but its id names it, as in \
             `esker forget {id}`"
        ));
    }
    if global.json {
        for snapshot in &all {
            let s = &snapshot.summary;
            show::json(&Row {
                id: snapshot.id.to_string(),
                sequence: snapshot.seq.0,
                series: s.series.to_string(),
                scope: snapshot.scope,
                writer: snapshot.writer.map(|writer| writer.to_string()),
                writer_name: repository.writer_of(snapshot).map(|w| w.entry.name.as_str()),
                host: &s.host,
                label: &s.label,
                tags: &s.tags,
                paths: s.paths.iter().map(|p| show::json_name(p)).collect(),
                start: show::utc(s.start),
                end: show::utc(s.end),
                complete: s.problems == 0,
                problems: s.problems,
                forgotten: snapshot.is_forgotten,
                held: snapshot.is_held,
                damaged: snapshot.is_damaged,
                files: s.counts.files,
                directories: s.counts.directories,
                others: s.counts.others,
                bytes: s.counts.bytes,
                added_bytes: s.counts.added,
                stored_bytes: s.counts.stored,
            })?;
        }
        return Ok(Exit::Ok);
    }
    let mut out = std::io::stdout().lock();
    if !global.quiet && !all.is_empty() {
        writeln!(
            out,
            "{:16}  {:19}  {:>9}  {:>10}  {:>10}  {:12}  label",
            "id", "time", "files", "size", "stored", "host"
        )?;
    }
    for snapshot in &all {
        let s = &snapshot.summary;
        let mut remarks = remarks(snapshot);
        let other = Some(snapshot).filter(|s| s.writer != Some(repository.access().writer));
        if let Some(writer) = other.and_then(|snapshot| repository.writer_of(snapshot)) {
            let revoked = if writer.revoked { " (revoked)" } else { "" };
            remarks
                .push_str(&format!("  by {}{revoked}", show::name(writer.entry.name.as_bytes())));
        }
        writeln!(
            out,
            "{}  {:19}  {:>9}  {:>10}  {:>10}  {:12}  {remarks}",
            shorten(&snapshot.id),
            show::local(s.start),
            s.counts.files,
            show::size(s.counts.bytes),
            show::size(s.counts.stored),
            show::name(s.host.as_bytes()),
        )?;
    }
    if all.is_empty() && !global.quiet {
        show::note(&why_none(&repository)?);
    }
    Ok(Exit::Ok)
}

/// Why the list is empty.
fn why_none(repository: &Repository) -> Result<String, Error> {
    let (there, others) = (repository.snapshots()?, repository.count_elsewhere());
    let is_whole = !repository.warnings().iter().any(Error::is_damage);
    let all_forgotten = there.iter().all(|snapshot| snapshot.is_forgotten);
    let why = match there.is_empty() {
        true if !is_whole => {
            "no snapshots, as far as the log could be read; `esker check` says what is damaged"
        }
        true if others > 0 => {
            let others = show::count(others, "snapshot", "snapshots");
            return Ok(format!("no snapshot is of this key's scope; other scopes have {others}"));
        }
        true => "no snapshots yet; `esker snapshot PATH` makes one",
        false if all_forgotten => {
            "all snapshots are forgotten; `esker snapshots --forgotten` lists them"
        }
        false => "no snapshot is like that; `esker snapshots` alone lists all",
    };
    Ok(why.to_owned())
}

/// Label, tags and marks.
fn remarks(snapshot: &Snapshot) -> String {
    let s = &snapshot.summary;
    let mut text = show::name(s.label.as_bytes());
    for tag in &s.tags {
        text.push_str(&format!(" [{}]", show::name(tag.as_bytes())));
    }
    if s.problems > 0 {
        let problems = show::count(s.problems, "problem", "problems");
        text.push_str(&format!("  PARTIAL ({problems})"));
    }
    let marks = [
        (snapshot.is_held, "HELD"),
        (snapshot.is_damaged, "DAMAGED"),
        (snapshot.is_forgotten, "FORGOTTEN"),
    ];
    for (_, mark) in marks.iter().filter(|(is_so, _)| *is_so) {
        text.push_str("  ");
        text.push_str(mark);
    }
    text
}
