//! `esker tag`: change the tags of snapshots.

use crate::cli::exit::Failure;
use crate::cli::named::Named;
use crate::cli::{Global, Outcome};
use crate::repository::Tags;
use esker_format::limits::TEXT_MAX;

/// Change the tags of snapshots
///
/// Tags choose snapshots (--tag) and keep them (`esker forget --keep-tag`). The log keeps who changed
/// them and when.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    named: Named,
    /// Add this tag; can be given several times
    #[arg(long, value_name = "TEXT")]
    add: Vec<String>,
    /// Take this tag away; can be given several times
    #[arg(long, value_name = "TEXT")]
    remove: Vec<String>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let tags = Tags { add: args.add.clone(), remove: args.remove.clone() };
    if tags.add.is_empty() && tags.remove.is_empty() {
        let hint = Some("give --add TEXT, --remove TEXT, or both".to_owned());
        return Err(Failure::Usage("nothing says which tags change".to_owned(), hint));
    }
    check(&tags)?;
    args.named.change(global, ("changed", "is like that already"), |repository, ids| {
        repository.tag(ids, &tags)
    })
}

/// Fails unless a snapshot can have these tags.
fn check(tags: &Tags) -> Result<(), Failure> {
    if tags.add.iter().any(String::is_empty) {
        return Err(Failure::usage("a tag cannot be empty"));
    }
    if let Some(tag) = tags.add.iter().find(|tag| tags.remove.contains(tag)) {
        return Err(Failure::usage(format!("the tag {tag} is both added and removed")));
    }
    if tags.add.iter().chain(&tags.remove).any(|tag| tag.len() > TEXT_MAX) {
        return Err(Failure::usage(format!("a tag has {TEXT_MAX} bytes at most")));
    }
    Ok(())
}
