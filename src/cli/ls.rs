//! `esker ls`: list what is in a snapshot.

use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, place, show};
use crate::repository::{Bounds, Chunks, Found, Map, Selected, select, xattrs};
use esker_format::node::{Fidelity, Node, NodeKind, Xattr};
use esker_format::page::Entry;
use serde::Serialize;
use std::io::Write;

/// List the entries of a snapshot, or below a path in it
#[derive(clap::Args)]
pub struct Args {
    /// SNAPSHOT or SNAPSHOT:PATH
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    what: String,
}

/// Memory for frames of pages.
const BUDGET: usize = 8 << 20;

#[derive(Serialize)]
struct Row {
    path: String,
    kind: &'static str,
    mode: u32,
    uid: u32,
    gid: u32,
    user: Option<String>,
    group: Option<String>,
    mtime: String,
    size: Option<u64>,
    target: Option<String>,
    device: Option<(u32, u32)>,
    links: Option<String>,
    fidelity: &'static str,
    xattrs: Vec<(String, String)>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let repository = place::open(global)?;
    let Selected { manifest, key, entry, .. } = select(&repository, &args.what)?;
    let mut chunks = Chunks::new(&repository, BUDGET)?;
    let bounds = match (&key, &entry) {
        (Some(key), Some(e)) if e.node.kind == NodeKind::Directory => Bounds::Below(key.clone()),
        (Some(key), _) => Bounds::One(key.clone()),
        (None, _) => Bounds::All,
    };
    let root = manifest.root.as_ref().map(|r| (r, manifest.root_level as u8));
    let mut map = Map::new(root, bounds);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut exit = Exit::Ok;
    while let Some(found) = map.next(&mut chunks)? {
        match found {
            Found::Entry(entry) if global.json => {
                let attributes = xattrs(&mut chunks, &entry.node)?;
                serde_json::to_writer(&mut out, &row(&entry, &attributes))
                    .map_err(std::io::Error::from)?;
                out.write_all(b"\n")?;
            }
            Found::Entry(entry) => writeln!(out, "{}", line(&entry))?,
            Found::Lost { first, entries, error } => {
                out.flush()?;
                let path = show::name(&first.path());
                show::warning(&format!(
                    "{entries} entries from {path} on are lost: {}",
                    place::describe(&error)
                ));
                exit = Exit::Damage;
            }
        }
    }
    out.flush()?;
    Ok(exit)
}

/// A line as `ls -l` has it.
fn line(entry: &Entry) -> String {
    let Node { kind, mode, uid, gid, user, group, mtime, target, device, fidelity, .. } =
        &entry.node;
    let name = |name: &Option<Vec<u8>>, number: &u32| {
        name.as_ref().map_or_else(|| number.to_string(), |n| show::name(n))
    };
    let size = match device {
        Some((major, minor)) => format!("{major}, {minor}"),
        None => entry.node.len().to_string(),
    };
    let mut text = format!(
        "{} {:8} {:8} {size:>12} {} {}",
        bits(*kind, *mode),
        name(user, uid),
        name(group, gid),
        show::local(*mtime),
        show::name(&entry.key.path()),
    );
    if let Some(target) = target {
        text.push_str(&format!(" -> {}", show::name(target)));
    }
    if let Some(fidelity) = fidelity {
        text.push_str(&format!("  [{}]", fidelity_word(Some(*fidelity))));
    }
    text
}

fn bits(kind: NodeKind, mode: u32) -> String {
    let mut text = String::with_capacity(10);
    text.push(match kind {
        NodeKind::Directory => 'd',
        NodeKind::File | NodeKind::Stream | NodeKind::Image => '-',
        NodeKind::Symlink => 'l',
        NodeKind::Fifo => 'p',
        NodeKind::Socket => 's',
        NodeKind::BlockDevice => 'b',
        NodeKind::CharDevice => 'c',
    });
    for (shift, special, with, without) in
        [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

fn row(entry: &Entry, xattrs: &[Xattr]) -> Row {
    let node = &entry.node;
    let name = |n: &Option<Vec<u8>>| n.as_ref().map(|n| show::json_name(n));
    Row {
        path: show::json_name(&entry.key.path()),
        kind: kind_word(node.kind),
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
        user: name(&node.user),
        group: name(&node.group),
        mtime: show::utc(node.mtime),
        size: node.size,
        target: name(&node.target),
        device: node.device,
        links: node.links.map(|l| l.to_string()),
        fidelity: fidelity_word(node.fidelity),
        xattrs: xattrs.iter().map(|(n, v)| (show::json_name(n), hex(v))).collect(),
    }
}

/// What a kind is called in JSON.
pub const fn kind_word(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Directory => "directory",
        NodeKind::File => "file",
        NodeKind::Symlink => "symlink",
        NodeKind::Fifo => "fifo",
        NodeKind::Socket => "socket",
        NodeKind::BlockDevice => "block-device",
        NodeKind::CharDevice => "char-device",
        NodeKind::Stream => "stream",
        NodeKind::Image => "image",
    }
}

const fn fidelity_word(fidelity: Option<Fidelity>) -> &'static str {
    match fidelity {
        None => "complete",
        Some(Fidelity::Changed) => "changed",
        Some(Fidelity::Damaged) => "damaged",
        Some(Fidelity::Grew) => "grew",
        Some(Fidelity::Unreadable) => "unreadable",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
