//! `esker export`: a snapshot as an archive.

use crate::cli::choose::Choose;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Global, Outcome, place, show, signals};
use crate::repository::{Error, Repository, Selected};
use crate::restore::{Export, Exported, StreamError, Zstd};
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Write a snapshot, or a part of it, as a tar or zip archive
///
/// Names in it are those of the snapshot without the leading /; with SNAPSHOT:PATH those below PATH.
/// Owners, modes, times to the nanosecond, hard links, extended attributes and devices are in it (with
/// pax headers); holes become zeros. Sockets and files that could not be read at all when they were saved are left
/// out, and where a part could not be read there are zeros: each is named, and the exit code is 3. Should
/// something be damaged, the archive has no end, and the exit code is 4.
///
/// ACLs are among the extended attributes. GNU tar gives these back with
/// `tar --xattrs --xattrs-include='*' -xpf FILE`, and none without; bsdtar with `bsdtar -xpf FILE`.
///
/// A zip is for whoever has no tar: names, modes, owners, times in seconds, symbolic links and content are
/// in it, but no ACLs and other attributes. A file with several names is in it several times. Devices and pipes
/// are left out and named as sockets are. Names that are not UTF-8, or have : or \ in them, are in it as they are,
/// and programs differ in what they make of them.
#[derive(clap::Args)]
pub struct Args {
    /// SNAPSHOT or SNAPSHOT:PATH
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    what: String,
    /// Form of the archive
    #[arg(long, value_enum, default_value_t = Form::Tar)]
    format: Form,
    /// Write to FILE, which must not be there, instead of standard output
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    choose: Choose,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A plain archive
    #[value(name = "tar")]
    Tar,
    /// Compressed with zstd
    #[value(name = "tar.zst")]
    TarZst,
    /// For other systems
    #[value(name = "zip")]
    Zip,
}

#[derive(Serialize)]
struct Shown {
    snapshot: String,
    output: Option<String>,
    entries: u64,
    bytes: u64,
    problems: Vec<(String, String)>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let stdout = std::io::stdout();
    if args.output.is_none() && stdout.is_terminal() {
        let hint = "send it into a file or a pipe, or name one with --output".to_owned();
        return Err(Failure::Usage("an archive is nothing for a terminal".to_owned(), Some(hint)));
    }
    let repository = place::open_to_read(global)?;
    signals::watch();
    let selected = args.choose.select(global, &repository, &args.what)?;
    let exported = match &args.output {
        None => {
            let out = File::from(stdout.as_fd().try_clone_to_owned()?);
            write(&repository, &selected, args.format, out)
        }
        Some(path) => {
            let exported = write(&repository, &selected, args.format, create(path)?);
            if exported.is_err() {
                // Half of an archive is of no use.
                let _ = std::fs::remove_file(path);
            }
            exported
        }
    };
    let exported = exported.map_err(|error| match error {
        StreamError::Repository(error) => Failure::from(error),
        error @ StreamError::Unread(_) => Failure::Unread(error.to_string()),
        StreamError::Output(error) => Failure::from(error),
    })?;
    tell(global, args, &selected, &exported)
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create_new(path).map_err(|source| {
        let path = path.display().to_string();
        if source.kind() == ErrorKind::AlreadyExists {
            let hint = "name another file, or remove it first".to_owned();
            return Failure::Usage(format!("{path} is there already"), Some(hint));
        }
        Error::Io { action: "make", path, source }.into()
    })
}

fn write(
    repository: &Repository,
    selected: &Selected,
    format: Form,
    out: File,
) -> Result<Exported, StreamError> {
    let threads = super::cores();
    let export = Export { from: repository, selected, threads };
    let mut out = BufWriter::with_capacity(1 << 20, out);
    match format {
        Form::Tar => {
            let exported = export.tar(&mut out, signals::stop())?;
            out.flush()?;
            Ok(exported)
        }
        Form::Zip => {
            let exported = export.zip(&mut out, signals::stop())?;
            out.flush()?;
            Ok(exported)
        }
        Form::TarZst => {
            let mut packed = Zstd::new(out)?;
            let exported = export.tar(&mut packed, signals::stop())?;
            packed.finish()?.flush()?;
            Ok(exported)
        }
    }
}

fn tell(global: &Global, args: &Args, selected: &Selected, exported: &Exported) -> Outcome {
    let Exported { entries, bytes, problems } = exported;
    for (path, why) in problems {
        show::warning(&format!("{} {why}", show::name(path)));
    }
    let exit = if problems.is_empty() { Exit::Ok } else { Exit::Partial };
    // Standard output is the archive, unless that goes into a file.
    let Some(output) = &args.output else { return Ok(exit) };
    if global.json {
        show::json(&Shown {
            snapshot: selected.snapshot.id.to_string(),
            output: Some(output.display().to_string()),
            entries: *entries,
            bytes: *bytes,
            problems: problems.iter().map(|(p, why)| (show::json_name(p), why.clone())).collect(),
        })?;
    } else if !global.quiet {
        let count = show::count(*entries, "entry", "entries");
        let text = format!("exported {count}, {}, into {}", show::size(*bytes), output.display());
        writeln!(std::io::stdout(), "{text}")?;
    }
    Ok(exit)
}
