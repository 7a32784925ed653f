//! `esker stats`: how much there is, and what a snapshot costs.

use crate::cli::choose::{Choose, describe};
use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, place, show};
use crate::repository::{Exclusive, Repository, Snapshot, Totals, exclusive, retention, totals};
use serde::Serialize;
use std::collections::HashMap;
use std::io::Write;

/// Show how much there is, and what a snapshot costs
///
/// Counts packs and chunks of the whole repository from log and index, and the snapshots of each
/// series. With --exclusive, says what forgetting one snapshot alone would free: what no other
/// snapshot refers to. That is exact, and reads each page of the maps of all snapshots once. It
/// needs memory for that: some 50 bytes for each chunk that can be the snapshot's own, and for each
/// page.
#[derive(clap::Args)]
pub struct Args {
    /// Say what forgetting this snapshot alone would free
    #[arg(long, value_name = "SNAPSHOT")]
    exclusive: Option<String>,
    #[command(flatten)]
    choose: Choose,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Row {
    Series {
        series: String,
        host: String,
        label: String,
        snapshots: u64,
        newest: String,
        newest_start: String,
        newest_bytes: u64,
        added_bytes: u64,
        stored_bytes: u64,
    },
    Summary {
        snapshots: u64,
        packs: u64,
        pack_bytes: u64,
        frames: u64,
        chunks: u64,
        chunk_bytes: u64,
        pages: u64,
        page_bytes: u64,
        unknown_packs: u64,
        unknown_bytes: u64,
        given_up_packs: u64,
        given_up_bytes: u64,
    },
    Exclusive {
        snapshot: String,
        chunks: u64,
        chunk_bytes: u64,
        pages: u64,
        page_bytes: u64,
        stored_bytes: u64,
        whole_packs: u64,
        whole_bytes: u64,
        partly_packs: u64,
        exact: bool,
    },
}

/// The snapshots of a series, put together.
struct Series<'s> {
    newest: &'s Snapshot,
    snapshots: u64,
    added: u64,
    stored: u64,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let repository = place::open(global)?;
    if let Some(what) = &args.exclusive {
        // A path would be passed over, and the answer not be what was asked for.
        let choice = args.choose.pick(global, &repository, what)?;
        if choice.path.is_some() {
            return Err(crate::cli::exit::Failure::usage("--exclusive is about a whole snapshot"));
        }
        let found = exclusive(&repository, choice.snapshot.id)?;
        return tell_exclusive(global, &repository, &choice.snapshot, &found);
    }
    let snapshots = args.choose.snapshots(&repository)?;
    let (series, totals) = (series(&snapshots), totals(&repository)?);
    if global.json {
        for one in &series {
            show::json(&series_row(one))?;
        }
        show::json(&summary_row(snapshots.len() as u64, &totals))?;
    } else {
        print(global, &series, snapshots.len() as u64, &totals)?;
        tell_given_up(&totals)?;
        tell_unknown(&totals, repository.access().reading().is_ok())?;
    }
    Ok(Exit::Ok)
}

/// The series in the order of their first snapshots.
fn series(snapshots: &[Snapshot]) -> Vec<Series<'_>> {
    let mut all: Vec<Series<'_>> = Vec::new();
    let mut places: HashMap<retention::Series, usize> = HashMap::new();
    for snapshot in snapshots {
        let s = &snapshot.summary;
        let at = *places.entry(snapshot.series()).or_insert(all.len());
        if at == all.len() {
            all.push(Series { newest: snapshot, snapshots: 0, added: 0, stored: 0 });
        }
        let one = &mut all[at];
        one.newest = snapshot;
        one.snapshots += 1;
        one.added = one.added.saturating_add(s.counts.added);
        one.stored = one.stored.saturating_add(s.counts.stored);
    }
    all
}

fn print(
    global: &Global,
    series: &[Series<'_>],
    snapshots: u64,
    totals: &Totals,
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if !global.quiet && !series.is_empty() {
        writeln!(
            out,
            "{:>9}  {:19}  {:>10}  {:>10}  {:>10}  {:12}  label",
            "snapshots", "newest", "its size", "added", "stored", "host"
        )?;
    }
    for one in series {
        let s = &one.newest.summary;
        writeln!(
            out,
            "{:>9}  {:19}  {:>10}  {:>10}  {:>10}  {:12}  {}",
            one.snapshots,
            show::local(s.start),
            show::size(s.counts.bytes),
            show::size(one.added),
            show::size(one.stored),
            show::name(s.host.as_bytes()),
            show::name(s.label.as_bytes()),
        )?;
    }
    let t = totals;
    writeln!(
        out,
        "{}; in the repository: {}, {}",
        show::count(snapshots, "snapshot", "snapshots"),
        show::count(t.packs, "pack", "packs"),
        show::size(t.pack_bytes)
    )?;
    writeln!(
        out,
        "they hold {}, {}, and {}, {}{}",
        show::count(t.chunks, "chunk", "chunks"),
        show::size(t.chunk_bytes),
        show::count(t.pages, "page", "pages"),
        show::size(t.page_bytes),
        ratio(t)
    )?;
    Ok(())
}

/// Says what takes space that nobody has any use for.
fn tell_given_up(totals: &Totals) -> std::io::Result<()> {
    if totals.given_up_packs == 0 {
        return Ok(());
    }
    let packs = show::count(totals.given_up_packs, "pack", "packs");
    let size = show::size(totals.given_up_bytes);
    writeln!(
        std::io::stdout(),
        "given up and still there: {packs}, {size}; `esker gc` removes what it may"
    )
}

/// Says what was not looked into: a writer's index has its own scope alone.
fn tell_unknown(totals: &Totals, is_owner: bool) -> std::io::Result<()> {
    if totals.unknown_packs == 0 {
        return Ok(());
    }
    let packs = show::count(totals.unknown_packs, "pack", "packs");
    let size = show::size(totals.unknown_bytes);
    let whose = match is_owner {
        true => "that the index does not know",
        false => "of other scopes than this key's, or that the index does not know",
    };
    writeln!(std::io::stdout(), "not counted: what is in {packs}, {size}, {whose}")
}

/// What compression gives.
fn ratio(totals: &Totals) -> String {
    let plain = (totals.chunk_bytes + totals.page_bytes) as f64;
    let stored = totals.pack_bytes - totals.unknown_bytes;
    if stored == 0 { String::new() } else { format!(" ({:.2} : 1)", plain / stored as f64) }
}

fn tell_exclusive(
    global: &Global,
    repository: &Repository,
    snapshot: &Snapshot,
    found: &Exclusive,
) -> Outcome {
    for error in &found.lost {
        let why = place::describe(error);
        show::warning(&format!("something that snapshots share may be counted: {why}"));
    }
    let (e, exit) = (found, if found.lost.is_empty() { Exit::Ok } else { Exit::Damage });
    if global.json {
        show::json(&Row::Exclusive {
            snapshot: snapshot.id.to_string(),
            chunks: e.chunks,
            chunk_bytes: e.chunk_bytes,
            pages: e.pages,
            page_bytes: e.page_bytes,
            stored_bytes: e.stored,
            whole_packs: e.whole_packs,
            whole_bytes: e.whole_bytes,
            partly_packs: e.partly_packs,
            exact: e.lost.is_empty(),
        })?;
    } else {
        let mut out = std::io::stdout().lock();
        if !global.quiet {
            writeln!(out, "only this snapshot needs ({}):", describe(repository, snapshot))?;
        }
        if e.chunks + e.pages == 0 {
            writeln!(out, "  nothing: all of it is in other snapshots too")?;
            return Ok(exit);
        }
        writeln!(
            out,
            "  {}, {}, and {}, {}",
            show::count(e.chunks, "chunk", "chunks"),
            show::size(e.chunk_bytes),
            show::count(e.pages, "page", "pages"),
            show::size(e.page_bytes)
        )?;
        writeln!(
            out,
            "  about {} as stored: {} with nothing else in them, {}, and parts of {}",
            show::size(e.stored),
            show::count(e.whole_packs, "pack", "packs"),
            show::size(e.whole_bytes),
            show::count(e.partly_packs, "other", "others"),
        )?;
    }
    Ok(exit)
}

fn series_row(one: &Series<'_>) -> Row {
    let s = &one.newest.summary;
    Row::Series {
        series: s.series.to_string(),
        host: s.host.clone(),
        label: s.label.clone(),
        snapshots: one.snapshots,
        newest: one.newest.id.to_string(),
        newest_start: show::utc(s.start),
        newest_bytes: s.counts.bytes,
        added_bytes: one.added,
        stored_bytes: one.stored,
    }
}

const fn summary_row(snapshots: u64, t: &Totals) -> Row {
    Row::Summary {
        snapshots,
        packs: t.packs,
        pack_bytes: t.pack_bytes,
        frames: t.frames,
        chunks: t.chunks,
        chunk_bytes: t.chunk_bytes,
        pages: t.pages,
        page_bytes: t.page_bytes,
        unknown_packs: t.unknown_packs,
        unknown_bytes: t.unknown_bytes,
        given_up_packs: t.given_up_packs,
        given_up_bytes: t.given_up_bytes,
    }
}
