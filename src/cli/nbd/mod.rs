//! `esker nbd`: a file of a snapshot as a block device.

mod door;
mod told;

use crate::browse::nbd::{Identity, Limits, Overlay, OverlayError, Server, Shown, Trouble};
use crate::browse::{Part, only, partitions};
use crate::cli::choose::Choose;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Global, Outcome, cores, place, show, signals};
use crate::repository::view::{File, Tree, View};
use crate::repository::{Selected, shorten};
use door::Door;
use esker_format::image::DiskPartition;
use esker_format::node::{Node, NodeKind};
use serde::Serialize;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use told::Told;

/// Bytes of content in memory.
const BUDGET: usize = 64 << 20;

/// Show an image, file or stream of a snapshot as a block device, over NBD
///
/// Virtual machines, `qemu-img`, `nbd-client` and others read it as a disk, without restoring it first: only what
/// they ask for is read. It can be read and not be written to; with --overlay it can, and the backup stays as it is.
///
/// Without a path, it is the only image of the snapshot, or the only file or stream. It ends on Ctrl-C or SIGTERM: connections are
/// cut then, and what was written to the overlay is made durable.
///
/// Whoever reaches the port can read all of it: on 127.0.0.1 that is every user of this machine. A --socket is
/// for you alone.
#[derive(clap::Args)]
pub struct Args {
    /// What to show
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    what: String,
    #[command(flatten)]
    door: Door,
    /// Show this partition of the image alone
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    partition: Option<u32>,
    /// Let clients write: what they write goes into this file, which is made when missing. It belongs to this
    /// very snapshot, path and partition; delete it to throw the changes away, or keep them with `qemu-img convert`
    #[arg(long, value_name = "FILE")]
    overlay: Option<PathBuf>,
    #[command(flatten)]
    choose: Choose,
}

#[derive(Serialize)]
struct Showing {
    uri: String,
    address: Option<String>,
    socket: Option<String>,
    tls: bool,
    snapshot: String,
    path: String,
    partition: Option<u32>,
    size: u64,
    overlay: Option<String>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let repository = place::open_to_read(global)?;
    let selected = args.choose.select(global, &repository, &args.what)?;
    let (key, node) = only(&repository, &selected)?.map_err(|paths| which(&paths))?;
    let path = show::name(&key.path());
    if !node.has_content() {
        return Err(without_content(&path, &node));
    }
    let Selected { snapshot, .. } = selected;
    let id = repository.access().repository;
    let view = View::new(repository, BUDGET, cores().max(2));
    let tree = Arc::new(view.tree(snapshot.id, snapshot.scope)?);
    let file = File::new(&tree, path.clone(), &node);
    let part = match args.partition {
        None => Part::whole(file),
        Some(number) => Part::of(file, &partition(&tree, &node, number)?),
    };
    let size = part.len();
    let identity = Identity {
        repository: id,
        snapshot: snapshot.id,
        partition: args.partition,
        size,
        path: key.path(),
    };
    let door = args.door.open()?;
    let open = |file: &PathBuf| Overlay::open(file, &identity).map_err(overlay_failure);
    let overlay = args.overlay.as_ref().map(open).transpose()?;
    let from = format!("{}:{path}", shorten(&snapshot.id));
    let name = |path: &PathBuf| show::name(path.as_os_str().as_encoded_bytes());
    let told = Told::new(from.clone(), args.overlay.as_ref().map(name));
    let trouble = Trouble::new(Arc::clone(&view), snapshot.id, told.observer());
    let shown = Shown::new(part, overlay, trouble);
    let showing = Showing {
        uri: door.uri.clone(),
        address: door.address.map(|address| address.to_string()),
        socket: door
            .socket
            .as_ref()
            .map(|path| show::json_name(path.as_os_str().as_encoded_bytes())),
        tls: door.is_secret(),
        snapshot: snapshot.id.to_string(),
        path: show::json_name(&key.path()),
        partition: args.partition,
        size,
        overlay: args.overlay.as_ref().map(|p| show::json_name(p.as_os_str().as_encoded_bytes())),
    };
    signals::watch();
    let server = door.server(shown, Limits::default());
    tell(global, &showing, &from)?;
    serve(&server, &told)
}

fn serve(server: &Server, told: &Told) -> Outcome {
    let is_durable = server.run(signals::stop());
    if !is_durable {
        return Err(Failure::usage("what was written last to the overlay may not be durable"));
    }
    Ok(if told.was_damage() { Exit::Damage } else { Exit::Ok })
}

/// The partition with a number.
fn partition(tree: &Tree, node: &Node, number: u32) -> Result<DiskPartition, Failure> {
    let list = partitions(tree, node)?;
    let is_whole = |part: &&DiskPartition| {
        part.number == number && part.start.saturating_add(part.len) <= node.len()
    };
    if let Some(found) = list.iter().find(is_whole) {
        return Ok(found.clone());
    }
    if list.iter().any(|part| part.number == number) {
        let message = format!("partition {number} reaches past the end of the image");
        let hint = "the disk was cut short before it was saved: show the whole image".to_owned();
        return Err(Failure::Usage(message, Some(hint)));
    }
    let numbers: Vec<String> = list.iter().map(|part| part.number.to_string()).collect();
    let hint = match numbers.is_empty() {
        true => "the snapshot knows of no partitions on it".to_owned(),
        false => format!("it has {}", numbers.join(", ")),
    };
    Err(Failure::Usage(format!("there is no partition {number} in the image"), Some(hint)))
}

/// Nothing was named, and there is nothing or more than one.
fn which(paths: &[Vec<u8>]) -> Failure {
    let paths: Vec<String> = paths.iter().map(|path| show::name(path)).collect();
    let hint = "name one as SNAPSHOT:PATH".to_owned();
    match paths.is_empty() {
        true => Failure::usage("there is nothing in it that could be shown as a device"),
        false => Failure::Usage(format!("several are in it: {}", paths.join(", ")), Some(hint)),
    }
}

fn without_content(path: &str, node: &Node) -> Failure {
    let hint = match node.kind {
        NodeKind::Symlink => "name what it points to",
        _ => "only images, files and streams have bytes that a device could show",
    };
    Failure::Usage(format!("{path} has no content"), Some(hint.to_owned()))
}

fn overlay_failure(error: OverlayError) -> Failure {
    let hint = match &error {
        OverlayError::Strange { .. } => "nothing was changed: name another file",
        OverlayError::OfAnother { .. } => {
            "name what it was made for, or another file; to give up what was written, delete it"
        }
        OverlayError::Busy { .. } => "end that server first, or name another file",
        OverlayError::Damaged { .. } => "bring it back from a copy, or delete it to begin anew",
        OverlayError::TooLarge { .. } => "leave --overlay out, or show one partition",
        OverlayError::System { source, .. } if source.kind() == ErrorKind::StorageFull => {
            "make room there, or name a file elsewhere"
        }
        OverlayError::System { .. } => return Failure::usage(error.to_string()),
    };
    Failure::Usage(error.to_string(), Some(hint.to_owned()))
}

fn tell(global: &Global, showing: &Showing, from: &str) -> Result<(), Failure> {
    if global.json {
        return Ok(show::json(showing)?);
    }
    if global.quiet {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    let part = showing.partition.map_or(String::new(), |number| format!("partition {number} of "));
    let how = match &showing.overlay {
        Some(overlay) => format!("what is written goes to {overlay}"),
        None => "read-only".to_owned(),
    };
    let (uri, size) = (&showing.uri, show::size(showing.size));
    use std::io::Write;
    writeln!(out, "showing {part}{from} ({size}, {how}) at {uri}")?;
    if showing.tls {
        // The certificates of the client are nothing that a server knows of.
        let at = place(showing).unwrap_or_default();
        writeln!(out, "look at it with: nbdinfo 'nbds://{at}/?tls-certificates=FOLDER'")?;
    } else {
        writeln!(out, "look at it with: qemu-img info '{uri}'")?;
    }
    writeln!(out, "or attach it:    {}", client(showing))?;
    writeln!(out, "Ctrl-C ends it")?;
    Ok(())
}

/// How the kernel is told of it.
fn client(showing: &Showing) -> String {
    if let Some(path) = &showing.socket {
        return format!("nbd-client -unix {} /dev/nbd0", show::word(path.as_ref()));
    }
    let at = place(showing).unwrap_or_default();
    let (host, port) = at.rsplit_once(':').unwrap_or((&at, "10809"));
    let host = host.trim_matches(['[', ']']);
    let tls = if showing.tls { "-enable-tls -cacertfile CA.pem " } else { "" };
    format!("nbd-client {tls}{host} {port} /dev/nbd0")
}

/// Host and port as clients name them: nobody can go to "all addresses".
fn place(showing: &Showing) -> Option<String> {
    let address: SocketAddr = showing.address.as_ref()?.parse().ok()?;
    Some(match address.ip().is_unspecified() {
        true => format!("HOST:{}", address.port()),
        false => address.to_string(),
    })
}
