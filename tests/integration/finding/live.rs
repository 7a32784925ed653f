//! `diff --live`: a snapshot and the file system.

use crate::support::tree::{Refused, Tree};
use crate::support::{Home, Ran};

#[test]
fn a_restore_elsewhere_is_what_it_was_made_from() {
    let home = Home::new();
    let source = home.path("source");
    Tree::grow(810, &[source.join("one"), source.join("two")], &mut Refused::default());
    home.write("source/one/plain/file", "abc");
    home.snapshot(&source).ok();
    let one = format!("latest:{}/one", source.display());
    let file = format!("latest:{}/one/plain/file", source.display());
    for (number, what) in ["latest", &one, &file].into_iter().enumerate() {
        let target = home.path(format!("target{number}"));
        // Who is not root does not get owners back.
        let restored = home.restore(what, &target);
        assert!([0, 3].contains(&restored.code), "{}", restored.err);
        let place = format!("--live={}", target.display());
        let ran = home.run(["diff", what, &place, "--content", "--exit-code"]).ok();
        assert_eq!(ran.out, "no differences\n", "{what}");
    }
    let inside = home.path(format!("target0/{}", source.display()));
    std::fs::write(inside.join("one/plain/file"), "abd").unwrap();
    let place = format!("--live={}", home.path("target0").display());
    let ran = home.run(["diff", "latest", &place, "--ignore-metadata", "--content"]).ok();
    let path = format!("{}/one/plain/file", source.display());
    assert_eq!(ran.out.lines().next().unwrap(), format!("M  {path}"));
    let ran = home.run(["diff", "latest", "--live", &path]).ok();
    assert_eq!(ran.out, "no differences\n", "the source itself did not change");
}

#[test]
fn without_content_another_time_is_a_question_and_with_it_an_answer() {
    let home = Home::new();
    let (a, b) = (home.write("work/a", "same"), home.write("work/b", "1234"));
    home.snapshot(home.path("work")).ok();
    std::fs::write(&b, "5678").unwrap();
    std::fs::File::options()
        .append(true)
        .open(&a)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    let ran = home.run(["diff", "latest", "--live"]).ok();
    assert_eq!(
        ran.out,
        format!(
            "?  {}\n?  {}\n2 of another time, content not compared\n",
            a.display(),
            b.display()
        )
    );
    let ran = home.run(["diff", "latest", "--live", "--content"]).ok();
    assert!(ran.out.starts_with(&format!("m  {}  (mtime)\nM  {}\n", a.display(), b.display())));
}

#[test]
fn sources_that_are_gone_or_replaced_are_told_and_what_is_beside_them_is_not() {
    let home = Home::new();
    home.write("work/a/file", "1");
    home.write("work/b/file", "2");
    home.write("work/beside", "3");
    let (a, b) = (home.path("work/a"), home.path("work/b"));
    home.run(["snapshot".as_ref(), a.as_os_str(), b.as_os_str()]).ok();
    std::fs::remove_dir_all(&a).unwrap();
    std::fs::rename(&b, home.path("work/c")).unwrap();
    std::os::unix::fs::symlink("c", &b).unwrap();
    let ran = home.run(["diff", "latest", "--live"]).ok();
    let lines: Vec<&str> = ran.out.lines().collect();
    let expected = [
        format!("-  {}/", a.display()),
        format!("T  {}  (directory, now symlink)", b.display()),
        format!("-  {}/file", a.display()),
        format!("-  {}/file", b.display()),
    ];
    assert_eq!(lines[..4], expected);
    assert_eq!(lines.len(), 5);
    std::fs::remove_dir_all(home.path("work")).unwrap();
    let ran = home.run(["diff", "latest", "--live"]).ok();
    assert!(ran.out.contains(&format!("-  {}/\n", home.path("work").display())), "{}", ran.out);
}

#[test]
fn what_cannot_be_listed_is_a_problem_and_not_gone() {
    let home = Home::new();
    home.write("work/closed/file", "1");
    home.write("work/open", "2");
    let mut snapshot = home.command_without_root();
    Ran::of(snapshot.arg("snapshot").arg(home.path("work"))).ok();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    std::fs::set_permissions(home.path("work/closed"), mode).unwrap();
    let mut diff = home.command_without_root();
    let ran = Ran::of(diff.args(["diff", "latest", "--live"])).exit(3);
    let closed = home.path("work/closed");
    let ran =
        ran.says(&[&format!("warning: {} cannot be listed: Permission denied", closed.display())]);
    let expected =
        format!("m  {}/  (mode)\n1 with other metadata, 1 not looked at\n", closed.display());
    assert_eq!(ran.out, expected);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(closed, mode).unwrap();
}

#[test]
fn the_repository_and_the_key_are_no_differences_where_they_lie_in_what_was_saved() {
    let home = Home::new();
    home.write("file", "1");
    home.snapshot(home.path("")).ok();
    let ran = home.run(["diff", "latest", "--live", "--content", "--ignore-metadata"]).ok();
    assert_eq!(ran.out, "no differences\n");
}
