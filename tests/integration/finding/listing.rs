//! What is in a tree, as told by other people's programs.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

/// What is at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// As `find` shows it.
    pub kind: String,
    /// Mode, owner, group and time.
    pub metadata: String,
    /// Length, target of a link, number of a device, hash of the bytes.
    pub content: String,
}

/// All entries below `root`, and itself, by absolute path.
pub fn listing(root: &Path) -> BTreeMap<Vec<u8>, Listed> {
    let mut found = BTreeMap::new();
    let fields = "%p\\0%y\\0%m %U %G %T@\\0%l\\0";
    for part in output(Command::new("find").arg(root).args(["-printf", fields])).chunks_exact(4) {
        let [path, kind, metadata, target] = [0, 1, 2, 3].map(|at| part[at].clone());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let content = format!("{:?}", OsStr::from_bytes(&target));
        found.insert(path, Listed { kind: text(kind), metadata: text(metadata), content });
    }
    for (kind, program, arguments) in [
        ("f", "sha256sum", &["-z", "--"][..]),
        ("b,c", "stat", &["--printf", "%t %T  %n\\0", "--"]),
    ] {
        let mut command = Command::new("find");
        command.arg(root).args(["-type", kind, "-exec", program]).args(arguments);
        for line in output(command.args(["{}", "+"])) {
            let at = line.windows(2).position(|pair| pair == b"  ").unwrap();
            let content = &mut found.get_mut(&line[at + 2..]).unwrap().content;
            content.push_str(std::str::from_utf8(&line[..at]).unwrap());
        }
    }
    found
}

/// Paths below `root` that `find` finds with these words.
pub fn found(root: &Path, words: &[&str]) -> Vec<Vec<u8>> {
    output(Command::new("find").arg(root).args(words).arg("-print0"))
}

fn output(command: &mut Command) -> Vec<Vec<u8>> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let mut fields: Vec<Vec<u8>> = output.stdout.split(|b| *b == 0).map(<[u8]>::to_vec).collect();
    fields.pop();
    fields
}
