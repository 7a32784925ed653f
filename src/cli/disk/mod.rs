//! What commands that write disks have in common: options, the question before, what is shown.

mod hint;
mod looks;
mod onto;
mod report;

pub use hint::hint;
pub use looks::{ShownGeometry, how_it_was_read, layers, lines};
pub use onto::{Onto, Over};
pub use report::{Range, Shown, print, tell_differing};

use std::path::{Path, PathBuf};

/// The absolute path of a name, without links above it; the name itself stays what it is.
pub fn kernel_path(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    match (parent.canonicalize(), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
    }
}

/// The kernel looks at the new partitions. Where it cannot, it does when the disk is attached again.
pub fn read_table_again(path: &Path) {
    use std::process::{Command, Stdio};
    let mut command = Command::new("blockdev");
    let command = command.arg("--rereadpt").arg(path).stdin(Stdio::null());
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
}
