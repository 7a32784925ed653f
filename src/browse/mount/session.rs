//! Mounting and unmounting.

use super::Options;
use super::fuse::Fuse;
use super::fusermount::{self, Failure, Keeper};
use super::shown::Shown;
use fuser::{BackgroundSession, Config, MountOption, Session, SessionACL};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Why nothing is mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The place is not one to mount at.
    #[error("nothing can be mounted at {}: {why}", path.display())]
    Place {
        /// Where.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// What was mounted there is dead.
    #[error("nothing can be mounted at {}: what is mounted there does not answer any more", .0.display())]
    Dead(PathBuf),
    /// There is no FUSE here.
    #[error("this system has no FUSE: /dev/fuse cannot be opened")]
    NoFuse(#[source] io::Error),
    /// Nobody is there who mounts for others than root, or unmounts by itself.
    #[error("fusermount3 is not there")]
    NoFusermount,
    /// Somebody said no.
    #[error("{0}")]
    Refused(String),
    /// Something else failed.
    #[error("nothing was mounted")]
    Io(#[source] io::Error),
}

/// A file system that is mounted. It goes when this is dropped.
pub struct Mounted {
    session: Option<BackgroundSession>,
    keeper: Option<Keeper>,
    mountpoint: PathBuf,
}

impl Mounted {
    /// Whether somebody else unmounted it.
    pub fn is_over(&self) -> bool {
        self.session.as_ref().is_none_or(|session| session.guard.is_finished())
    }

    /// Unmounts. What is in use goes on; whether something is, after a moment. When it cannot be unmounted, nothing
    /// of it is kept for anybody.
    pub fn unmount(&self) -> bool {
        if self.is_over() {
            return false;
        }
        let is_unmounted = fusermount::unmount(&self.mountpoint);
        self.settle();
        is_unmounted && !self.is_over()
    }

    /// Waits until nothing is asked any more, for a moment: what is still in use keeps its session until
    /// this program ends.
    fn settle(&self) {
        for _ in 0..50 {
            if self.is_over() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Who keeps it unmounts what is dead, and leaves alone what answers.
        if self.keeper.is_some() {
            self.unmount();
        }
        let is_kept = self.keeper.take().is_some();
        if let Some(session) = self.session.take()
            && !is_kept
        {
            let _ = session.umount_and_join();
        }
    }
}

/// Mounts, and answers in threads of its own.
///
/// # Errors
/// When that cannot be mounted there.
pub fn mount(shown: Arc<Shown>, options: &Options) -> Result<Mounted, MountError> {
    check(options)?;
    let mut config = Config::default();
    config.acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(options.threads.max(1));
    config.clone_fd = true;
    let fuse = Fuse::new(shown, options.allow_other);
    let words = words(options);
    let started = |session: io::Result<Session<Fuse>>| {
        session.and_then(Session::spawn).map(Some).map_err(MountError::Io)
    };
    match fusermount::mount(&options.mountpoint, &words.join(",")) {
        Ok((device, keeper)) => {
            let session = started(Session::from_fd(fuse, device, config.acl, config.clone()))?;
            Ok(Mounted { session, keeper: Some(keeper), mountpoint: options.mountpoint.clone() })
        }
        Err(Failure::Absent) if !options.must_end && rustix::process::geteuid().is_root() => {
            config.mount_options = words.iter().filter_map(|word| option(word)).collect();
            let session = started(Session::new(fuse, &options.mountpoint, &config))?;
            Ok(Mounted { session, keeper: None, mountpoint: options.mountpoint.clone() })
        }
        Err(Failure::Absent) => Err(MountError::NoFusermount),
        Err(Failure::Refused(said)) => Err(MountError::Refused(said)),
        Err(Failure::Io(error)) => Err(MountError::Io(error)),
    }
}

/// Options as `mount -o` takes them.
fn words(options: &Options) -> Vec<String> {
    let name: String = options.name.chars().filter(|c| !c.is_control()).collect();
    let name = name.replace('\\', "\\\\").replace(',', "\\,");
    let mut words = vec!["ro", "nosuid", "nodev", "auto_unmount"];
    if options.allow_other {
        // Modes hold for others. Who has the key may read everything anyway.
        words.extend(["allow_other", "default_permissions"]);
    }
    let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    words.extend([format!("fsname={name}"), "subtype=esker".to_owned()]);
    words
}

/// The same for who mounts without help: nobody unmounts by himself then.
fn option(word: &str) -> Option<MountOption> {
    Some(match word.split_once('=') {
        Some(("fsname", name)) => MountOption::FSName(name.to_owned()),
        Some(("subtype", name)) => MountOption::Subtype(name.to_owned()),
        _ => match word {
            "ro" => MountOption::RO,
            "nosuid" => MountOption::NoSuid,
            "nodev" => MountOption::NoDev,
            "default_permissions" => MountOption::DefaultPermissions,
            // The first is said elsewhere, and the other cannot be had.
            _ => return None,
        },
    })
}

/// Fails unless something can be mounted at a place without hiding what is there.
fn check(options: &Options) -> Result<(), MountError> {
    let place = |why: &str| {
        let path = options.mountpoint.clone();
        Err(MountError::Place { path, why: why.to_owned() })
    };
    let path = &options.mountpoint;
    match std::fs::symlink_metadata(path).and_then(|_| std::fs::metadata(path)) {
        Ok(stat) if stat.is_dir() => {}
        Ok(_) => return place("it is no directory"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return place("there is no such directory");
        }
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOTCONN.raw_os_error()) => {
            return Err(MountError::Dead(path.clone()));
        }
        Err(error) => return place(&error.to_string()),
    }
    if is_mounted(path) {
        return place("something is mounted there already");
    }
    match std::fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
        Ok(true) => return place("the directory is not empty"),
        Ok(false) => {}
        Err(error) => return place(&error.to_string()),
    }
    match std::fs::symlink_metadata("/dev/fuse") {
        Ok(_) => Ok(()),
        Err(error) => Err(MountError::NoFuse(error)),
    }
}

fn is_mounted(path: &std::path::Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS).is_ok_and(|stat| {
        let root = StatxAttributes::MOUNT_ROOT;
        stat.stx_attributes_mask.contains(root) && stat.stx_attributes.contains(root)
    })
}
