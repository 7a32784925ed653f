//! What a snapshot says of itself.

use crate::cli::selection::Excluded;
use crate::cli::{Global, show};
use crate::pipeline::{Compared, Report};
use crate::repository::shorten;
use serde::Serialize;
use std::io::Write;

#[derive(Serialize)]
struct Told {
    path: String,
    change: &'static str,
}

#[derive(Serialize)]
struct Counts {
    files: u64,
    directories: u64,
    others: u64,
    bytes: u64,
    new: u64,
    changed: u64,
    unchanged: u64,
    removed: u64,
    added_bytes: u64,
    stored_bytes: u64,
}

#[derive(Serialize)]
struct Shown<'r> {
    snapshot: Option<String>,
    dry_run: bool,
    host: String,
    label: String,
    start: String,
    end: String,
    base: Option<String>,
    complete: bool,
    counts: Counts,
    changing: u64,
    adopted_packs: usize,
    started_over: &'r [String],
    shrunk: Vec<(String, u64, u64)>,
    problems_total: u64,
    problems: Vec<(String, String)>,
    left_out: Vec<(String, &'static str)>,
    excluded: Excluded,
    unmatched: Vec<String>,
}

/// For people. Whoever cannot read what was saved is told who can.
///
/// # Errors
/// When standard output is closed.
pub fn text(
    report: &Report,
    excluded: &Excluded,
    global: &Global,
    is_dry: bool,
    can_read: bool,
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let c = &report.summary.counts;
    for (path, what) in &report.left_out {
        writeln!(out, "left out: {} ({what})", show::name(path))?;
    }
    if let Some(line) = excluded.line() {
        writeln!(out, "{line}")?;
    }
    writeln!(
        out,
        "{}, {}, {} other, {}",
        show::count(c.files, "file", "files"),
        show::count(c.directories, "directory", "directories"),
        c.others,
        show::size(c.bytes)
    )?;
    writeln!(
        out,
        "new {}, changed {}, unchanged {}, gone {}",
        c.new, c.changed, c.unchanged, c.removed
    )?;
    writeln!(out, "added {} ({} stored)", show::size(c.added), show::size(c.stored))?;
    if report.summary.problems > 0 {
        let things = show::count(report.summary.problems, "thing", "things");
        writeln!(out, "partial: {things} could not be saved whole")?;
    }
    if report.changing > 0 {
        let files = show::count(report.changing, "file", "files");
        writeln!(out, "changed while they were read, as they may: {files}")?;
    }
    for why in &report.started_over {
        writeln!(out, "started over: {why}")?;
    }
    if report.adopted > 0 {
        let packs = show::count(report.adopted as u64, "pack", "packs");
        let whose = match report.started_over.is_empty() {
            true => "of a run that did not end",
            false => "that were uploaded before",
        };
        writeln!(out, "took over {packs} {whose}")?;
    }
    let Some(id) = report.snapshot.as_ref().map(shorten) else {
        let why = if is_dry { "dry run: nothing was written" } else { "unchanged: no snapshot" };
        writeln!(out, "{why}")?;
        return Ok(());
    };
    writeln!(out, "snapshot {id}")?;
    if !can_read {
        writeln!(out, "restore it with the owner's key: esker restore {id} TARGET")?;
        return Ok(());
    }
    let option = |name: &str, path: &Option<std::path::PathBuf>| match path {
        Some(path) => format!("--{name} {} ", quoted(&path.display().to_string())),
        None => String::new(),
    };
    let (repo, key) = (option("repo", &global.repo), option("key-file", &global.key_file));
    writeln!(out, "restore it with: esker {repo}{key}restore {id} TARGET")?;
    Ok(())
}

/// A word as a shell takes it: the options of an address mean something to shells.
fn quoted(word: &str) -> String {
    if word.contains(['?', '&', ' ', '*']) && !word.contains('\'') {
        format!("'{word}'")
    } else {
        word.to_owned()
    }
}

/// A line for one entry. Nobody who stops reading them ends a backup.
pub fn entry(path: &[u8], compared: Compared, json: bool) {
    let (sign, change) = match compared {
        Compared::New => ('+', "new"),
        Compared::Changed => ('M', "changed"),
        Compared::Same => ('.', "unchanged"),
    };
    if json {
        let _ = show::json(&Told { path: show::json_name(path), change });
    } else {
        let _ = writeln!(std::io::stdout().lock(), "{sign} {}", show::name(path));
    }
}

/// For programs.
///
/// # Errors
/// When standard output is closed.
pub fn json(
    report: &Report,
    dry_run: bool,
    excluded: Excluded,
    unmatched: Vec<String>,
) -> std::io::Result<()> {
    let s = &report.summary;
    show::json(&Shown {
        snapshot: report.snapshot.map(|id| id.to_string()),
        dry_run,
        host: s.host.clone(),
        label: s.label.clone(),
        start: show::utc(s.start),
        end: show::utc(s.end),
        base: s.base.map(|id| id.to_string()),
        complete: s.problems == 0,
        counts: Counts {
            files: s.counts.files,
            directories: s.counts.directories,
            others: s.counts.others,
            bytes: s.counts.bytes,
            new: s.counts.new,
            changed: s.counts.changed,
            unchanged: s.counts.unchanged,
            removed: s.counts.removed,
            added_bytes: s.counts.added,
            stored_bytes: s.counts.stored,
        },
        changing: report.changing,
        adopted_packs: report.adopted,
        started_over: &report.started_over,
        shrunk: report.shrunk.iter().map(|s| (show::json_name(&s.path), s.before, s.now)).collect(),
        problems_total: s.problems,
        problems: report
            .problems
            .iter()
            .map(|p| (show::json_name(&p.path), p.message.clone()))
            .collect(),
        left_out: report.left_out.iter().map(|(p, what)| (show::json_name(p), *what)).collect(),
        excluded,
        unmatched,
    })
}
