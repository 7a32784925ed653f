//! Folders that are no repository, and repositories of another time.

use crate::support::Home;
use std::path::Path;

#[test]
fn a_folder_that_is_no_repository_is_named_and_stays_as_it_is() {
    let home = Home::new();
    let (folder, file) = (home.path("folder"), home.write("folder/file", "precious"));
    let key = home.path("key");
    let empty = home.path("empty");
    std::fs::create_dir(&empty).unwrap();
    for place in [folder.as_path(), &empty, &home.path("nowhere"), &file] {
        let named = ["error: ", place.to_str().unwrap()];
        for command in [&["snapshots"][..], &["check"], &["ls", "latest"], &["snapshot", "."]] {
            let place = ["-r".as_ref(), place.as_os_str()];
            let ran = home.run(command.iter().map(|word| word.as_ref()).chain(place));
            let code = if file.starts_with(place[1]) && place[1] == file.as_os_str() {
                ran.code
            } else {
                10
            };
            let ran = ran.exit(code).says(&named);
            assert_ne!(ran.code, 0);
        }
    }
    let ran = home.run([
        "init".as_ref(),
        "-r".as_ref(),
        folder.as_os_str(),
        "-k".as_ref(),
        key.as_os_str(),
    ]);
    ran.exit(1).says(&["not empty", "file"]);
    home.snapshot(&file).ok();
    let again = home.repository();
    let again = home.run([
        "init".as_ref(),
        "-r".as_ref(),
        again.as_os_str(),
        "-k".as_ref(),
        key.as_os_str(),
    ]);
    again.exit(1).says(&["holds an esker repository already", "use it as it is"]);
    assert!(!key.exists(), "a key of nothing was left behind");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn init_on_a_repository_says_that_there_is_one() {
    let home = Home::new();
    home.snapshot(home.write("file", "")).ok();
    let before = std::fs::read(home.repository().join("config")).unwrap();
    let repository = home.repository();
    let key = home.path("key");
    let ran = home.run([
        "init".as_ref(),
        "-r".as_ref(),
        repository.as_os_str(),
        "-k".as_ref(),
        key.as_os_str(),
    ]);
    ran.exit(1).says(&[repository.to_str().unwrap(), "error: "]);
    home.run(["init"]).exit(1).says(&["error: "]);
    assert_eq!(std::fs::read(repository.join("config")).unwrap(), before);
    assert!(!key.exists(), "a key of nothing was left behind");
}

/// Makes an object that ends with its checksum one of a later major version.
fn make_newer(path: &Path) {
    let mut object = std::fs::read(path).unwrap();
    object[9] = 1;
    let end = object.len() - 32;
    let checksum = *blake3::hash(&object[..end]).as_bytes();
    object[end..].copy_from_slice(&checksum);
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, object).unwrap();
}

#[test]
fn a_repository_of_a_newer_format_is_refused_as_that_and_not_as_damaged() {
    let home = Home::new();
    let file = home.write("file", "");
    home.snapshot(&file).ok();
    let repository = home.repository();
    for name in ["log/0/2", "config"] {
        let path = repository.join(name);
        let before = std::fs::read(&path).unwrap();
        make_newer(&path);
        let _ = std::fs::remove_dir_all(home.path("cache"));
        let told = ["newer", name];
        let refused = [&told[..], &["hint: ", "later"]].concat();
        // What lies before a newer entry can be read on the day when it is needed: anybody who may put
        // objects can put one that looks like it.
        let (code, lost) = if name == "config" { (1, 1) } else { (0, 4) };
        home.run(["snapshots"]).exit(code).says(&told);
        home.snapshot(&file).exit(1).says(&refused);
        home.restore("latest", home.path("target")).exit(lost).says(&told);
        home.run(["check"]).exit(if code == 0 { 4 } else { 1 }).says(&told);
        std::fs::write(&path, before).unwrap();
    }
    home.run(["check", "--read-data"]).ok();
}
