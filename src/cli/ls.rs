//! `esker ls`: list what is in a snapshot.

use crate::cli::choose::Choose;
use crate::cli::disk::{ShownGeometry, how_it_was_read, lines};
use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, place, show};
use crate::disk::Geometry;
use crate::repository::{Bounds, Chunks, Found, Map, Selected, xattrs};
use esker_format::image::{DISK, Disk, decode};
use esker_format::node::{Node, NodeKind, Xattr};
use esker_format::page::Entry;
use serde::Serialize;
use std::io::Write;

/// List the entries of a snapshot, or below a path in it
#[derive(clap::Args)]
pub struct Args {
    /// SNAPSHOT or SNAPSHOT:PATH
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    what: String,
    #[command(flatten)]
    choose: Choose,
}

/// Memory for frames of pages.
const BUDGET: usize = 8 << 20;

#[derive(Serialize)]
struct Row {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    kind: &'static str,
    mode: u32,
    uid: u32,
    gid: u32,
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_hex: Option<String>,
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_hex: Option<String>,
    mtime: String,
    size: Option<u64>,
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_hex: Option<String>,
    device: Option<(u32, u32)>,
    links: Option<String>,
    fidelity: &'static str,
    xattrs: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<ShownGeometry>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let repository = place::open_to_read(global)?;
    let selected = args.choose.select(global, &repository, &args.what)?;
    let Selected { snapshot, manifest, key, entry, .. } = selected;
    let mut chunks = Chunks::new(&repository, snapshot.scope, BUDGET)?;
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
            Found::Entry(entry) => {
                writeln!(out, "{}", line(&entry))?;
                if entry.node.kind == NodeKind::Image {
                    let attributes = xattrs(&mut chunks, &entry.node)?;
                    let found = disk(&entry.node, &attributes);
                    if let Some((geometry, disk)) = found {
                        for line in lines(&geometry).into_iter().chain(how_it_was_read(&disk)) {
                            writeln!(out, "    {line}")?;
                        }
                    }
                }
            }
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

/// What was on the disk that an image is of, and all that is said of it.
fn disk(node: &Node, xattrs: &[Xattr]) -> Option<(Geometry, Disk)> {
    let (_, value) = xattrs.iter().find(|(name, _)| name == DISK)?;
    let disk = decode(value).ok()?;
    Some((Geometry::of_record(&disk, node.len()), disk))
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
        show::bits(*kind, *mode),
        name(user, uid),
        name(group, gid),
        show::local(*mtime),
        show::name(&entry.key.path()),
    );
    if let Some(target) = target {
        text.push_str(&format!(" -> {}", show::name(target)));
    }
    if let Some(fidelity) = fidelity {
        text.push_str(&format!("  [{}]", show::fidelity_word(Some(*fidelity))));
    }
    text
}

fn row(entry: &Entry, xattrs: &[Xattr]) -> Row {
    let node = &entry.node;
    let path = entry.key.path();
    let name = |n: &Option<Vec<u8>>| n.as_ref().map(|n| show::json_name(n));
    let hex = |n: &Option<Vec<u8>>| n.as_ref().and_then(|n| show::json_hex(n));
    Row {
        path: show::json_name(&path),
        path_hex: show::json_hex(&path),
        kind: show::kind_word(node.kind),
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
        user: name(&node.user),
        user_hex: hex(&node.user),
        group: name(&node.group),
        group_hex: hex(&node.group),
        mtime: show::utc(node.mtime),
        size: node.size,
        target: name(&node.target),
        target_hex: hex(&node.target),
        device: node.device,
        links: node.links.map(|l| l.to_string()),
        fidelity: show::fidelity_word(node.fidelity),
        image: disk(node, xattrs).map(|(g, disk)| ShownGeometry::of(&g).with(disk)),
        xattrs: xattrs.iter().map(|(n, v)| (show::json_name(n), show::hex(v))).collect(),
    }
}
