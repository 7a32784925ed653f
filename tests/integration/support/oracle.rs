//! What differs between two trees, as told by other people's programs.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

/// All that differs, for reading; empty when nothing does. `rsync` compares kinds, contents, hard
/// links, attributes and ACLs in both directions; `find` compares what the kernel says of each
/// entry, to the nanosecond.
pub fn differences(left: &Path, right: &Path) -> Vec<String> {
    let mut found = compare_listings(&listing(left), &listing(right));
    found.extend(rsync(left, right));
    found.extend(rsync(right, left));
    found
}

/// What `rsync` would do to make `to` the same as `from`.
fn rsync(from: &Path, to: &Path) -> Vec<String> {
    // The slash means: what is in it.
    let output = Command::new("rsync")
        .args(["-aHAXSnci", "--delete", "--modify-window=-1"])
        .arg(from.join(""))
        .arg(to.join(""))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // What only root could make is not compared for others; `find` sees to that.
    let is_compared = |line: &&str| !line.starts_with("skipping non-regular file");
    let mut found: Vec<String> = text(&output.stdout)
        .lines()
        .filter(is_compared)
        .map(|line| format!("rsync: {line}"))
        .collect();
    if !output.status.success() || !output.stderr.is_empty() {
        found.push(format!("rsync: {} {}", output.status, text(&output.stderr)));
    }
    found
}

/// Each entry by its path below `root`, with all that `find` and `stat` know of it. The length of a
/// directory says how it came about, and not what is in it.
fn listing(root: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut out = BTreeMap::new();
    let format = "%P\\0%y %m %U %G %n %T@ %l";
    let arguments = |command: &mut Command| {
        let (all, sized) = (format!("{format}\\0"), format!("{format} size %s\\0"));
        command.args(["(", "-type", "d", "-printf", &all, ")", "-o", "-printf", &sized]);
    };
    let mut fields = fields_of(Command::new("find").arg(root), arguments).into_iter();
    while let (Some(path), Some(entry)) = (fields.next(), fields.next()) {
        out.insert(path, String::from_utf8_lossy(&entry).into_owned());
    }
    let devices = fields_of(Command::new("find").arg("."), |command| {
        command.current_dir(root).args(["-type", "b,c"]);
        command.args(["-exec", "stat", "--printf", "%n\\0device %t %T\\0", "{}", "+"]);
    });
    for pair in devices.chunks_exact(2) {
        let path = pair[0].strip_prefix(b"./").unwrap();
        out.get_mut(path).unwrap().push_str(&String::from_utf8_lossy(&pair[1]));
    }
    out
}

fn fields_of(command: &mut Command, arguments: impl FnOnce(&mut Command)) -> Vec<Vec<u8>> {
    arguments(command);
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
    let mut fields: Vec<Vec<u8>> = output.stdout.split(|b| *b == 0).map(<[u8]>::to_vec).collect();
    assert_eq!(fields.pop().as_deref(), Some(&b""[..]));
    fields
}

fn compare_listings(
    left: &BTreeMap<Vec<u8>, String>,
    right: &BTreeMap<Vec<u8>, String>,
) -> Vec<String> {
    let name = |path: &[u8]| format!("{:?}", std::ffi::OsStr::from_bytes(path));
    let mut found = Vec::new();
    for (path, entry) in left {
        match right.get(path) {
            Some(other) if other == entry => {}
            Some(other) => found.push(format!("find: {}: {entry} became {other}", name(path))),
            None => found.push(format!("find: {}: {entry} is gone", name(path))),
        }
    }
    for (path, entry) in right {
        if !left.contains_key(path) {
            found.push(format!("find: {}: {entry} is new", name(path)));
        }
    }
    found
}
