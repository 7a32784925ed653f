//! `esker tag`: change the tags of snapshots.

use crate::cli::choose::{self, Choose};
use crate::cli::exit::Failure;
use crate::cli::{Global, Outcome, place};
use crate::repository::Tags;
use esker_format::ids::SnapshotId;
use esker_format::limits::TEXT_MAX;

/// Change the tags of snapshots
///
/// Tags choose snapshots (--tag) and keep them (`esker forget --keep-tag`). The log keeps who changed
/// them and when.
#[derive(clap::Args)]
pub struct Args {
    /// Snapshots to change
    #[arg(required = true, value_name = "SNAPSHOT")]
    what: Vec<String>,
    /// Add this tag; can be given several times
    #[arg(long, value_name = "TEXT", required_unless_present = "remove")]
    add: Vec<String>,
    /// Take this tag away; can be given several times
    #[arg(long, value_name = "TEXT")]
    remove: Vec<String>,
    #[command(flatten)]
    choose: Choose,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let tags = Tags { add: args.add.clone(), remove: args.remove.clone() };
    check(&tags)?;
    let mut repository = place::open(global)?;
    let picked = args.choose.pick_all(&repository, &args.what)?;
    let ids: Vec<SnapshotId> = picked.iter().map(|snapshot| snapshot.id).collect();
    let changed = repository.tag(&ids, &tags)?;
    choose::tell_changed(global, &repository, &ids, &changed, ("changed", "is like that already"))
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
