//! Archives out of snapshots, and snapshots of archives.

use super::snapshots;
use crate::support::tree::{Refused, Tree};
use crate::support::{Draw, Home, differences, needs};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn tar(words: &[&str], folder: &Path) {
    // Of old times and times to come it has something to say, with names as they are.
    let ran = Command::new("tar").args(words).current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// A tree of many kinds, saved; returns where it is.
fn grown(home: &Home, number: u64) -> PathBuf {
    let source = home.path("tree");
    Tree::grow(number, &[source.join("one"), source.join("two")], &mut Refused::default());
    // No tar has these.
    let sockets = Command::new("find").arg(&source).args(["-type", "s", "-delete"]).status();
    assert!(sockets.unwrap().success());
    home.snapshot(&source).ok();
    source
}

#[test]
fn an_exported_tree_is_unpacked_by_tar_to_what_was_saved() {
    if !needs("tar") || !needs("rsync") || !rustix::process::geteuid().is_root() {
        return;
    }
    let home = Home::new();
    let long = format!("tree/{}/{}", "d".repeat(120), "f".repeat(200));
    home.write(&long, vec![7; 3 << 20]);
    home.write("tree/a/small", "small");
    home.write("tree/a/empty", "");
    let (tree, a) = (home.path("tree"), home.path("tree/a"));
    let script = "ln small other; ln -s ../nowhere link; mkfifo pipe; mknod null c 1 3; \
         truncate -s 5M sparse; printf x | dd of=sparse bs=1 seek=3000000 conv=notrunc status=none; \
         chown 12345:54321 small; chmod 4751 small; touch -d '2001-02-03 04:05:06.123456789' small; \
         printf x >\"$(printf 'n\\377')\"; chmod 1777 .; python3 -c \
         'import os; os.setxattr(\"small\", \"user.note\", b\"x\\0y\")'";
    let made = Command::new("sh").args(["-c", script]).current_dir(&a).status().unwrap();
    assert!(made.success());
    home.snapshot(&tree).ok();
    let what = format!("latest:{}", tree.display());
    let file = home.path("a.tar");
    home.run(["export", &what, "-o", file.to_str().unwrap()]).ok().says_nothing();
    let out = home.path("out");
    std::fs::create_dir(&out).unwrap();
    let words = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf"];
    tar(&words.into_iter().chain([file.to_str().unwrap()]).collect::<Vec<_>>(), &out);
    // The directory itself is not in it.
    for entry in std::fs::read_dir(&tree).unwrap() {
        let name = entry.unwrap().file_name();
        let found = differences(&tree.join(&name), &out.join(&name));
        // Where the holes were tar cannot know.
        let found: Vec<_> = found.iter().filter(|line| !line.contains("sparse")).collect();
        assert!(found.is_empty(), "{found:?}");
    }
    assert_eq!(std::fs::read(out.join("a/sparse")).unwrap().len(), 5 << 20);
}

#[test]
fn an_exported_zip_is_unpacked_by_others_to_what_was_saved() {
    if !needs("python3") || !needs("unzip") {
        return;
    }
    let home = Home::new();
    let long = format!("tree/{}/{}", "d".repeat(120), "f".repeat(200));
    home.write(&long, Draw::new(8).noise(5 << 20));
    home.write("tree/a/small", "small");
    home.write("tree/a/empty", "");
    home.write("tree/a/\u{fc}", "text");
    let a = home.path("tree/a");
    let script = "ln small other; ln -s ../nowhere link; mkfifo pipe; mkdir none; chmod 1777 none; \
         truncate -s 5M sparse; chmod 4751 small; touch -d '2001-02-03 04:05:06Z' small";
    let made = Command::new("sh").args(["-c", script]).current_dir(&a).status().unwrap();
    assert!(made.success());
    home.snapshot(home.path("tree")).ok();
    let what = format!("latest:{}", home.path("tree").display());
    let file = home.path("a.zip");
    let name = file.to_str().unwrap();
    let ran = home.run(["export", "--format", "zip", &what, "-o", name]).exit(3);
    ran.says(&["tree/a/pipe is a pipe, which no zip can have"]);
    let out = home.path("out");
    // In a zone where local time would be told from another.
    let mut unzip = Command::new("unzip");
    unzip.args(["-q", name, "-d"]).arg(&out).env("TZ", "Asia/Tokyo");
    assert!(unzip.status().unwrap().success());
    std::fs::remove_file(a.join("pipe")).unwrap();
    let diff = Command::new("diff").arg("-r").arg(home.path("tree")).arg(&out).output().unwrap();
    let diff = String::from_utf8(diff.stdout).unwrap();
    // A link that leads nowhere is there twice.
    assert!(diff.is_empty(), "{diff}");
    assert_eq!(std::fs::read_link(out.join("a/link")).unwrap(), Path::new("../nowhere"));
    let (saved, found) = (a.join("small").metadata(), out.join("a/small").metadata());
    let (saved, found) = (saved.unwrap(), found.unwrap());
    assert_eq!(found.modified().unwrap(), saved.modified().unwrap());
    assert_eq!(found.mode(), 0o100_751, "without the right of its owner, as unzip does");
    let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert not z.testzip(); \
         i = z.getinfo('a/small'); print(oct(i.external_attr >> 16), i.date_time, z.read('a/\u{fc}'))";
    let ran = Command::new("python3").args(["-c", script, name]).output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(told, "0o104751 (2001, 2, 3, 4, 5, 6) b'text'\n");
}

#[test]
fn an_exported_tree_is_imported_to_what_was_saved() {
    if !needs("rsync") || !rustix::process::geteuid().is_root() {
        return;
    }
    for number in [503, 507, 533] {
        let home = Home::new();
        let source = grown(&home, number);
        let what = format!("latest:{}", source.display());
        let packed = home.path("a.tar.zst");
        let to = ["--format", "tar.zst", "-o", packed.to_str().unwrap()];
        home.run(["export", &what].iter().chain(&to)).ok().says_nothing();
        home.run(["import", packed.to_str().unwrap(), "--label", "back"]).ok().says_nothing();
        let target = home.path("target");
        home.restore("back:latest", &target).ok().says_nothing();
        for name in ["one", "two"] {
            let found = differences(&source.join(name), &target.join(name));
            let all = found.join("\n");
            let some: String = all.chars().take(2000).collect();
            assert!(found.is_empty(), "tree {number}, {name}:\n{some}");
        }
        home.run(["check"]).ok();
    }
}

#[test]
fn archives_of_tar_are_imported_however_they_are_packed_and_add_nothing_twice() {
    if !needs("tar") {
        return;
    }
    let home = Home::new();
    let long = format!("in/{}/{}", "d".repeat(120), "f".repeat(200));
    home.write(&long, vec![7; 3 << 20]);
    home.write("in/small", "small");
    std::fs::hard_link(home.path("in/small"), home.path("in/other")).unwrap();
    std::os::unix::fs::symlink("../small", home.path("in/link")).unwrap();
    home.snapshot(home.path("in")).ok();
    for (number, words) in [
        &["--format=gnu", "-cf"][..],
        &["--format=pax", "-czf"],
        &["--format=ustar", "--exclude=d*", "-cf"],
    ]
    .iter()
    .enumerate()
    {
        let file = home.path(format!("{number}.tar"));
        let words: Vec<&str> =
            words.iter().copied().chain([file.to_str().unwrap(), "./in"]).collect();
        tar(&words, &home.path(""));
        let ran = home.run(["import", "--json", file.to_str().unwrap()]).ok();
        let added = ran.json()[0]["counts"]["added_bytes"].as_u64().unwrap();
        assert!(added < 4096, "{added}");
        assert_eq!(home.run(["cat", "latest:/in/other"]).ok().out, "small");
        let rows = home.run(["ls", "--json", "latest"]).ok().json();
        let groups: Vec<_> = rows.iter().filter(|row| !row["links"].is_null()).collect();
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0]["links"], groups[1]["links"]);
        if number < 2 {
            let found = home.run(["cat", &format!("latest:/{long}")]).ok();
            assert_eq!(found.out.len(), 3 << 20);
        }
    }
}

/// An archive with one regular file of each name, and links.
fn archive(entries: &[(&str, Option<&str>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, link) in entries {
        let mut head = [0u8; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[100..108].copy_from_slice(b"0000644\0");
        head[108..116].copy_from_slice(b"0000000\0");
        head[116..124].copy_from_slice(b"0000000\0");
        head[124..136].copy_from_slice(b"00000000000\0");
        head[136..148].copy_from_slice(b"00000000001\0");
        let (kind, target) = match link {
            None => (b'0', ""),
            Some(target) => match target.strip_prefix("->") {
                Some(target) => (b'2', target),
                None => (b'1', *target),
            },
        };
        head[156] = kind;
        head[157..157 + target.len()].copy_from_slice(target.as_bytes());
        head[257..265].copy_from_slice(b"ustar\x0000");
        head[148..156].fill(b' ');
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        bytes.extend(head);
    }
    bytes.extend([0; 1024]);
    bytes
}

#[test]
fn archives_with_hostile_names_are_refused_as_a_whole() {
    let home = Home::new();
    home.snapshot(home.write("file", "before")).ok();
    let refused = |entries: &[(&str, Option<&str>)], why: &str| {
        let file = home.write("hostile.tar", archive(entries));
        let ran = home.run(["import", file.to_str().unwrap()]).exit(1);
        ran.says(&["error: ", why, "hint: no snapshot was made"]);
    };
    refused(&[("good", None), ("../out", None)], "its entry ../out leads out of the archive");
    refused(&[("a/../../out", None)], "leads out of the archive");
    refused(
        &[("a", Some("->/etc")), ("a/passwd", None)],
        "/a/passwd was not saved: it lies below /a",
    );
    refused(&[("a", None), ("a/b/c", None)], "it lies below /a, which is no directory");
    refused(&[("a", Some("../../etc/shadow"))], "is a link: leads out of the archive");
    refused(
        &[("a", Some("not/there"))],
        "it is a link to /not/there, which does not come before it",
    );
    refused(&[("a", Some("->"))], "cannot be stored");
    assert_eq!(snapshots(&home), 1);
    // An absolute name stands below the root of the snapshot, and the last of two counts.
    let file = home.write("fine.tar", archive(&[("/etc/x", None), ("/etc/x", Some("->y"))]));
    home.run(["import", file.to_str().unwrap()]).ok();
    let rows = home.run(["ls", "--json", "latest"]).ok().json();
    assert_eq!((&rows[1]["path"], &rows[1]["target"]), (&"/etc/x".into(), &"y".into()));
}

#[test]
fn archives_that_are_cut_off_or_none_are_refused() {
    let home = Home::new();
    home.snapshot(home.write("file", "before")).ok();
    let whole = archive(&[("a", None), ("b", None)]);
    for (bytes, why) in [
        (&whole[..1024], "it has no end: it was cut off"),
        (&whole[..700], "it has no end: it was cut off"),
        (&[][..], "it is empty"),
        (b"no archive at all, but some text\n", "it is no tar archive"),
        (&[b'x'; 2048], "the sum of a header is wrong"),
        (b"\xfd7zXZ\0", "it is compressed with xz"),
        (b"\x1f\x8b\x08\0", "it has no end: it was cut off"),
    ] {
        let file = home.write("bad.tar", bytes);
        home.run(["import", file.to_str().unwrap()]).exit(1).says(&[why]);
    }
    home.run(["import", "/no/such"]).exit(1).says(&["cannot read /no/such"]);
    home.run(["import", home.path("").to_str().unwrap()]).exit(1).says(&["is a directory"]);
    assert_eq!(snapshots(&home), 1);
}

#[test]
fn an_export_of_what_is_damaged_leaves_no_file() {
    let home = Home::new();
    home.snapshot(home.write("file", vec![7; 1 << 20])).ok();
    let pack =
        Command::new("find").arg(home.repository().join("pack")).args(["-type", "f"]).output();
    for pack in String::from_utf8(pack.unwrap().stdout).unwrap().lines() {
        let mut bytes = std::fs::read(pack).unwrap();
        bytes[300..].fill(1);
        std::fs::write(pack, bytes).unwrap();
    }
    let file = home.path("out.tar");
    home.run(["export", "latest", "-o", file.to_str().unwrap()]).exit(4);
    assert!(!file.exists());
    let torn = std::fs::File::create(home.path("torn.tar")).unwrap();
    let mut export = home.command();
    export.args(["export", "latest"]).stdout(torn);
    assert_eq!(export.status().unwrap().code(), Some(4));
    let mut list = Command::new("tar");
    let list = list.arg("-tf").arg(home.path("torn.tar")).output().unwrap();
    assert!(!list.status.success(), "{list:?}");
    let piped = home.path("piped.zip");
    let to = std::fs::File::create(&piped).unwrap();
    let mut export = home.command();
    export.args(["export", "latest", "--format", "zip"]).stdout(to);
    assert_eq!(export.status().unwrap().code(), Some(4));
    let bytes = std::fs::read(&piped).unwrap();
    assert!(!bytes.windows(4).any(|four| four == b"PK\x05\x06"), "nobody takes it for all");
    home.write("out.tar", "mine");
    home.run(["export", "latest", "-o", file.to_str().unwrap()])
        .exit(1)
        .says(&["out.tar is there already"]);
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
}

#[test]
fn an_archive_whose_root_is_no_directory_is_refused() {
    let home = Home::new();
    home.run(["init"]).ok();
    for (name, kind) in [
        (".", tar::EntryType::Regular),
        ("", tar::EntryType::Regular),
        ("./", tar::EntryType::Symlink),
        (".", tar::EntryType::Link),
    ] {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.as_old_mut().linkname[..3].copy_from_slice(b"etc");
        for set in [tar::Header::set_uid, tar::Header::set_gid, tar::Header::set_mtime] {
            set(&mut header, 0);
        }
        header.set_size(0);
        header.set_cksum();
        let archive = home.write("a.tar", [header.as_bytes().as_slice(), &[0; 1024]].concat());
        let ran = home.run(["import", archive.to_str().unwrap()]).exit(1);
        ran.says(&["is the root of it, and no directory"]);
    }
    assert_eq!(snapshots(&home), 0);
}
