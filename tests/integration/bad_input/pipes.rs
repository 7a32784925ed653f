//! Readers that go away.

use crate::support::Home;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

#[test]
fn ls_and_cat_end_quietly_when_nobody_reads_on() {
    let home = Home::new();
    let name = "n".repeat(200);
    (0..2000).for_each(|n| drop(home.write(&format!("work/{name}{n}"), "")));
    let large = home.write("work/large", "line\n".repeat(1 << 20));
    home.snapshot(home.path("work")).ok();
    let file = format!("latest:{}", large.display());
    for arguments in [&["ls", "latest"][..], &["ls", "--json", "latest"], &["cat", &file]] {
        let mut command = home.command();
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        drop(out);
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "", "{arguments:?}");
        // As whoever is ended by SIGPIPE.
        assert_eq!(child.wait().unwrap().code(), Some(141), "{arguments:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let home = Home::new();
    home.snapshot(home.write("work/file", "")).ok();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for arguments in
        [&["ls", "latest"][..], &["ls", "--json", "latest"], &["snapshots"], &["check"]]
    {
        let mut command = home.command();
        let output = command.args(arguments).stdout(full()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        let begin = if arguments.contains(&"--json") { "{\"error\":\"" } else { "error: " };
        let begin = format!("{begin}cannot write the output");
        assert!(said.starts_with(&begin), "{arguments:?}: {said}");
    }
}
