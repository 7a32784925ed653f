//! `esker check`: prove that everything is there.

use crate::cli::exit::Exit;
use crate::cli::progress::{Bar, Status};
use crate::cli::{Global, Outcome, place, show, signals};
use crate::repository::check::{Finding, Progress, Report, Request, check};
use crate::repository::shorten;
use serde::Serialize;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Prove that everything is there
///
/// Checks log, index, presence and length of all packs, and that all snapshots refer to is there.
/// With --read-data it also reads every pack and checks every chunk against its id. What is damaged
/// is named, with the snapshots and paths that lose by it; then the exit code is 4, as it is when the log
/// is not the one that this machine has seen before.
#[derive(clap::Args)]
pub struct Args {
    /// Read and check all data
    #[arg(long)]
    read_data: bool,
    /// Threads that read; one for each core when not given
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Row {
    History {
        message: String,
    },
    Object {
        name: String,
        message: String,
    },
    Path {
        snapshot: String,
        path: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        path_hex: Option<String>,
        message: String,
    },
    Snapshot {
        snapshot: String,
        message: String,
    },
    Whole {
        snapshot: String,
    },
    Void {
        sequence: u64,
        writer: Option<String>,
        message: String,
    },
    Leftover {
        name: String,
        message: String,
    },
    Index {
        name: String,
        message: String,
    },
    NotUnderstood {
        sequence: u64,
        message: String,
    },
    Summary {
        sound: bool,
        findings: usize,
        entries: u64,
        segments: u64,
        packs: u64,
        snapshots: u64,
        chunks: u64,
        bytes: u64,
    },
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let mut repository = place::open_to_check(global)?;
    signals::watch();
    let request = Request { read_data: args.read_data, threads: super::threads(args.threads) };
    let progress = Arc::new(Progress::default());
    let report = {
        let watched = Arc::clone(&progress);
        let _bar = Bar::follow(global, move || Status {
            entries: watched.entries.load(Ordering::Relaxed),
            bytes: watched.bytes.load(Ordering::Relaxed),
            of_bytes: watched.of_bytes.load(Ordering::Relaxed),
            of_is_final: true,
        });
        check(&mut repository, request, &progress, signals::stop())?
    };
    if global.json {
        report.findings.iter().map(row).try_for_each(|row| show::json(&row))?;
        show::json(&summary(&report))?;
    } else {
        print(global, &report, request.read_data)?;
    }
    Ok(if is_damaged(&report) { Exit::Damage } else { Exit::Ok })
}

fn print(global: &Global, report: &Report, read_data: bool) -> std::io::Result<()> {
    for finding in &report.findings {
        match finding {
            Finding::History { message } => {
                show::error(&format!("the log was rolled back or changed: {message}"));
            }
            Finding::Object { name, message } => show::error(&format!("{name} {message}")),
            Finding::Path { snapshot, path, message } => {
                show::error(&format!(
                    "snapshot {}: {} {message}",
                    shorten(snapshot),
                    show::name(path)
                ));
            }
            Finding::Snapshot { snapshot, message } => {
                show::error(&format!("snapshot {} cannot be read: {message}", shorten(snapshot)));
            }
            Finding::Whole { snapshot } => show::note(&format!(
                "snapshot {} is marked as damaged, and has all that it needs",
                shorten(snapshot)
            )),
            Finding::Void { sequence, writer, rule } => {
                let by = writer.as_ref().map_or_else(String::new, |name| {
                    format!(", by {},", show::name(name.as_bytes()))
                });
                show::warning(&format!(
                    "log entry {sequence}{by} is void and changes nothing: {rule}"
                ));
            }
            Finding::Leftover { name, message } => show::note(&format!("{name} {message}")),
            Finding::Index { pack, message } => {
                show::warning(&format!("the index of this machine and {pack}: {message}"));
            }
            Finding::NotUnderstood { sequence, why } => {
                show::warning(&format!("log entry {sequence} is not understood: {why}"));
            }
        }
    }
    let mut hints: Vec<&str> = report.findings.iter().map(Finding::hint).collect();
    hints.dedup();
    let mut told = std::collections::HashSet::new();
    hints.into_iter().filter(|hint| told.insert(*hint)).for_each(show::hint);
    if global.quiet {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "checked {}, {}, {}, {}",
        show::count(report.entries, "log entry", "log entries"),
        show::count(report.segments, "segment", "segments"),
        show::count(report.packs, "pack", "packs"),
        show::count(report.snapshots, "snapshot", "snapshots"),
    )?;
    if read_data {
        let chunks = show::count(report.chunks, "chunk", "chunks");
        writeln!(out, "read {} and checked {chunks}", show::size(report.bytes))?;
    }
    if report.without_content {
        writeln!(out, "content was not looked at: that needs the owner's key")?;
    }
    match report.findings.iter().filter(|finding| finding.is_damage()).count() as u64 {
        0 => writeln!(out, "no damage found"),
        n => writeln!(out, "{}", show::count(n, "finding of damage", "findings of damage")),
    }
}

fn row(finding: &Finding) -> Row {
    match finding {
        Finding::History { message } => Row::History { message: message.clone() },
        Finding::Object { name, message } => {
            Row::Object { name: name.clone(), message: message.clone() }
        }
        Finding::Path { snapshot, path, message } => Row::Path {
            snapshot: snapshot.to_string(),
            path: show::json_name(path),
            path_hex: show::json_hex(path),
            message: message.clone(),
        },
        Finding::Snapshot { snapshot, message } => {
            Row::Snapshot { snapshot: snapshot.to_string(), message: message.clone() }
        }
        Finding::Whole { snapshot } => Row::Whole { snapshot: snapshot.to_string() },
        Finding::Void { sequence, writer, rule } => {
            Row::Void { sequence: *sequence, writer: writer.clone(), message: rule.clone() }
        }
        Finding::Leftover { name, message } => {
            Row::Leftover { name: name.clone(), message: message.clone() }
        }
        Finding::Index { pack, message } => {
            Row::Index { name: pack.clone(), message: message.clone() }
        }
        Finding::NotUnderstood { sequence, why } => {
            Row::NotUnderstood { sequence: *sequence, message: why.clone() }
        }
    }
}

fn summary(report: &Report) -> Row {
    Row::Summary {
        sound: !is_damaged(report),
        findings: report.findings.len(),
        entries: report.entries,
        segments: report.segments,
        packs: report.packs,
        snapshots: report.snapshots,
        chunks: report.chunks,
        bytes: report.bytes,
    }
}

/// Whether anything is lost.
fn is_damaged(report: &Report) -> bool {
    report.findings.iter().any(Finding::is_damage)
}
