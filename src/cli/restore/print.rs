//! What `esker restore` prints.

use crate::cli::show;
use crate::cli::show::kind_word;
use crate::restore::{Action, Change, Notes, Problem, Report, What};
use esker_format::node::NodeKind;
use serde::Serialize;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

#[derive(Serialize)]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<&'static str>,
    snapshot: String,
    target: String,
    dry_run: bool,
    entries: u64,
    files: u64,
    bytes: u64,
    added: u64,
    changed: u64,
    unchanged: u64,
    kept: u64,
    deleted: u64,
    fetched_bytes: u64,
    verified: Option<u64>,
    kept_as: Option<String>,
    problems_total: usize,
    problems: Vec<(String, String)>,
    damaged_total: usize,
    damaged: Vec<(String, String)>,
    notes: ShownNotes,
}

#[derive(Serialize)]
struct ShownNotes {
    owners: u64,
    set_ids: u64,
    xattrs: u64,
}

#[derive(Serialize)]
struct Row {
    row: &'static str,
    what: Option<&'static str>,
    kind: Option<&'static str>,
    path: String,
}

/// What a run is about.
pub struct About<'a> {
    pub snapshot: String,
    pub target: &'a Path,
    pub dry_run: bool,
}

/// One row of a dry run; a closed output is noticed at the end.
pub fn row(change: &Change<'_>, json: bool) {
    let (word, what) = words(change.action);
    if json {
        let kind = change.kind.map(kind_word);
        let row = Row { row: word, what, kind, path: show::json_name(change.path) };
        let _ = show::json(&row);
        return;
    }
    let slash = if change.kind == Some(NodeKind::Directory) { "/" } else { "" };
    let what = what.map_or_else(String::new, |what| format!(" ({what})"));
    let _ = writeln!(std::io::stdout().lock(), "{word} {}{slash}{what}", show::name(change.path));
}

const fn words(action: Action) -> (&'static str, Option<&'static str>) {
    match action {
        Action::Add => ("add", None),
        Action::Delete => ("delete", None),
        Action::Change(What::Kind) => ("change", Some("kind")),
        Action::Change(What::Content) => ("change", Some("content")),
        Action::Change(What::Metadata) => ("change", Some("metadata")),
        Action::Change(What::Links) => ("change", Some("links")),
    }
}

/// What came of it, for people.
pub fn text(report: &Report, about: &About<'_>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let Notes { owners, set_ids, xattrs } = report.notes;
    let entries = |n| show::count(n, "entry", "entries");
    if owners > 0 {
        writeln!(out, "without their owners, which only root can give back: {}", entries(owners))?;
    }
    if set_ids > 0 {
        let bits = "without set-user-id and set-group-id bits, as the owner changed";
        writeln!(out, "{bits}: {}", entries(set_ids))?;
    }
    if xattrs > 0 {
        let attributes = show::count(xattrs, "extended attribute", "extended attributes");
        writeln!(out, "left out, as only root can set them: {attributes}")?;
    }
    let things = |n: &[Problem]| show::count(n.len() as u64, "thing", "things");
    if !report.problems.is_empty() {
        writeln!(out, "partial: {} not as it was saved", things(&report.problems))?;
    }
    if !report.damaged.is_empty() {
        writeln!(
            out,
            "damaged: {} that the repository has lost, or that differ on disk",
            things(&report.damaged)
        )?;
    }
    let target = about.target.display();
    let counts = &report.counts;
    if about.dry_run {
        return writeln!(
            out,
            "would add {}, change {}, delete {}; {} unchanged, {} kept in {target}",
            counts.added, counts.changed, counts.deleted, counts.unchanged, counts.kept
        );
    }
    if counts.added < report.entries || counts.kept > 0 || counts.deleted > 0 {
        writeln!(
            out,
            "added {}, changed {}, unchanged {}, kept {}, deleted {}; {} of content read from the repository",
            counts.added,
            counts.changed,
            counts.unchanged,
            counts.kept,
            counts.deleted,
            show::size(counts.fetched)
        )?;
    }
    if let Some(files) = report.verified {
        writeln!(out, "read again from disk: {}", show::count(files, "file", "files"))?;
    }
    writeln!(
        out,
        "restored {}, {} of {} into {target}",
        entries(report.entries),
        show::count(report.files, "file", "files"),
        show::size(report.bytes),
    )?;
    if let Some(kept) = &report.kept_as {
        writeln!(out, "what was there before is {}", kept.display())?;
        writeln!(out, "take it back with: esker undo {target}")?;
    }
    Ok(())
}

/// The same as JSON.
pub fn json(report: &Report, about: &About<'_>) -> std::io::Result<()> {
    let list = |problems: &[Problem]| {
        problems.iter().map(|p| (show::json_name(&p.path), p.message.clone())).collect()
    };
    let path = |path: &Path| show::json_name(path.as_os_str().as_bytes());
    let Notes { owners, set_ids, xattrs } = report.notes;
    let counts = &report.counts;
    show::json(&Shown {
        row: about.dry_run.then_some("summary"),
        snapshot: about.snapshot.clone(),
        target: path(about.target),
        dry_run: about.dry_run,
        entries: report.entries,
        files: report.files,
        bytes: report.bytes,
        added: counts.added,
        changed: counts.changed,
        unchanged: counts.unchanged,
        kept: counts.kept,
        deleted: counts.deleted,
        fetched_bytes: counts.fetched,
        verified: report.verified,
        kept_as: report.kept_as.as_deref().map(path),
        problems_total: report.problems.len(),
        problems: list(&report.problems),
        damaged_total: report.damaged.len(),
        damaged: list(&report.damaged),
        notes: ShownNotes { owners, set_ids, xattrs },
    })
}
