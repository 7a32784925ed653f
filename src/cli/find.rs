//! `esker find`: in which snapshots a file is, and in which versions.

use crate::cli::choose::Choose;
use crate::cli::exit::Exit;
use crate::cli::pattern::Patterns;
use crate::cli::{Global, Outcome, place, show};
use crate::repository::{Chunks, Search, Sighting, Snapshot, Version, shorten};
use esker_format::node::{Node, NodeKind, Time};
use esker_format::page::Entry;
use esker_format::path::MapKey;
use serde::Serialize;
use std::io::Write;

/// Find files in all snapshots, with their versions
///
/// Patterns are those of `snapshot --exclude`: without a slash they are compared with names, with one
/// with whole paths, at any depth unless they begin with a slash; with one at the end, only with
/// directories. * and ? stand for anything but a slash, ** for directories, [ab] for one of those.
///
/// Each path is shown with its versions, series by series: snapshots that follow each other and
/// have the same file are put together.
#[derive(clap::Args)]
pub struct Args {
    /// What to look for; one of them must match
    #[arg(required = true, value_name = "PATTERN")]
    patterns: Vec<String>,
    /// Take capital and small letters for the same
    #[arg(long, short = 'i')]
    ignore_case: bool,
    /// Only entries of this kind; given several times, of any of them
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<Kind>,
    /// Only versions modified after this
    #[arg(long, value_name = "TIME", value_parser = show::parse_time)]
    newer: Option<Time>,
    /// Only versions modified before this
    #[arg(long, value_name = "TIME", value_parser = show::parse_time)]
    older: Option<Time>,
    /// Only versions of files with more bytes: 4096, 10M
    #[arg(long, value_name = "SIZE", value_parser = show::parse_size)]
    larger: Option<u64>,
    /// Only versions of files with fewer bytes
    #[arg(long, value_name = "SIZE", value_parser = show::parse_size)]
    smaller: Option<u64>,
    #[command(flatten)]
    choose: Choose,
}

#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    Symlink,
    Other,
}

/// Memory for frames of pages: those of many snapshots are read in turn.
const BUDGET: usize = 32 << 20;

#[derive(Serialize)]
struct Row<'r> {
    path: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    #[serde(flatten)]
    looks: show::Looks,
    fidelity: &'static str,
    host: &'r str,
    label: &'r str,
    snapshots: u64,
    first: String,
    first_start: String,
    last: String,
    last_start: String,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let patterns = Patterns::new(&args.patterns, args.ignore_case)?;
    let repository = place::open_to_read(global)?;
    let snapshots = args.choose.snapshots(&repository)?;
    let wanted = |entry: &Entry| args.lets(&entry.node) && patterns.match_entry(entry);
    let mut search = Search::new(&repository, &snapshots, patterns.bounds(), wanted)?;
    let mut exit = Exit::Ok;
    for (number, error) in &search.unreadable {
        let id = shorten(&snapshots[*number].id);
        show::warning(&format!("snapshot {id} cannot be searched: {}", place::describe(error)));
        exit = Exit::Damage;
    }
    let is_one_series = snapshots.windows(2).all(|pair| {
        let names = |s: &Snapshot| (s.summary.host.clone(), s.summary.label.clone());
        names(&pair[0]) == names(&pair[1])
    });
    let mut chunks = Chunks::of_all(&repository, BUDGET)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut found = false;
    while let Some(sighting) = search.next(&mut chunks)? {
        match sighting {
            Sighting::Path(key, versions) if global.json => {
                found = true;
                let path = show::json_name(&key.path());
                for version in &versions {
                    serde_json::to_writer(&mut out, &row(&key, &path, version, &snapshots))
                        .map_err(std::io::Error::from)?;
                    out.write_all(b"\n")?;
                }
            }
            Sighting::Path(key, versions) => {
                found = true;
                writeln!(out, "{}", show::name(&key.path()))?;
                for version in &versions {
                    writeln!(out, "  {}", line(version, &snapshots, is_one_series))?;
                }
            }
            Sighting::Lost { first, entries, snapshots: numbers, error } => {
                out.flush()?;
                let losers: Vec<String> =
                    numbers.iter().map(|n| shorten(&snapshots[*n].id)).collect();
                show::warning(&format!(
                    "{entries} entries from {} on are lost in {}: {}",
                    show::name(&first.path()),
                    few(&losers),
                    place::describe(&error)
                ));
                exit = Exit::Damage;
            }
        }
    }
    out.flush()?;
    if !found && !global.quiet {
        let searched = show::count(snapshots.len() as u64, "snapshot", "snapshots");
        show::note(&format!("nothing like that in {searched}"));
    }
    Ok(exit)
}

impl Args {
    /// Whether an entry is of the kind, age and size that are asked for.
    fn lets(&self, node: &Node) -> bool {
        let kind = match node.kind {
            NodeKind::Directory => Kind::Directory,
            NodeKind::Symlink => Kind::Symlink,
            _ if node.has_content() => Kind::File,
            _ => Kind::Other,
        };
        let size = |is_right: &dyn Fn(u64) -> bool| node.size.is_some_and(is_right);
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && self.newer.is_none_or(|time| node.mtime > time)
            && self.older.is_none_or(|time| node.mtime < time)
            && self.larger.is_none_or(|limit| size(&|size| size > limit))
            && self.smaller.is_none_or(|limit| size(&|size| size < limit))
    }
}

/// What a version is, how many snapshots have it, the first and the last of them.
fn line(version: &Version, snapshots: &[Snapshot], is_one_series: bool) -> String {
    let Version { node, first, last, snapshots: count } = version;
    let what = match (&node.target, node.size) {
        (Some(target), _) => format!("-> {}", show::name(target)),
        (None, Some(size)) => show::size(size),
        (None, None) => show::kind_word(node.kind).to_owned(),
    };
    let one = |number: usize| {
        let snapshot = &snapshots[number];
        format!("{} ({})", show::local(snapshot.summary.start), shorten(&snapshot.id))
    };
    let when = if first == last {
        format!("in 1 snapshot, {}", one(*first))
    } else {
        format!("in {count} snapshots, {} to {}", one(*first), one(*last))
    };
    let mode = show::bits(node.kind, node.mode);
    let mut text = format!("{mode} {what:>12}  {}  {when}", show::local(node.mtime));
    if let Some(fidelity) = node.fidelity {
        text.push_str(&format!("  [{}]", show::fidelity_word(Some(fidelity))));
    }
    if !is_one_series {
        let s = &snapshots[*first].summary;
        let (host, label) = (show::name(s.host.as_bytes()), show::name(s.label.as_bytes()));
        text.push_str(&format!("  {host}: {label}"));
    }
    text
}

fn row<'r>(key: &MapKey, path: &'r str, version: &Version, snapshots: &'r [Snapshot]) -> Row<'r> {
    let node = &version.node;
    let (first, last) = (&snapshots[version.first], &snapshots[version.last]);
    Row {
        path,
        path_hex: show::json_hex(&key.path()),
        looks: show::Looks::of(node),
        fidelity: show::fidelity_word(node.fidelity),
        host: &first.summary.host,
        label: &first.summary.label,
        snapshots: version.snapshots,
        first: first.id.to_string(),
        first_start: show::utc(first.summary.start),
        last: last.id.to_string(),
        last_start: show::utc(last.summary.start),
    }
}

/// The first few of a list.
fn few(list: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = list.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match list.len() {
        0..=SHOWN => format!("snapshot {shown}"),
        n => format!("snapshot {shown} and {} more", n - SHOWN),
    }
}
