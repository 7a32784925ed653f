//! The options of `esker restore`, as they are typed and as they are meant.

use crate::cli::choose::Choose;
use crate::cli::disk::Onto;
use crate::cli::exit::Failure;
use crate::repository::Selected;
use crate::restore::{self, Filter, How};
use clap::builder::ArgPredicate;
use esker_format::path::MapKey;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Give back a snapshot, or a part of it
///
/// A whole snapshot is made again below TARGET with its absolute paths. With SNAPSHOT:PATH, what is
/// in the directory PATH goes into TARGET itself; a file goes into TARGET under its own name. TARGET
/// is made when it is not there.
///
/// What is in TARGET already and as it was saved stays; what differs is replaced, and only what
/// differs is read from the repository. A file counts as equal when its length and its time of
/// modification are those of the snapshot (--overwrite always compares contents too); owner, mode,
/// attributes and times are corrected in any case. What the snapshot does not have stays, unless
/// --delete is given. A restore that is cut off leaves each file old or new, or names it in
/// TARGET/.esker-restore-journal; run it again, and it is finished.
///
/// Owners are given back by root only. What could not be given back as it was is listed at the end,
/// and the exit code is 3; what the repository has lost is zero in a new file, leaves an old one as
/// it is, and is listed too; then the exit code is 4.
#[derive(clap::Args)]
pub struct Args {
    /// SNAPSHOT or SNAPSHOT:PATH
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub what: String,
    /// A directory; with --device a disk
    #[arg(
        value_name = "TARGET",
        required = false,
        required_unless_present = "to_command",
        conflicts_with = "to_command",
        default_value_if("to_command", ArgPredicate::IsPresent, "-")
    )]
    pub target: PathBuf,
    /// Give a file or stream to the standard input of a command instead, without a shell:
    /// `esker restore latest:/db.sql --to-command mysql -- mydb`. It must read all and end with exit
    /// code 0. Should something be damaged, it is ended before it can take what it got for all
    #[arg(long, value_name = "CMD", conflicts_with_all = ["overwrite", "in_place", "delete", "include",
        "exclude", "owner", "dry_run", "verify", "swap"])]
    pub to_command: Option<OsString>,
    /// Arguments of the command
    #[arg(last = true, value_name = "ARG")]
    pub words: Vec<OsString>,
    /// Which of the files that are in TARGET are replaced
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Overwrite::IfChanged)]
    pub overwrite: Overwrite,
    /// Write into files where they are, also small ones and such with several names. Without it
    /// only files of 64 MiB and more are, where they have one name and the right owner and mode
    #[arg(long)]
    pub in_place: bool,
    /// Remove from TARGET what the snapshot does not have: only in directories that were saved as
    /// a whole, and never across a mount. What was left out on purpose when it was saved is not in
    /// the snapshot: keep it with the same --exclude. Look with --dry-run first
    #[arg(long)]
    pub delete: bool,
    /// Restore only what matches, with what is below it; can be given several times. Patterns are
    /// those of gitignore, for paths in the snapshot: with a leading / from its root on, others at
    /// any depth; a trailing / means directories; a leading ! takes back
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    /// Leave out what matches, with what is below it; can be given several times
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Give files to the user and group of the same name here, or of the same number. Without a
    /// name that is known here, the number counts. Use ids when you restore a whole system from
    /// another one
    #[arg(long, value_name = "BY", value_enum, default_value_t = Owner::Names)]
    pub owner: Owner,
    /// Change nothing; say what would be added, changed and deleted
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// Read every file again from disk afterwards, and compare it with the snapshot
    #[arg(long, conflicts_with = "dry_run")]
    pub verify: bool,
    /// Restore beside TARGET, exchange both in one step when all is there, and keep the old one as
    /// TARGET.before-restore-TIME; `esker undo TARGET` takes it back
    #[arg(long, conflicts_with_all = ["overwrite", "in_place", "delete", "dry_run", "include", "exclude"])]
    pub swap: bool,
    /// Do not ask before something is deleted from the root of this system (elsewhere --delete does
    /// not ask), or before a disk is overwritten
    #[arg(long, short = 'y')]
    pub yes: bool,
    #[command(flatten)]
    pub device: Device,
    /// Threads that write; one for each core when not given
    #[arg(long, value_name = "N")]
    pub threads: Option<std::num::NonZeroUsize>,
    #[command(flatten)]
    pub choose: Choose,
}

/// Options of a restore onto a disk.
#[derive(clap::Args)]
#[command(next_help_heading = "Onto a disk")]
pub struct Device {
    /// Write an image onto the disk, partition or image file TARGET: only what differs. PATH may be left out
    /// when there is only one image. What is in use is never written to, nor what is too small, unless the
    /// room that is missing lies behind the last partition
    #[arg(long, conflicts_with_all = ["overwrite", "in_place", "delete", "include", "exclude", "owner", "swap", "to_command"])]
    pub device: bool,
    /// Write only this partition of the image
    #[arg(long, value_name = "N", requires = "device")]
    pub partition: Option<u32>,
    /// Write over a TARGET that looks like a qcow2, vmdk, vhdx or vdi file, byte by byte: what is there then is a raw
    /// image
    #[arg(long, requires = "device")]
    pub raw: bool,
    #[command(flatten)]
    pub onto: Onto,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Overwrite {
    /// All that differ, and contents are compared in any case
    Always,
    /// Those whose kind, length, time or metadata differ
    IfChanged,
    /// Those that are older than in the snapshot
    IfNewer,
    /// None
    Never,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Owner {
    /// By name, and by number where nobody has the name
    Names,
    /// By number
    Ids,
}

impl Args {
    /// What the restore itself is asked for.
    ///
    /// # Errors
    /// When patterns make no sense.
    pub fn how(&self) -> Result<How, Failure> {
        let filter = Filter::new(&self.include, &self.exclude).map_err(|error| {
            let hint = "patterns are those of gitignore, for paths as `esker ls` shows them";
            Failure::Usage(error.to_string(), Some(hint.to_owned()))
        })?;
        Ok(How {
            overwrite: match self.overwrite {
                Overwrite::Always => restore::Overwrite::Always,
                Overwrite::IfChanged => restore::Overwrite::IfChanged,
                Overwrite::IfNewer => restore::Overwrite::IfNewer,
                Overwrite::Never => restore::Overwrite::Never,
            },
            in_place: self.in_place,
            delete: self.delete,
            dry_run: self.dry_run,
            verify: self.verify,
            filter,
            owner: match self.owner {
                Owner::Names => restore::Owner::Names,
                Owner::Ids => restore::Owner::Ids,
            },
            run: None,
            guarded: Vec::new(),
        })
    }

    /// Fails when there are words for no command, or an answer to no question.
    ///
    /// # Errors
    /// With what to do instead.
    pub fn check_words(&self) -> Result<(), Failure> {
        if self.to_command.is_none() && !self.words.is_empty() {
            let hint = "name the command with --to-command CMD";
            let message = "what stands behind `--` is for a command, and none is named";
            return Err(Failure::Usage(message.to_owned(), Some(hint.to_owned())));
        }
        if self.yes && !self.delete && !self.device.device {
            let hint = "it answers the question of --delete or --device";
            let message = "nothing is asked that --yes could answer";
            return Err(Failure::Usage(message.to_owned(), Some(hint.to_owned())));
        }
        Ok(())
    }

    /// Whether the target is the root of this system.
    pub fn is_root(&self) -> bool {
        let is_root = |path: &Path| path.components().eq([Component::RootDir]);
        is_root(&self.target) || self.target.canonicalize().is_ok_and(|path| is_root(&path))
    }

    /// Fails when the words make no sense together, or a mistake in what is meant would be dear.
    ///
    /// # Errors
    /// With what to do instead.
    pub fn check(&self, selected: &Selected) -> Result<(), Failure> {
        let onto = &self.device.onto;
        let is_onto = onto.blind || onto.expect_serial.is_some() || onto.expect_id.is_some();
        if is_onto && !self.device.device {
            let message = "--blind, --expect-serial and --expect-id are about disks";
            let hint = "give --device to write an image onto a disk";
            return Err(Failure::Usage(message.to_owned(), Some(hint.to_owned())));
        }
        let has_path = selected.key.as_ref().is_some_and(|key| *key != MapKey::root());
        let refuse = |message: &str, hint: &str| {
            Err(Failure::Usage(message.to_owned(), Some(hint.to_owned())))
        };
        if self.delete && self.is_root() && !has_path && self.include.is_empty() {
            return refuse(
                "--delete with the target / needs to know which part is meant",
                "name the PATH in SNAPSHOT:PATH and its place as TARGET, or use --include",
            );
        }
        if selected.of_several && (self.delete || self.is_root()) {
            return refuse(
                "`latest` is that of several series, and this deletes, or goes into the root of this system",
                "name the snapshot by its id, or the series with --label, --host and --writer",
            );
        }
        Ok(())
    }
}
