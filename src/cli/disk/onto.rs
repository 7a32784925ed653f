//! The options of whatever overwrites a disk, the question before, and what is left to do afterwards.

use super::looks::lines;
use super::read_table_again;
use super::report::{Onward, Shown, name};
use crate::cli::exit::Failure;
use crate::cli::show;
use crate::disk::{
    Bytes, Expect, Fate, Fitting, Geometry, How, Kernel, Renewal, Table, Target, Twin, fitting,
    relocate, twins,
};
use std::io::{IsTerminal, Write};
use std::path::Path;

/// Options of whatever overwrites a disk.
#[derive(Debug, clap::Args)]
pub struct Onto {
    /// Write everything, without reading first what is there and writing only what differs
    #[arg(long)]
    pub blind: bool,
    /// Fail unless the disk has this serial number, as `lsblk -o NAME,SERIAL` shows it
    #[arg(long, value_name = "NUMBER")]
    pub expect_serial: Option<String>,
    /// Fail unless the disk has this id: a name in /dev/disk/by-id, or its WWID
    #[arg(long, value_name = "ID")]
    pub expect_id: Option<String>,
    /// Give the copy ids of its own, so that it can be used beside its original: the partition table, the
    /// partitions, and each ext2, ext3, ext4 and xfs, with tune2fs and xfs_admin. Other file systems, swap,
    /// LVM, LUKS and arrays keep theirs and are listed. What mounts or boots by id has to be told the new ones
    #[arg(long)]
    pub new_uuids: bool,
}

impl Onto {
    /// How the disk is written.
    pub fn how(&self, dry_run: bool, raw: bool) -> How {
        let expect = Expect { serial: self.expect_serial.clone(), id: self.expect_id.clone() };
        How { blind: self.blind, dry_run, raw, expect }
    }

    /// The new ids of a copy of `image`, when there are to be any. `at` is any disk or file that is there.
    ///
    /// # Errors
    /// When what is needed for that is missing.
    pub fn renewal<'i>(
        &self,
        image: &'i Geometry,
        at: &Path,
    ) -> Result<Option<Renewal<'i>>, Failure> {
        let renewal = self.new_uuids.then(|| Renewal::new(image, at));
        Ok(renewal.transpose()?)
    }
}

/// What is about to be written over what.
pub struct Over<'o> {
    /// The machine.
    pub kernel: &'o Kernel,
    /// What is written.
    pub target: Target,
    /// What goes there.
    pub image: &'o Geometry,
    /// What that is called.
    pub from: &'o str,
    /// The ids that it gets then.
    pub renewal: Option<Renewal<'o>>,
}

impl Over<'_> {
    /// How the image goes there: a file becomes as long as the image.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn fit(&self) -> Result<Fitting, Failure> {
        let Some(_) = self.target.device() else {
            return Ok(Fitting { len: self.image.size, moves_gpt: false });
        };
        let (size, sector) = (self.target.size(), self.target.sector());
        if let Table::Unreadable(why) = &self.image.table
            && size > self.image.size
        {
            let why = show::name(why.as_bytes());
            show::warning(&format!(
                "the partition table of {} cannot be read ({why}): nothing of it is moved to the end of {}",
                self.from,
                self.target.path().display()
            ));
        }
        Ok(fitting(self.image, self.target.path(), size, sector)?)
    }

    /// Ids that the copy will have and other disks of this machine have too, each with a warning.
    pub fn warn_of_twins(&self) -> Vec<Twin> {
        let Some(device) = self.target.device() else { return Vec::new() };
        let mut twins = twins(self.kernel, self.image, Some(device));
        twins.retain(|twin| self.renewal.as_ref().is_none_or(|renewal| renewal.keeps(&twin.id)));
        for Twin { of, id, device } in &twins {
            let (what, id) = (name(of), show::name(id.as_bytes()));
            show::warning(&format!("{device} goes by the id {id} too, that of {what}"));
        }
        if !twins.is_empty() {
            show::note(
                "do not have both attached when one is mounted or booted by its id; --new-uuids gives new ones",
            );
        }
        twins
    }

    /// What is left to do when all is written: the second copy of the GPT, new ids, and the kernel. `whole` is
    /// whether all was read and written as it should be.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self, fit: Fitting, twins: Vec<Twin>, whole: bool) -> Result<Shown, Failure> {
        let (target, image) = (self.target, self.image);
        let is_dry = target.is_dry_run();
        let sector = image.table.partitions().map_or(512, |table| table.sector);
        let gpt_moved = fit.moves_gpt && !is_dry && relocate(&target, image.size, sector)?;
        let ids = match &self.renewal {
            None => Vec::new(),
            Some(renewal) if is_dry => renewal.planned(),
            Some(renewal) => renewal.run(&target, whole)?,
        };
        for id in &ids {
            if let Fate::Refused(why) = &id.fate {
                let (what, path) = (name(id), target.path().display());
                let why = show::name(why.as_bytes());
                show::warning(&format!("{what} of {path} keeps its id: {why}"));
            }
        }
        let path = target.path().to_owned();
        let shown = Shown::new(&target, fit.len, Onward { twins, gpt_moved, ids });
        drop(target);
        if !is_dry {
            read_table_again(&path);
        }
        Ok(shown)
    }

    /// Says what is overwritten with what, and asks whether what is there may go.
    ///
    /// # Errors
    /// When it may not, or nobody is there to be asked.
    pub fn ask(&self, yes: bool, quiet: bool) -> Result<(), Failure> {
        let path = self.target.path().display();
        if !quiet {
            self.tell_both();
        }
        if yes || self.target.is_dry_run() {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Usage(
                format!("nobody is there to be asked whether to overwrite {path}"),
                Some("look at it with --dry-run, and give --yes if it is meant".to_owned()),
            ));
        }
        if quiet {
            // Nobody answers a question that he does not see.
            self.tell_both();
        }
        let _ = write!(std::io::stderr(), "go on? [y/N] ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failure::usage("nothing was changed")),
        }
    }

    /// Both disks, and which of them goes.
    fn tell_both(&self) {
        self.tell(&self.target.path().display().to_string(), &self.target.geometry());
        show::note(match self.target.is_dry_run() {
            true => "would be overwritten with",
            false => "is overwritten with",
        });
        self.tell(self.from, self.image);
    }

    fn tell(&self, name: &str, geometry: &Geometry) {
        let device = self.target.device().filter(|_| name == self.target.path().to_string_lossy());
        let model = device.and_then(|device| self.kernel.model(device));
        let serial = device.and_then(|device| self.kernel.serial(device));
        let words = model.into_iter().chain(serial.map(|serial| format!("serial {serial}")));
        let about: String =
            words.map(|word| format!("{}, ", show::name(word.as_bytes()))).collect();
        for (number, line) in lines(geometry).iter().enumerate() {
            match number {
                0 => show::note(&format!("{name}: {about}{line}")),
                _ => show::note(&format!("  {line}")),
            }
        }
    }
}
