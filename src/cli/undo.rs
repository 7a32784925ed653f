//! `esker undo`: take back the last `esker restore --swap`.

use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, show};
use crate::restore::{self, swap};
use serde::Serialize;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Take back the last `esker restore --swap` of a directory
///
/// TARGET and the newest TARGET.before-restore-TIME beside it are exchanged in one step. What had
/// been restored is kept as TARGET.undone-restore-TIME. No repository is needed.
#[derive(clap::Args)]
pub struct Args {
    /// The directory that was restored
    #[arg(value_name = "TARGET")]
    target: PathBuf,
}

#[derive(Serialize)]
struct Shown {
    target: String,
    kept_as: String,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let done = swap::undo(&args.target).map_err(restore::Error::from)?;
    if global.json {
        let path = |path: &Path| show::json_name(path.as_os_str().as_bytes());
        show::json(&Shown { target: path(&done.target), kept_as: path(&done.kept_as) })?;
    } else if !global.quiet {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{} is what it was before", done.target.display())?;
        if done.kept_as != done.target {
            writeln!(out, "what had been restored is {}", done.kept_as.display())?;
        }
    }
    Ok(Exit::Ok)
}
