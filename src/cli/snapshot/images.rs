//! Images that a snapshot saves: block devices and files that hold images.

use crate::cli::disk::kernel_path;
use crate::cli::exit::Failure;
use crate::cli::place::Places;
use crate::cli::show;
use crate::disk::{Allow, Below, Image, Kernel, Source};
use crate::source::Feed;
use esker_format::path::MapKey;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Images, and what may be read although it may change.
#[derive(clap::Args)]
#[command(next_help_heading = "Images of disks")]
pub struct Images {
    /// Save a block device or an image file as an image: what was never written and what is zero takes
    /// no room, and a raw image file that looks as it did is not read; can be given several times. Of a qcow2
    /// file, that is the disk that its virtual machine sees, with all files it lies on; QEMU's programs
    /// (qemu-utils) are needed. What cannot be read is listed, and the exit code is 3. Not together with paths
    #[arg(long = "image", value_name = "PATH")]
    images: Vec<PathBuf>,
    /// Read disks although they are mounted for writing or in use otherwise: what changes meanwhile is half
    /// old and half new, and the snapshot says so
    #[arg(long, requires = "images")]
    allow_live: bool,
    /// Save image files byte by byte, also those that look like qcow2, vmdk, vhdx or vdi: whoever writes to a raw
    /// image can make it look so
    #[arg(long, requires = "images")]
    raw: bool,
    /// Leave out what the file systems on it call free, which is then zero in the image: for ext4, on the whole
    /// disk or in partitions, where it was unmounted and has no errors. All else is read as a whole, with
    /// a message
    #[arg(long, requires = "images")]
    used_only: bool,
    /// Read a disk although the repository is on it
    #[arg(long, requires = "images")]
    allow_repository_disk: bool,
}

impl Images {
    /// Whether there are any.
    pub const fn is_some(&self) -> bool {
        !self.images.is_empty()
    }

    /// Opens them, for the whole run.
    ///
    /// # Errors
    /// When one is no disk, in use, or holds the repository.
    pub fn feeds(&self, places: &Places) -> Result<Vec<Box<dyn Feed>>, Failure> {
        let kernel = Kernel::default();
        let below = places.folder().map(|folder| Below::path(&kernel, folder));
        let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
        for path in &self.images {
            if !self.allow_repository_disk && below.as_ref().is_some_and(|b| b.has(&kernel, path)) {
                return Err(Failure::Usage(
                    format!("{} holds the repository", path.display()),
                    Some(
                        "a copy on the same disk is lost with it; --allow-repository-disk reads it all \
                         the same"
                            .to_owned(),
                    ),
                ));
            }
            let allow = Allow { live: self.allow_live, raw: self.raw };
            let mut source = Source::open(&kernel, path, allow)?;
            for used in source.live() {
                show::warning(&format!("{} may change while it is read: {used}", path.display()));
            }
            if self.used_only {
                for why in source.leave_free_out() {
                    show::note(&format!("note: {}: {why}", path.display()));
                }
            }
            let name = name(path)?;
            if feeds.iter().any(|feed| feed.path() == name) {
                return Err(Failure::usage(format!("{} is given twice", path.display())));
            }
            feeds.push(Box::new(Image::new(name, source, show::now)));
        }
        Ok(feeds)
    }
}

/// The path in the snapshot: that which was given, made absolute. Links such as those in /dev/disk/by-id
/// say more than where they lead to, and stay.
fn name(path: &Path) -> Result<Vec<u8>, Failure> {
    let named = kernel_path(path).as_os_str().as_bytes().to_vec();
    match MapKey::from_path(&named) {
        Ok(key) if key != MapKey::root() => Ok(named),
        _ => Err(Failure::usage(format!("{} cannot be a path in a snapshot", path.display()))),
    }
}
