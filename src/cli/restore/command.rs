//! `esker restore ... --to-command`: a file or stream goes to the standard input of a command.

use super::Args;
use crate::cli::cat::with_content;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Global, Outcome, place, show, signals};
use crate::restore::{FeedError, Source, feed};
use serde::Serialize;
use std::ffi::OsString;

#[derive(Serialize)]
struct Shown {
    snapshot: String,
    path: String,
    command: String,
    bytes: u64,
}

pub fn run(global: &Global, args: &Args, program: &OsString) -> Outcome {
    let places = place::places(global)?;
    let repository = place::open_at(global, &places)?;
    repository.access().reading()?;
    signals::watch();
    let selected = args.choose.select(global, &repository, &args.what)?;
    let entry = with_content(selected.entry)?;
    let (name, node) = (show::name(&entry.key.path()), &entry.node);
    let (scope, threads) = (selected.snapshot.scope, crate::cli::threads(args.threads));
    let source = Source { from: &*repository, scope, name: &name, node, threads, unread: None };
    let words: Vec<OsString> = std::iter::once(program).chain(&args.words).cloned().collect();
    let bytes = feed(&source, &words, signals::stop()).map_err(failure)?;
    let command = program.to_string_lossy().into_owned();
    if global.json {
        let snapshot = selected.snapshot.id.to_string();
        let path = show::json_name(&entry.key.path());
        show::json(&Shown { snapshot, path, command, bytes })?;
    } else if !global.quiet {
        // Standard output belongs to the command.
        show::note(&format!("gave {name}, {}, to {command}", show::size(bytes)));
    }
    Ok(Exit::Ok)
}

fn failure(error: FeedError) -> Failure {
    match error {
        // The repository is to blame, and its exit code says so.
        FeedError::Cut(name, cause) => {
            show::warning(&format!("{name} was ended before it had read everything"));
            (*cause).into()
        }
        FeedError::Unread(why) => {
            show::warning("the command was ended before it had read everything");
            Failure::Unread(why)
        }
        error @ FeedError::NotRun(..) => Failure::usage(error.to_string()),
        error => {
            let hint = "what it did with its input may be there in part".to_owned();
            Failure::Usage(error.to_string(), Some(hint))
        }
    }
}
