use super::*;
use crate::source::stat::Identity;
use esker_format::node::Time;
use std::path::Path;

const FILE: u32 = 0o100_644;
const DIRECTORY: u32 = 0o040_755;
const SYMLINK: u32 = 0o120_777;

fn stat(mode: u32, size: u64) -> Stat {
    let time = Time { seconds: 1, nanos: 1 };
    Stat {
        identity: Identity { device: 1, inode: 1 },
        mount: 1,
        mode,
        names: 1,
        uid: 0,
        gid: 0,
        size,
        blocks: 8,
        mtime: time,
        ctime: time,
        device_number: (0, 0),
    }
}

fn select(patterns: &[&str]) -> Select {
    let mut select = Select::default();
    for text in patterns {
        select.add_pattern(Pattern::new(text.as_bytes(), false, None).unwrap());
    }
    select
}

/// Whether an entry of this absolute path is left out.
fn ask(select: &Select, path: &[u8], mode: u32) -> bool {
    let at = path.iter().rposition(|b| *b == b'/').unwrap();
    let parent = path[1..at.max(1)].to_vec();
    let parent: Vec<u8> = parent.iter().map(|b| if *b == b'/' { 0 } else { *b }).collect();
    select.leaves_out(&mut select.scope(&parent), &path[at + 1..], &stat(mode, 10))
}

#[track_caller]
fn check(patterns: &[&str], yes: &[&str], no: &[&str]) {
    let select = select(patterns);
    for path in yes {
        assert!(ask(&select, path.as_bytes(), FILE), "{patterns:?} should match {path}");
    }
    for path in no {
        assert!(!ask(&select, path.as_bytes(), FILE), "{patterns:?} should not match {path}");
    }
}

#[test]
fn a_name_matches_at_any_depth_and_only_as_a_whole() {
    check(&["core"], &["/core", "/a/b/core"], &["/a/core.c", "/a/score", "/core.d/file"]);
    check(&["*.o"], &["/x.o", "/a/b/.o"], &["/x.oo", "/a/x.O", "/x.o/file"]);
}

#[test]
fn a_leading_slash_is_the_root_of_the_file_system() {
    check(&["/core"], &["/core"], &["/a/core"]);
    check(&["/a/*.o"], &["/a/x.o"], &["/a/b/x.o", "/b/a/x.o"]);
}

#[test]
fn a_path_without_a_leading_slash_matches_at_any_depth() {
    check(&["b/c"], &["/b/c", "/a/b/c"], &["/a/xb/c", "/b/c/d", "/b/x/c"]);
    check(&["b/*.o"], &["/a/b/x.o"], &["/a/b/c/x.o"]);
}

#[test]
fn two_stars_stand_for_any_number_of_directories() {
    check(&["/a/**/z"], &["/a/z", "/a/b/z", "/a/b/c/z"], &["/b/a/z", "/a/zz"]);
    check(&["a/**"], &["/a/z", "/x/a/b/c"], &["/a", "/ab/z"]);
    check(&["**/b/c"], &["/b/c", "/a/b/c"], &["/a/bb/c"]);
    check(&["a**z"], &["/az", "/x/abcz"], &["/a/z"]);
}

#[test]
fn a_trailing_slash_is_for_directories_and_not_for_links_to_them() {
    for patterns in [["build/"], ["/a/build/"], ["a/build/"]] {
        let select = select(&patterns);
        assert!(ask(&select, b"/a/build", DIRECTORY), "{patterns:?}");
        assert!(!ask(&select, b"/a/build", FILE), "{patterns:?}");
        assert!(!ask(&select, b"/a/build", SYMLINK), "{patterns:?}");
    }
}

#[test]
fn of_all_patterns_that_match_the_last_one_counts() {
    let patterns = ["*.log", "!keep.log", "/a/keep.log"];
    check(&patterns, &["/x.log", "/a/keep.log"], &["/keep.log", "/b/keep.log"]);
    check(&["!*.log", "*.log"], &["/x.log"], &[]);
}

#[test]
fn question_marks_and_classes_are_one_byte_and_never_a_slash() {
    check(&["a?c"], &["/abc", "/x/a-c"], &["/ac", "/a/c", "/abbc"]);
    check(&["/a?c", "/d[!x]f"], &["/a.c", "/d.f"], &["/a/c", "/d/f", "/dxf"]);
    check(&["[a-c]x", "[^a-c]y"], &["/ax", "/cx", "/dy"], &["/dx", "/ay"]);
    check(&["[[:digit:]]*"], &["/1", "/2x"], &["/x2"]);
    check(&["[]]", "[]-]x", "[[]"], &["/]", "/-x", "/["], &["/x"]);
}

#[test]
fn a_backslash_takes_the_meaning_from_what_follows() {
    check(&["\\*", "\\!x", "\\#y", "a\\[b"], &["/*", "/!x", "/#y", "/a[b"], &["/z", "/x", "/y"]);
    check(&["back\\\\slash"], &["/back\\slash"], &["/backslash"]);
    check(&["#no comment", "{a,b}"], &["/#no comment", "/{a,b}"], &["/a", "/b"]);
}

#[test]
fn names_that_are_not_utf8_match_and_so_do_patterns() {
    let select = select(&["*.tmp", "x?y"]);
    assert!(ask(&select, b"/\xff\xfe/\xff.tmp", FILE));
    assert!(ask(&select, b"/x\xffy", FILE));
    let mut select = Select::default();
    select.add_pattern(Pattern::new(b"b\xffd", false, None).unwrap());
    select.add_pattern(Pattern::new(b"f\xfeD", true, None).unwrap());
    assert!(ask(&select, b"/a/b\xffd", FILE) && !ask(&select, b"/a/b\xfed", FILE));
    assert!(ask(&select, b"/a/F\xfed", FILE) && !ask(&select, b"/a/F\xffd", FILE));
}

#[test]
fn a_pattern_that_folds_matches_whatever_the_case_of_letters_in_any_script() {
    let mut select = Select::default();
    for text in ["Thumbs.DB", "/Öl/*.Ж", "x[A-C]"] {
        select.add_pattern(Pattern::new(text.as_bytes(), true, None).unwrap());
    }
    for path in ["/a/thumbs.db", "/a/THUMBS.db", "/ÖL/a.ж", "/öl/ÄÖ.Ж", "/XB", "/xb"] {
        assert!(ask(&select, path.as_bytes(), FILE), "{path}");
    }
    for path in ["/a/thumb.db", "/ol/a.ж", "/xd"] {
        assert!(!ask(&select, path.as_bytes(), FILE), "{path}");
    }
    // Others in the same list still look at the case.
    select.add_pattern(Pattern::new(b"!THUMBS.db", false, None).unwrap());
    assert!(!ask(&select, b"/a/THUMBS.db", FILE));
    assert!(ask(&select, b"/a/Thumbs.db", FILE));
}

#[test]
fn a_file_of_patterns_has_comments_blank_lines_and_spaces_that_do_not_count() {
    let mut select = Select::default();
    let text = b"\xef\xbb\xbf*.a\n# *.b\n\n   \n*.c  \r\n*.d\\ \n!x.c\n\\#e\n*.f";
    select.add_patterns(Path::new("list"), text).unwrap();
    for path in ["/x.a", "/y.c", "/x.d ", "/#e", "/x.f"] {
        assert!(ask(&select, path.as_bytes(), FILE), "{path}");
    }
    for path in ["/x.b", "/x.c", "/x.d", "/e"] {
        assert!(!ask(&select, path.as_bytes(), FILE), "{path}");
    }
    let lines: Vec<usize> = pattern::lines(text).map(|(number, _)| number).collect();
    assert_eq!(lines, [1, 5, 6, 7, 8, 9]);
}

#[test]
fn a_pattern_that_can_match_nothing_is_refused_with_its_line() {
    let stars = "*a".repeat(49);
    let wrong = [
        "",
        "!",
        "/",
        "!/",
        "//",
        " ",
        "a//b",
        "./a",
        "a/../b",
        "a\\",
        "[",
        "a[",
        "[a",
        "[!]",
        "[]",
        "[a\\]",
        "[[:letter:]]",
        "[[:alpha:]",
        "a\0b",
        &stars,
    ];
    for text in wrong {
        let error = Pattern::new(text.as_bytes(), false, None).unwrap_err();
        assert_eq!(error.text, text.as_bytes());
    }
    let error = Select::default().add_patterns(Path::new("list"), b"a\n#\n[b\n").unwrap_err();
    assert!(error.to_string().starts_with("list:3: the pattern \"[b\" "), "{error}");
}

#[test]
fn as_many_stars_as_a_pattern_may_have_still_match() {
    let pattern = "*a".repeat(48);
    let path = format!("/x/{}", "ba".repeat(48));
    check(&[&pattern], &[&path], &["/x/ba"]);
}

#[test]
fn a_pattern_that_matched_is_not_told_as_unmatched_even_when_another_one_decided() {
    let select = select(&["*.tmp", "a*", "!b.tmp", "nothing", "!nothing"]);
    ask(&select, b"/a.tmp", FILE);
    ask(&select, b"/b.tmp", FILE);
    let unmatched: Vec<&[u8]> = select.unmatched().map(Pattern::text).collect();
    assert_eq!(unmatched, [&b"nothing"[..], b"!nothing"]);
    assert_eq!(select.left_out(Reason::Pattern), 1);
}

#[test]
fn only_files_are_too_large_and_only_above_the_limit() {
    let mut select = Select::default();
    select.leave_out_larger_than(10);
    let reason = |mode, size| select.judge(&mut select.scope(b"a"), b"x", &stat(mode, size));
    assert_eq!(reason(FILE, 10), None);
    assert_eq!(reason(FILE, 11), Some(Reason::Larger));
    assert_eq!(reason(DIRECTORY, 4096), None);
    assert_eq!(reason(SYMLINK, 11), None);
}

#[test]
fn a_mark_counts_only_with_what_it_must_begin_with() {
    let folder = tempfile::tempdir().unwrap();
    let directory = std::fs::File::open(folder.path()).unwrap();
    use std::os::fd::AsFd;
    let marks = || Marker::cache().marks(directory.as_fd());
    let tag = folder.path().join("CACHEDIR.TAG");
    assert!(!marks());
    let signature = "Signature: 8a477f597d28d172789f06886806bc55";
    for (text, is_mark) in [
        (String::new(), false),
        (signature[..42].to_owned(), false),
        (signature.replace('8', "9"), false),
        (signature.to_owned(), true),
        (format!("{signature}\n# made by a test"), true),
    ] {
        std::fs::write(&tag, text).unwrap();
        assert_eq!(marks(), is_mark);
    }
    let real = folder.path().join("real");
    std::fs::rename(&tag, &real).unwrap();
    std::os::unix::fs::symlink(&real, &tag).unwrap();
    assert!(!marks(), "a link is no mark");
    std::fs::remove_file(&tag).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &tag,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert!(!marks(), "a pipe is no mark, and is not waited for");
    assert!(Marker::new(b"CACHEDIR.TAG", b"").unwrap().marks(directory.as_fd()));
    for name in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0b"] {
        assert!(Marker::new(name, b"").is_err());
    }
}

#[test]
fn a_walk_that_begins_anew_counts_anew_what_was_given_included() {
    let select = select(&["*.o"]);
    for _ in 0..2 {
        select.begin([Reason::Pattern, Reason::Missing].into_iter());
        assert!(ask(&select, b"/a/x.o", FILE));
        assert_eq!(select.left_out(Reason::Pattern), 2);
    }
}
