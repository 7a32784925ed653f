//! The independent reader with the key of a writer: it tries everything that the file holds.

use super::{Host, owned, tree};
use crate::support::{Ran, skipped};
use std::path::Path;
use std::process::Command;

#[test]
fn with_all_that_a_writers_file_holds_no_pack_page_or_manifest_opens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reader");
    let python = folder.join("python");
    let ready = Command::new(&python).args(["-c", "import blake3, nacl, zstandard"]).output();
    if !ready.unwrap().status.success() {
        skipped("no Python for the reader");
        return;
    }
    let home = owned();
    let source = tree(&home, "work", 1);
    home.snapshot(&source).ok();
    let sharing = Host::enrolled(&home, "db", &["--scope", "0", "--role", "append,forget,collect"]);
    let alone = Host::enrolled(&home, "web", &[]);
    for host in [&sharing, &alone] {
        host.save(&source, &[]);
    }
    let try_with = |key: &Path| {
        let mut command = Command::new(&python);
        command.arg(folder.join("try_key.py")).arg(home.repository()).arg(key);
        Ran::of(&mut command)
    };
    for host in [&sharing, &alone] {
        let ran = try_with(&host.key).ok().says_nothing();
        // Three snapshots with a pack each; what has no frame of its own shares one.
        assert!(ran.out.contains("opened 0 of "), "{}", ran.out);
        assert!(ran.out.contains("manifests 4, packs "), "{}", ran.out);
    }
    // The owner's key opens all of them in the same way: the attempt is a real one.
    let ran = try_with(&home.path("config/esker/key")).exit(1);
    assert!(
        ran.out.contains("manifest snapshot/") && ran.out.contains("pack pack/"),
        "{}",
        ran.out
    );
}
