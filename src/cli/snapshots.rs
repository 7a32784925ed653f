//! `esker snapshots`: list what was saved.

use crate::cli::choose::Choose;
use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, place, show};
use crate::repository::shorten;
use serde::Serialize;
use std::io::Write;

/// List snapshots, oldest first
#[derive(clap::Args)]
pub struct Args {
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
    host: &'a str,
    label: &'a str,
    tags: &'a [String],
    paths: Vec<String>,
    start: String,
    end: String,
    complete: bool,
    problems: u64,
    files: u64,
    directories: u64,
    others: u64,
    bytes: u64,
    added_bytes: u64,
    stored_bytes: u64,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let repository = place::open(global)?;
    let all = args.choose.snapshots(&repository)?;
    for (id, error) in repository.without_summary() {
        let why = place::describe(&error);
        show::warning(&format!("snapshot {} cannot be listed: {why}", shorten(&id)));
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
                host: &s.host,
                label: &s.label,
                tags: &s.tags,
                paths: s.paths.iter().map(|p| show::json_name(p)).collect(),
                start: show::utc(s.start),
                end: show::utc(s.end),
                complete: s.problems == 0,
                problems: s.problems,
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
        let mut remarks = show::name(s.label.as_bytes());
        for tag in &s.tags {
            remarks.push_str(&format!(" [{}]", show::name(tag.as_bytes())));
        }
        if let Some(name) = repository.name_of_other(snapshot.writer) {
            remarks.push_str(&format!("  by {}", show::name(name.as_bytes())));
        }
        if s.problems > 0 {
            remarks.push_str(&format!(
                "  PARTIAL ({})",
                show::count(s.problems, "problem", "problems")
            ));
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
        show::note(if repository.snapshots()?.is_empty() {
            "no snapshots yet; `esker snapshot PATH` makes one"
        } else {
            "no snapshot is like that; `esker snapshots` alone lists all"
        });
    }
    Ok(Exit::Ok)
}
