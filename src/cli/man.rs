//! `esker man`: manual pages, from the same definitions as --help.

use crate::cli::exit::Exit;
use crate::cli::{Outcome, definitions};
use crate::repository::Error;
use std::io::Write;
use std::path::PathBuf;

/// Print the manual page, or write one for each command into FOLDER
///
/// Then `man -l FOLDER/esker-restore.1` shows the page of `esker restore`.
#[derive(clap::Args)]
pub struct Args {
    /// Made when it is not there; pages in it are replaced
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub fn run(args: &Args) -> Outcome {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(definitions()).render(&mut page)?;
        std::io::stdout().lock().write_all(&page)?;
        return Ok(Exit::Ok);
    };
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(definitions(), folder));
    written.map_err(|source| Error::Io {
        action: "write manual pages into",
        path: folder.display().to_string(),
        source,
    })?;
    Ok(Exit::Ok)
}
