//! What a snapshot saves, as the command line says it.

use crate::cli::exit::Failure;
use crate::cli::path_list::{self, Between, is_stdin};
use crate::cli::{Global, show};
use crate::pattern::{Line, Pattern, PatternError};
use crate::repository::Error;
use crate::source::{Marker, Reason, Select};
use serde::Serialize;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Patterns that are named of those that matched nothing.
const UNMATCHED_SHOWN: usize = 20;

/// What is saved, and what is left out.
#[derive(clap::Args)]
#[command(next_help_heading = "What is saved")]
pub struct Selection {
    /// Files and directories. One that is given twice, or lies within another, is saved once
    #[arg(
        required_unless_present_any = ["files_from", "files_from0", "stdin", "command", "images", "words"],
        value_name = "PATH",
        help_heading = None
    )]
    paths: Vec<PathBuf>,
    /// Save the paths that are the lines of FILE as well; `-` is standard input. Nothing in a line
    /// has a meaning of its own, and empty ones are passed over
    #[arg(long, value_name = "FILE")]
    files_from: Vec<PathBuf>,
    /// The same, with NUL bytes between the paths, as `find -print0` writes them
    #[arg(long, value_name = "FILE")]
    files_from0: Vec<PathBuf>,
    /// A path that is not there is no problem
    #[arg(long)]
    allow_missing: bool,
    /// Leave out what matches, in gitignore syntax: with a leading / it is an absolute path, else it
    /// matches at any depth; a trailing / is for directories, a leading ! takes back, except below a
    /// directory that is left out
    #[arg(long, short = 'e', value_name = "PATTERN")]
    exclude: Vec<OsString>,
    /// The same, whatever the case of letters
    #[arg(long, value_name = "PATTERN")]
    iexclude: Vec<OsString>,
    /// Leave out what the patterns in FILE match, one a line, # for comments. Of all patterns the last
    /// one that matches counts: those of files come first, then --exclude, then --iexclude
    #[arg(long, value_name = "FILE")]
    exclude_file: Vec<PathBuf>,
    /// Of directories with a CACHEDIR.TAG, save only that file
    #[arg(long)]
    exclude_caches: bool,
    /// Of directories that hold NAME, save only that; with HEADER only where the file begins with it
    #[arg(long, value_name = "NAME[:HEADER]")]
    exclude_if_present: Vec<OsString>,
    /// Leave out files that are larger: 4096, 10M, 1G (powers of 1024)
    #[arg(long, value_name = "SIZE", value_parser = size)]
    exclude_larger_than: Option<u64>,
    /// Files that may change while they are read, or directories with such files: they are saved as
    /// they were read and marked, and are no problem. Syntax as in --exclude
    #[arg(long, value_name = "PATTERN")]
    allow_changing: Vec<OsString>,
    /// Stay on the file system of each PATH; directories where others are mounted are saved empty
    #[arg(long, short = 'x')]
    one_file_system: bool,
}

/// How much was left out, for JSON.
#[derive(Serialize, Default)]
pub struct Excluded {
    patterns: u64,
    caches: u64,
    marked: u64,
    larger: u64,
    file_systems: u64,
}

impl Selection {
    /// Whether a path that is not there is no problem.
    pub const fn allows_missing(&self) -> bool {
        self.allow_missing
    }

    /// Whether any file or directory is named.
    pub fn names_any(&self) -> bool {
        !self.paths.is_empty() || !self.files_from.is_empty() || !self.files_from0.is_empty()
    }

    /// Everything that was asked for, and these.
    ///
    /// # Errors
    /// When a list cannot be read, or standard input is asked for twice.
    pub fn paths(&self, global: &Global, more: &[OsString]) -> Result<Vec<PathBuf>, Failure> {
        let lists = self.files_from.iter().chain(&self.files_from0);
        let from_stdin = lists.filter(|list| is_stdin(list)).count();
        if from_stdin > 1 {
            return Err(Failure::usage("standard input can be only one list of paths"));
        }
        if from_stdin > 0 && global.recovery_key {
            let message = "standard input cannot be a list of paths and the recovery key";
            return Err(Failure::Usage(
                message.to_owned(),
                Some("put the list into a file".into()),
            ));
        }
        let mut paths = self.paths.clone();
        paths.extend(more.iter().map(PathBuf::from));
        for list in &self.files_from {
            paths.extend(path_list::read(list, Between::Lines)?);
        }
        for list in &self.files_from0 {
            paths.extend(path_list::read(list, Between::Nuls)?);
        }
        if paths.is_empty() && !self.allow_missing {
            return Err(Failure::usage("no path to save: the list is empty"));
        }
        Ok(paths)
    }

    /// What is left out of it.
    ///
    /// # Errors
    /// When a pattern or a name means nothing, or a file of patterns cannot be read.
    pub fn select(&self) -> Result<Select, Failure> {
        let mut select = Select::default();
        for file in &self.exclude_file {
            let bytes = std::fs::read(file).map_err(|source| {
                let path = file.display().to_string();
                Error::Io { action: "read", path, source }
            })?;
            select.add_patterns(file, &bytes).map_err(refuse)?;
        }
        for (list, fold) in [(&self.exclude, false), (&self.iexclude, true)] {
            for text in list {
                let pattern = Pattern::new(text.as_bytes(), fold, None);
                select.add_pattern(pattern.map_err(refuse)?);
            }
        }
        for text in &self.allow_changing {
            let pattern = Pattern::new(text.as_bytes(), false, None).map_err(refuse)?;
            if pattern.is_negative() {
                return Err(Failure::usage(
                    "--allow-changing takes nothing back: leave out the `!`",
                ));
            }
            select.allow_changing(pattern);
        }
        for text in &self.exclude_if_present {
            select.add_marker(marker(text.as_bytes())?);
        }
        if self.exclude_caches {
            select.leave_out_caches();
        }
        if let Some(bytes) = self.exclude_larger_than {
            select.leave_out_larger_than(bytes);
        }
        if self.one_file_system {
            select.stay_on_one_file_system();
        }
        Ok(select)
    }
}

fn marker(text: &[u8]) -> Result<Marker, Failure> {
    let colon = text.iter().position(|b| *b == b':').unwrap_or(text.len());
    let (name, header) = (&text[..colon], text.get(colon + 1..).unwrap_or_default());
    Marker::new(name, header).map_err(|reason| {
        Failure::usage(format!("--exclude-if-present \"{}\" {reason}", show::name(text)))
    })
}

fn refuse(error: PatternError) -> Failure {
    let place = error.line.as_ref().map_or_else(String::new, place);
    Failure::usage(format!("{place}the pattern \"{}\" {}", show::name(&error.text), error.reason))
}

fn place(line: &Line) -> String {
    format!("{}:{}: ", show::name(line.file.as_os_str().as_bytes()), line.number)
}

/// Reads the length that no file may pass: not 0, which would leave out everything.
fn size(text: &str) -> Result<u64, String> {
    match show::parse_size(text)? {
        0 => Err("a size above 0 is wanted".to_owned()),
        size => Ok(size),
    }
}

/// How much was left out.
pub fn excluded(select: &Select) -> Excluded {
    Excluded {
        patterns: select.left_out(Reason::Pattern),
        caches: select.left_out(Reason::Cache),
        marked: select.left_out(Reason::Marker),
        larger: select.left_out(Reason::Larger),
        file_systems: select.left_out(Reason::FileSystem),
    }
}

impl Excluded {
    /// The same for people; none when nothing was left out.
    pub fn line(&self) -> Option<String> {
        let larger = show::count(self.larger, "file too large", "files too large");
        let parts = [
            (self.patterns, format!("{} by patterns", self.patterns)),
            (self.caches, show::count(self.caches, "cache", "caches")),
            (self.marked, show::count(self.marked, "marked directory", "marked directories")),
            (self.larger, larger),
            (self.file_systems, show::count(self.file_systems, "file system", "file systems")),
        ];
        let told: Vec<String> = parts.into_iter().filter(|p| p.0 > 0).map(|p| p.1).collect();
        (!told.is_empty()).then(|| format!("excluded: {}", told.join(", ")))
    }
}

/// Patterns that matched nothing, as they were written.
pub fn unmatched(select: &Select) -> Vec<String> {
    let one = |pattern: &Pattern| {
        format!("{}{}", pattern.line().map_or_else(String::new, place), show::name(pattern.text()))
    };
    select.unmatched().map(one).collect()
}

/// Says which patterns matched nothing: one of them may be a slip.
pub fn note_unmatched(unmatched: &[String]) {
    if unmatched.is_empty() {
        return;
    }
    let mut list = unmatched.iter().take(UNMATCHED_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if unmatched.len() > UNMATCHED_SHOWN {
        list.push_str(&format!(" and {} more", unmatched.len() - UNMATCHED_SHOWN));
    }
    let patterns = if unmatched.len() == 1 { "pattern" } else { "patterns" };
    show::note(&format!("note: {patterns} that matched nothing: {list}"));
}
