//! `esker cat`: write a file of a snapshot to standard output.

use crate::cli::choose::Choose;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Global, Outcome, place, show, signals};
use crate::repository::Selected;
use crate::restore::{Source, StreamError};
use esker_format::node::{Fidelity, Node, NodeKind};
use esker_format::page::Entry;

/// Write a file or a stream of a snapshot to standard output
///
/// What is damaged ends it with an error and the exit code 4, what could not be read when it was saved with the
/// exit code 3: what was written until then is right, and not all. `esker restore` gives back the rest too.
#[derive(clap::Args)]
pub struct Args {
    /// The file
    #[arg(value_name = "SNAPSHOT:PATH")]
    what: String,
    #[command(flatten)]
    choose: Choose,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let repository = place::open_to_read(global)?;
    let Selected { snapshot, entry, .. } = args.choose.select(global, &repository, &args.what)?;
    let entry = with_content(entry)?;
    let (name, node) = (show::name(&entry.key.path()), &entry.node);
    let threads = super::cores();
    let source = Source {
        from: &*repository,
        scope: snapshot.scope,
        name: &name,
        node,
        threads,
        unread: None,
    };
    // Whoever reads decides how large its pieces are; a lock and a buffer for lines are in the way.
    let stdout = std::io::stdout();
    let mut out = std::fs::File::from(std::os::fd::AsFd::as_fd(&stdout).try_clone_to_owned()?);
    match source.write(&mut out, signals::stop()) {
        Ok(_) => Ok(Exit::Ok),
        Err(StreamError::Output(error)) => Err(error.into()),
        Err(error @ StreamError::Unread(_)) => Err(Failure::Unread(error.to_string())),
        Err(StreamError::Repository(error)) => {
            warn(&name, node);
            Err(error.into())
        }
    }
}

/// What is named, if it has content.
///
/// # Errors
/// When nothing is named, or something without.
pub fn with_content(entry: Option<Entry>) -> Result<Entry, Failure> {
    let Some(entry) = entry else {
        let hint = "SNAPSHOT:PATH names a file".to_owned();
        return Err(Failure::Usage("no file is named".to_owned(), Some(hint)));
    };
    if !entry.node.has_content() {
        let path = show::name(&entry.key.path());
        let what =
            if entry.node.kind == NodeKind::Directory { "a directory" } else { "no regular file" };
        return Err(Failure::usage(format!("{path} is {what}")));
    }
    Ok(entry)
}

/// Says that a file was not whole when it was saved.
fn warn(name: &str, node: &Node) {
    if matches!(node.fidelity, Some(Fidelity::Damaged | Fidelity::Unreadable)) {
        show::warning(&format!("{name} could not be read whole when it was saved"));
    }
}
