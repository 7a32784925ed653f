//! The independent reader, written from the document alone, reads what the program writes.

use crate::support::tree::{Refused, Tree};
use crate::support::{Home, Ran, differences, needs, skipped};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The reader as a command; none when there is no Python for it.
fn reader(home: &Home) -> Option<impl Fn(&[&str]) -> Ran> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reader");
    let python = folder.join("python");
    // A first run makes the environment, which takes a network or a cache of packages.
    let ready =
        Command::new(&python).args(["-c", "import blake3, nacl, zstandard"]).output().unwrap();
    if !ready.status.success() {
        let why = String::from_utf8_lossy(&ready.stderr);
        skipped(&format!("no Python for the reader: {}", why.lines().last().unwrap_or_default()));
        return None;
    }
    let (repository, key) = (home.repository(), home.path("config/esker/key"));
    Some(move |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.arg(folder.join("esker_reader.py")).arg("--repo").arg(&repository);
        Ran::of(command.arg("--key-file").arg(&key).args(arguments))
    })
}

/// Saves a grown tree below `home`; returns where it is.
fn save(home: &Home, number: u64) -> PathBuf {
    let source = home.path(format!("trees/{number}"));
    Tree::grow(number, &[source.join("one"), source.join("two")], &mut Refused::default());
    home.snapshot(&source).ok();
    source
}

#[test]
fn grown_trees_are_listed_and_restored_by_the_reader_as_by_the_program() {
    if !needs("rsync") || !needs("find") {
        return;
    }
    let home = Home::new();
    let Some(reader) = reader(&home) else { return };
    // Each of these has something that the others have not: a deep directory, directories of many
    // entries, and files at eight limits.
    for number in [503, 507, 517, 527, 530, 533] {
        let source = save(&home, number);
        let target = home.path(format!("targets/{number}"));
        let listed = reader(&["ls", "--json", "latest"]).ok().says_nothing();
        let own = home.run(["ls", "--json", "latest"]).ok();
        for (line, (read, told)) in listed.out.lines().zip(own.out.lines()).enumerate() {
            assert_eq!(read, told, "tree {number}, line {line}");
        }
        assert_eq!(listed.out.len(), own.out.len(), "tree {number}");
        reader(&["restore", "latest", target.to_str().unwrap()]).ok().says_nothing();
        let restored = target.join(source.strip_prefix("/").unwrap());
        let found = differences(&source, &restored);
        assert!(found.is_empty(), "tree {number}:\n{}", found.join("\n"));
    }
    reader(&["check"]).ok().says_nothing();
    let rows = home.run(["snapshots", "--json"]).ok().json();
    let read = reader(&["snapshots"]).ok();
    for (row, line) in rows.iter().zip(read.out.lines()) {
        assert!(line.starts_with(row["id"].as_str().unwrap()), "{line}");
    }
}

#[test]
fn a_deleted_or_broken_index_database_changes_nothing() {
    if !needs("rsync") || !needs("find") {
        return;
    }
    let home = Home::new();
    let source = save(&home, 533);
    save(&home, 530);
    let (name, target) = (format!("latest~1:{}", source.display()), home.path("target"));
    let look = || {
        let lists = [&["snapshots"][..], &["ls", "latest~1"], &["ls", "--json", "latest"]];
        let mut said: Vec<String> = lists.iter().map(|words| home.run(*words).ok().out).collect();
        said.push(home.run(["check", "--read-data"]).ok().out);
        home.restore(&name, &target).ok();
        assert_eq!(differences(&source, &target), Vec::<String>::new());
        std::fs::remove_dir_all(&target).unwrap();
        said
    };
    let before = look();
    let cache = home.path("cache");
    let breaks: [&dyn Fn(&Path); 3] = [
        &|path| std::fs::remove_file(path).unwrap(),
        &|path| std::fs::write(path, "").unwrap(),
        &|path| std::fs::write(path, "no database").unwrap(),
    ];
    for (number, damage) in breaks.into_iter().enumerate() {
        files(&cache).iter().for_each(|path| damage(path));
        assert_eq!(look(), before, "damage {number}");
    }
    // Damage within it is noticed where the database is read. Then it is said what to do.
    for path in files(&cache) {
        let mut bytes = std::fs::read(&path).unwrap();
        let len = bytes.len();
        bytes[4096.min(len)..].fill(0x5a);
        std::fs::write(path, bytes).unwrap();
    }
    let ran = home.run(["check", "--read-data"]);
    if ran.code != 0 {
        ran.exit(1).says(&["error: index database", "hint: it is a cache: delete"]);
    }
    std::fs::remove_dir_all(&cache).unwrap();
    assert_eq!(look(), before);
    // What was saved before is known again: an unchanged tree adds no more than its own pages.
    std::fs::remove_dir_all(&cache).unwrap();
    let json = home.run(["snapshot", "--json", source.to_str().unwrap()]).ok().json();
    let counts = &json[0]["counts"];
    assert_eq!((&counts["new"], &counts["removed"]), (&0.into(), &0.into()), "{counts}");
    assert!(counts["stored_bytes"].as_u64().unwrap() < 20_000, "{counts}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
