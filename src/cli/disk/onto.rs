//! The options of whatever overwrites a disk, and the question before.

use super::looks::lines;
use crate::cli::exit::Failure;
use crate::cli::show;
use crate::disk::{Expect, Geometry, How, Kernel, Target, Twin, twins};
use std::io::{IsTerminal, Write};

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
}

impl Onto {
    /// How the disk is written.
    pub fn how(&self, dry_run: bool) -> How {
        let expect = Expect { serial: self.expect_serial.clone(), id: self.expect_id.clone() };
        How { blind: self.blind, dry_run, expect }
    }
}

/// What is about to be written over what.
pub struct Over<'o> {
    /// The machine.
    pub kernel: &'o Kernel,
    /// What is written.
    pub target: &'o Target,
    /// What goes there.
    pub image: &'o Geometry,
    /// What that is called.
    pub from: &'o str,
}

impl Over<'_> {
    /// Ids of the image that other disks of this machine have too, each with a warning.
    pub fn warn_of_twins(&self) -> Vec<Twin> {
        let twins = twins(self.kernel, self.image, self.target.device());
        for Twin { id, device } in &twins {
            show::warning(&format!(
                "{device} goes by the id {id} too: do not have both attached when it is mounted by that"
            ));
        }
        twins
    }

    /// Asks whether what is there may go.
    ///
    /// # Errors
    /// When it may not, or nobody is there to be asked.
    pub fn ask(&self, yes: bool) -> Result<(), Failure> {
        if yes || self.target.is_dry_run() {
            return Ok(());
        }
        let path = self.target.path().display();
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Usage(
                format!("nobody is there to be asked whether to overwrite {path}"),
                Some("look at it with --dry-run, and give --yes if it is meant".to_owned()),
            ));
        }
        self.tell(&path.to_string(), &self.target.geometry());
        show::note("is overwritten with");
        self.tell(self.from, self.image);
        let _ = write!(std::io::stderr(), "go on? [y/N] ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failure::usage("nothing was changed")),
        }
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
