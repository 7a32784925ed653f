//! Clients that are honest and clients that are not, without ssh between.

use std::fs;
use std::io::{Cursor, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::tempdir;

use super::hello::Opening;
use super::message::{FRAMING, kind_of, number_of};
use super::*;
use crate::store::conformance::{conformance, names, noise, read};
use crate::store::tunnel::Link;
use crate::store::{Durability, MemoryStore, Put, SshStore, StoreErrorKind};

const LONG: Duration = Duration::from_secs(600);

/// The streams of all servers that were begun, to cut them.
type Cuts = Arc<Mutex<Vec<UnixStream>>>;

fn link(root: &Path, grant: Grant, cuts: &Cuts) -> Link {
    let (near, far) = UnixStream::pair().unwrap();
    cuts.lock().unwrap().push(far.try_clone().unwrap());
    let root = ServedRoot::new(root);
    thread::spawn(move || {
        let input = far.try_clone().unwrap();
        let _ = serve(input, &far, grant, |hello| root.open(hello)); // cut off in some tests
        let _ = far.shutdown(Shutdown::Both);
    });
    Link::new(None, near.try_clone().unwrap(), near, FRAMING, LONG)
}

fn store_at(
    root: &Path,
    path: &Path,
    grant: Grant,
    opening: Opening,
) -> Result<SshStore, StoreError> {
    let root = root.to_owned();
    let make = move || link(&root, grant, &Cuts::default());
    SshStore::over(opening, path.to_str().unwrap(), make)
}

fn create(path: &Path, grant: Grant) -> SshStore {
    store_at(path, path, grant, Opening::Create).unwrap()
}

#[test]
fn a_served_folder_keeps_the_contract() {
    let parent = tempdir().unwrap();
    conformance(&|| {
        let folder = tempfile::tempdir_in(&parent).unwrap().keep().join("new/folder");
        Box::new(create(&folder, Grant::All))
    });
}

#[test]
fn a_folder_is_made_only_when_the_client_asks() {
    let parent = tempdir().unwrap();
    let folder = parent.path().join("new");
    let error = store_at(&folder, &folder, Grant::All, Opening::Open).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotFound);
    assert!(!folder.exists());
    create(&folder, Grant::Append).put_new("a", &[b"1"], Durability::Now).unwrap();
    let error = store_at(&folder, &folder, Grant::All, Opening::Create).unwrap_err();
    assert!(std::error::Error::source(&error).is_none(), "{error}");
    assert!(error.to_string().contains("not empty"), "{error}");
}

#[test]
fn append_only_refuses_deletes_and_the_rest_goes_on() {
    let folder = tempdir().unwrap();
    let store = create(folder.path(), Grant::Append);
    store.put_new("a", &[b"1"], Durability::Now).unwrap();
    assert_eq!(store.put_new("a", &[b"2"], Durability::Now).unwrap(), Put::Exists);
    let error = store.delete("a").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Permission);
    assert_eq!(store.delete("absent").unwrap_err().kind, StoreErrorKind::Permission);
    assert_eq!(read(&store, "a"), b"1");
    store.barrier().unwrap();
}

#[test]
fn nothing_outside_the_folder_is_served() {
    let parent = tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    for folder in ["given/inside", "secret", "given-too"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    std::os::unix::fs::symlink(at("secret"), at("given/link")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("given/broken")).unwrap();
    let open = |path: &str, opening| store_at(&at("given"), &at(path), Grant::All, opening);
    for path in ["given", "given/inside", "given/inside/../inside", "secret/../given"] {
        open(path, Opening::Open).map(drop).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    for path in ["secret", "given-too", "given/link", "given/..", "given/../secret", ""] {
        let error = open(path, Opening::Open).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Permission, "{path}");
    }
    for path in ["secret/new", "given/link/new", "given/broken", "given/no/../../secret/new"] {
        open(path, Opening::Create).map(drop).expect_err(path);
    }
    assert!(!at("nowhere").exists() && fs::read_dir(at("secret")).unwrap().next().is_none());
    open("given/new/deep", Opening::Create).unwrap();
}

#[test]
fn a_connection_that_is_cut_is_made_anew_and_nothing_is_lost() {
    let folder = tempdir().unwrap();
    let (root, cuts) = (folder.path().to_owned(), Cuts::default());
    let own = Arc::clone(&cuts);
    let make = move || link(&root, Grant::All, &own);
    let path = folder.path().to_str().unwrap();
    let store = SshStore::over(Opening::Open, path, make).unwrap();
    let bytes = noise(3, 2 << 20);
    for n in 0..5 {
        store.put_new(&format!("pack/{n}"), &[&bytes], Durability::AtBarrier).unwrap();
        cuts.lock().unwrap().iter().for_each(|cut| _ = cut.shutdown(Shutdown::Both));
        assert!(read(&store, &format!("pack/{n}")) == bytes);
    }
    store.barrier().unwrap();
    assert_eq!(names(&store, "").len(), 5);
    assert!(cuts.lock().unwrap().len() >= 6, "each cut needed a new connection");
}

/// What a server answers to these bytes, and how it ends.
fn served(bytes: &[u8]) -> (Vec<u8>, io::Result<()>) {
    let mut out = Vec::new();
    let ended = serve(Cursor::new(bytes), &mut out, Grant::All, |_| Ok(MemoryStore::new()));
    (out, ended)
}

fn greeting() -> Vec<u8> {
    Hello { opening: Opening::Open, path: "/x".to_owned() }.frame(1).done()
}

#[test]
fn a_client_that_does_not_keep_to_the_protocol_is_sent_away() {
    let part = |id, len| Frame::new(id, ask::PART).bytes(&vec![0; len]).done();
    let put = |id| Frame::new(id, ask::PUT).long(0).bytes(b"a").done();
    let mut other_version = greeting();
    other_version[4 + 5 + 11] = 99;
    for (what, bytes) in [
        ("no greeting", put(1)),
        ("another version", other_version),
        ("a frame that is too long", [greeting(), u32::MAX.to_le_bytes().to_vec()].concat()),
        ("a frame without a head", [greeting(), vec![2, 0, 0, 0, 1, 1]].concat()),
        ("half a frame", greeting()[..9].to_vec()),
        ("half a length", [greeting(), vec![1]].concat()),
        ("mixed parts", [greeting(), part(2, 1), part(3, 1)].concat()),
        ("the put of another", [greeting(), part(2, 1), put(3)].concat()),
    ] {
        assert!(served(&bytes).1.is_err(), "{what}");
    }
    let (out, ended) = served(&greeting());
    ended.unwrap();
    assert_eq!(out[4..], [1, 0, 0, 0, answer::WELCOME]);
}

#[test]
fn a_malformed_request_is_an_error_of_its_own_and_the_next_is_answered() {
    let bad = [
        Frame::new(2, ask::GET).bytes(&[1, 2, 3]).done(),
        Frame::new(3, ask::SIZE).bytes(&[0xff]).done(),
        Frame::new(4, ask::SIZE).bytes(b"../secret").done(),
        Frame::new(5, 99).done(),
        Frame::new(6, ask::RANGE).long(0).long(u64::MAX).bytes(b"a").done(),
    ];
    let (out, ended) = served(&[greeting(), bad.concat()].concat());
    ended.unwrap();
    let mut rest = Cursor::new(out);
    let mut answers = Vec::new();
    while let Some(frame) = read_frame(&mut rest).unwrap() {
        let arrived = Arrived::read(&frame).unwrap();
        answers.push((arrived.id, arrived.kind));
    }
    answers.sort_unstable();
    let errors = (2..=6).map(|id| (id, answer::ERROR));
    let expected: Vec<_> = [(1, answer::WELCOME)].into_iter().chain(errors).collect();
    assert_eq!(answers, expected);
}

#[test]
fn errors_keep_their_kind_on_the_way() {
    for kind in [
        StoreErrorKind::NotFound,
        StoreErrorKind::ReadOnly,
        StoreErrorKind::NoSpace,
        StoreErrorKind::Permission,
        StoreErrorKind::TooLarge,
        StoreErrorKind::Truncated,
        StoreErrorKind::BadName,
        StoreErrorKind::Unreachable,
        StoreErrorKind::Other,
    ] {
        assert_eq!(kind_of(number_of(kind)), kind);
    }
    assert_eq!(kind_of(200), StoreErrorKind::Other);
}

#[test]
fn a_server_that_lies_is_an_error_for_the_client() {
    let lies: [&[u8]; 4] = [
        &Frame::new(2, answer::BYTES).bytes(&[7; 100]).done(),
        &Frame::new(2, answer::SIZE).bytes(&[1]).done(),
        &Frame::new(2, answer::NAMES).bytes(&[0; 9]).done(),
        &Frame::new(2, answer::ERROR).done(),
    ];
    for lie in lies {
        let lie = lie.to_vec();
        let make = move || {
            let (near, mut far) = UnixStream::pair().unwrap();
            let lie = lie.clone();
            thread::spawn(move || {
                read_frame(&mut far).unwrap().unwrap();
                far.write_all(&Frame::new(1, answer::WELCOME).done()).unwrap();
                read_frame(&mut far).unwrap().unwrap();
                far.write_all(&lie).unwrap();
                let _ = read_frame(&mut far); // until the client goes
            });
            Link::new(None, near.try_clone().unwrap(), near, FRAMING, LONG)
        };
        let store = SshStore::over(Opening::Open, "/x", make).unwrap();
        let mut out = Vec::new();
        let error = store.get("a", 50, &mut out).unwrap_err();
        assert_eq!((error.kind, out.len()), (StoreErrorKind::Other, 0));
    }
}

proptest! {
    #[test]
    fn no_bytes_of_a_client_make_a_server_fail_otherwise_than_with_an_error(
        frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..20),
        end in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut bytes = greeting();
        for (kind, body) in frames {
            bytes.extend(Frame::new(u32::from(kind), kind % 12).bytes(&body).done());
        }
        bytes.extend(end);
        let _ = served(&bytes);
    }
}
