//! `esker import`: a tar archive as a snapshot.

use crate::cli::exit::{Exit, Failure};
use crate::cli::path_list::is_stdin;
use crate::cli::snapshot::{Making, told};
use crate::cli::{Global, Outcome, place, signals};
use crate::pipeline::{self, Progress};
use crate::repository::Error;
use crate::source::{Archive, Feed};
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Save what is in a tar archive as one snapshot
///
/// The archive may be compressed with gzip or zstd; its name does not matter. Its entries stand below /
/// of the snapshot. Everything is refused when a name leads out of the archive, something lies below
/// what is no directory, the root is none, or the archive is cut off; and when it is one of GNU tar with sparse
/// files (`--sparse`) or of the kind that `--listed-incremental` makes. The list of entries is held in memory.
#[derive(clap::Args)]
pub struct Args {
    /// The archive; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    making: Making,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let (path, input) = open(global, &args.file)?;
    let places = place::places(global)?;
    let mut repository = place::open_at(global, &places)?;
    signals::watch();
    let request = args.making.request();
    let feeds: Vec<Box<dyn Feed>> = vec![Box::new(Archive::new(path, input))];
    let progress = Progress::default();
    let stop = signals::stop();
    let report = pipeline::snapshot_of(&mut repository, &request, feeds, &progress, None, stop)?;
    repository.tell();
    told(global, &repository, &report, args.making.dry_run)?;
    Ok(if report.summary.problems > 0 { Exit::Partial } else { Exit::Ok })
}

/// The archive, and how it is called.
fn open(global: &Global, file: &Path) -> Result<(Vec<u8>, Box<dyn Read + Send>), Failure> {
    if is_stdin(file) {
        let stdin = std::io::stdin();
        if stdin.is_terminal() || global.recovery_key {
            let message =
                "standard input cannot be the archive: it is a terminal, or the recovery key";
            let hint = "name a file, or pipe the archive into it";
            return Err(Failure::Usage(message.to_owned(), Some(hint.to_owned())));
        }
        return Ok((b"/stdin".to_vec(), Box::new(stdin)));
    }
    let failed = |source| Error::Io { action: "read", path: file.display().to_string(), source };
    let path = file.canonicalize().map_err(failed)?;
    let input = File::open(&path).map_err(failed)?;
    if input.metadata().map_err(failed)?.is_dir() {
        let hint = "save a directory with `esker snapshot`".to_owned();
        let message = format!("{} is a directory, and no archive", file.display());
        return Err(Failure::Usage(message, Some(hint)));
    }
    Ok((path.as_os_str().as_bytes().to_vec(), Box::new(input)))
}
