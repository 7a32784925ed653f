//! What the journal says, and what the next run makes of it.

use super::*;

fn key(path: &str) -> MapKey {
    MapKey::from_path(path.as_bytes()).unwrap()
}

fn what(path: &str) -> What {
    What { snapshot: "ab12".to_owned(), path: path.into() }
}

fn journal(place: &std::path::Path, run: u64, what: &What) -> Journal {
    let target: OwnedFd = File::open(place).unwrap().into();
    Journal::new(&Arc::new(target), RunId(run), what, false)
}

fn cut(place: &std::path::Path) -> Option<Cut> {
    Cut::read(&File::open(place).unwrap().into()).unwrap()
}

#[test]
fn what_is_said_is_read_again() {
    let place = tempfile::tempdir().unwrap();
    let odd = MapKey { parent: b"a\0b c".to_vec(), name: b"\xff\n\\x".to_vec() };
    let journal = journal(place.path(), 7, &what("/srv/da ta"));
    assert_eq!(cut(place.path()), None, "before the first line there is none");
    journal.making(&key("/new")).unwrap();
    for _ in 0..2 {
        journal.changing(&odd.parent).unwrap();
    }
    journal.writing(&odd).unwrap();
    let lines = [
        Line::Run(RunId(7), what("/srv/da ta")),
        Line::Making(key("/new")),
        Line::Changing(odd.parent.clone()),
        Line::Writing(odd.clone()),
    ];
    let found = cut(place.path()).unwrap();
    assert_eq!(found.lines, lines);
    assert_eq!(found.changed(), [(RunId(7), odd.parent.clone())]);
    assert!(found.names(&odd) && found.names(&key("/new/x/y")) && found.names(&key("/new")));
    assert!(!found.names(&key("/newer")) && !found.names(&key("/a")));
    journal.end(&[]).unwrap();
    assert_eq!(cut(place.path()), None);
}

#[test]
fn a_line_that_is_cut_off_or_means_harm_is_passed_over() {
    let place = tempfile::tempdir().unwrap();
    let text = "esker-restore 0000000000000001 ab12 \nchanging /../etc\nwriting relative\n\
                making \\xzz\nsomething else\nchanging /d\nwriting /f\nmaki";
    let name = std::str::from_utf8(NAME).unwrap();
    std::fs::write(place.path().join(name), text).unwrap();
    let found = cut(place.path()).unwrap();
    assert_eq!(found.lines.len(), 3);
    assert_eq!(found.changed(), [(RunId(1), b"d".to_vec())]);
}

#[test]
fn a_journal_that_is_a_link_or_a_pipe_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let target: OwnedFd = File::open(place.path()).unwrap().into();
    let path = place.path().join(std::str::from_utf8(NAME).unwrap());
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert!(Cut::read(&target).is_err());
    assert!(journal(place.path(), 1, &what("")).making(&key("/a")).is_err());
    std::fs::remove_file(&path).unwrap();
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &path, kind, Mode::RWXU, 0).unwrap();
    assert!(Cut::read(&target).is_err());
}

#[test]
fn the_same_restore_finishes_all_and_another_one_only_what_it_went_through() {
    let place = tempfile::tempdir().unwrap();
    let first = journal(place.path(), 1, &what("/srv"));
    first.making(&key("/new")).unwrap();
    first.writing(&key("/one")).unwrap();
    first.writing(&key("/two")).unwrap();
    let found = cut(place.path()).unwrap();
    let nothing = HashSet::new();
    assert_eq!(found.left(&what("/srv"), true, &nothing), []);
    let run = Line::Run(RunId(1), what("/srv"));
    let all = [
        run.clone(),
        Line::Making(key("/new")),
        Line::Writing(key("/one")),
        Line::Writing(key("/two")),
    ];
    assert_eq!(found.left(&what("/srv"), false, &nothing), all);
    let done = HashSet::from([key("/one")]);
    let left = found.left(&what(""), true, &done);
    assert_eq!(left, [run, Line::Making(key("/new")), Line::Writing(key("/two"))]);
    // The second run ends, and leaves what is left.
    let second = journal(place.path(), 2, &what(""));
    second.changing(b"d").unwrap();
    second.end(&left).unwrap();
    assert_eq!(cut(place.path()).unwrap().lines, left);
}
