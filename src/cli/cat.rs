//! `esker cat`: write a file of a snapshot to standard output.

use crate::cli::choose::Choose;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Global, Outcome, place, show};
use crate::repository::{Chunks, Error, Items, Selected};
use esker_format::content::{Content, Item};
use esker_format::frame::FrameType;
use esker_format::node::NodeKind;
use std::io::Write;

/// Write a file of a snapshot to standard output
#[derive(clap::Args)]
pub struct Args {
    /// The file
    #[arg(value_name = "SNAPSHOT:PATH")]
    what: String,
    #[command(flatten)]
    choose: Choose,
}

/// Memory for frames: a file's chunks follow each other.
const BUDGET: usize = 16 << 20;

pub fn run(global: &Global, args: &Args) -> Outcome {
    let repository = place::open_to_read(global)?;
    let Selected { snapshot, entry, .. } = args.choose.select(global, &repository, &args.what)?;
    let Some(entry) = entry else {
        let hint = "SNAPSHOT:PATH names a file".to_owned();
        return Err(Failure::Usage("no file is named".to_owned(), Some(hint)));
    };
    let path = show::name(&entry.key.path());
    if !entry.node.has_content() {
        let what =
            if entry.node.kind == NodeKind::Directory { "a directory" } else { "no regular file" };
        return Err(Failure::usage(format!("{path} is {what}")));
    }
    let mut out = std::io::stdout().lock();
    let mut chunks = Chunks::new(&repository, snapshot.scope, BUDGET)?;
    let Some(content) = &entry.node.content else { return Ok(Exit::Ok) };
    if let Content::Inline(bytes) = content {
        out.write_all(bytes)?;
    }
    let mut items = Items::new(content);
    while let Some((item, error)) = items.next(&mut chunks)? {
        // A stream with a hole in it would look whole to whoever reads it.
        if let Some(error) = error {
            return Err(error.into());
        }
        match item {
            Item::Data(id, len) => out.write_all(chunks.get(&id, len, FrameType::Data)?)?,
            Item::Hole(len) | Item::Zero(len) => zeros(&mut out, len)?,
            Item::Lost(len) => {
                let source = esker_format::FormatError::Malformed {
                    what: "file",
                    why: "bytes that could not be read when it was saved",
                };
                show::warning(&format!("{path}: {len} bytes could not be read when it was saved"));
                return Err(Error::Damaged { object: path, source }.into());
            }
        }
    }
    out.flush()?;
    Ok(Exit::Ok)
}

fn zeros(out: &mut impl Write, mut len: u64) -> std::io::Result<()> {
    let zero = [0; 64 << 10];
    while len > 0 {
        let n = len.min(zero.len() as u64) as usize;
        out.write_all(&zero[..n])?;
        len -= n as u64;
    }
    Ok(())
}
