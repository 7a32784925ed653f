//! What programs and shells read: errors as JSON, names in hexadecimal, completions, manuals.

use crate::support::{Home, Ran, needs};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

/// The last line on standard error, as JSON.
fn last_error(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(ran.err.lines().last().unwrap())
        .unwrap_or_else(|e| panic!("{e}: {}", ran.err))
}

#[test]
fn with_json_an_error_is_one_object_on_standard_error_and_the_output_stays_clean() {
    let home = Home::new();
    let file = home.write("file", "x");
    let ran = home.run(["snapshots", "--json"]).exit(10);
    let error = last_error(&ran);
    assert!(error["error"].as_str().unwrap().ends_with("holds no esker repository"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("esker init"), "{error}");
    assert_eq!((&error["exit_code"], &error["causes"]), (&10.into(), &serde_json::json!([])));
    assert_eq!((ran.err.lines().count(), &*ran.out), (1, ""));

    home.snapshot(&file).ok();
    let error = last_error(&home.run(["--json", "cat", "latest:/nowhere"]).exit(1));
    assert!(error["error"].as_str().unwrap().starts_with("/nowhere is not in snapshot"));
    // What lies below an error is told too.
    std::fs::write(home.repository().join("config"), "no config").unwrap();
    let ran = home.run(["ls", "latest", "--json"]);
    let error = last_error(&ran);
    assert_eq!(error["exit_code"], ran.code);
    assert_eq!(error["causes"].as_array().unwrap().len(), 1, "{error}");
    let ran = home.run(["ls", "latest"]).says(&["error: config ", "caused by: "]);
    assert!(serde_json::from_str::<serde_json::Value>(&ran.err).is_err());
}

#[test]
fn with_json_words_that_make_no_sense_are_an_object_too() {
    let home = Home::new();
    for (words, error, hint) in [
        (
            &["--json", "ls", "latest", "--nothing"][..],
            "unexpected argument '--nothing' found",
            "Usage:",
        ),
        (&["ls", "--json"], "required arguments were not provided", "esker ls"),
        (&["snapshots", "--json", "--at", "soon"], "invalid value 'soon'", "--help"),
        (&["--json"], "requires a subcommand", "Usage: esker"),
    ] {
        let ran = home.run(words).exit(1);
        let told = last_error(&ran);
        assert!(told["error"].as_str().unwrap().contains(error), "{told}");
        assert!(told["hint"].as_str().unwrap().contains(hint), "{told}");
        assert_eq!((&told["exit_code"], &*ran.out), (&1.into(), ""));
    }
    // Behind two dashes it is a path.
    let ran = home.run(["ls", "a", "b", "--", "--json"]).exit(1);
    ran.says(&["error: unexpected argument", "Usage:"]);
    assert!(home.run(["--json", "--help"]).ok().out.contains("Usage: esker"));
}

#[test]
fn names_that_are_no_text_are_there_in_hexadecimal_too() {
    let home = Home::new();
    let work = home.path("work");
    home.write("work/plain", "");
    std::os::unix::fs::symlink(
        OsStr::from_bytes(b"to\xfe"),
        work.join(OsStr::from_bytes(b"odd\xff\\")),
    )
    .unwrap();
    home.snapshot(&work).ok();
    let rows = home.run(["ls", "--json", &format!("latest:{}", work.display())]).ok().json();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        super::bytes(&rows[0], "path"),
        work.join(OsStr::from_bytes(b"odd\xff\\")).as_os_str().as_bytes()
    );
    assert_eq!(super::bytes(&rows[0], "target"), b"to\xfe");
    assert!(rows[1].get("path_hex").is_none() && rows[1].get("target_hex").is_none());
}

#[test]
fn shells_understand_their_completions() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.run(["completions", shell]).ok().says_nothing().out;
        for word in ["snapshot", "exclusive", "esker"] {
            assert!(script.contains(word), "{word} for {shell}");
        }
        if shell == "bash" && needs("bash") {
            let path = home.write("completions", script);
            let list = "source \"$0\"; COMP_WORDS=(esker sna); COMP_CWORD=1; _esker esker sna esker; \
                        echo ${COMPREPLY[@]}";
            let output = Command::new("bash").args(["-c", list]).arg(path).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "snapshot snapshots\n");
        }
    }
    home.run(["completions", "command.com"]).exit(1).says(&["possible values: bash"]);
}

#[test]
fn every_command_has_a_manual_page() {
    let home = Home::new();
    let page = home.run(["man"]).ok().says_nothing().out;
    assert!(page.contains(".TH esker 1") && page.contains("ESKER_REPOSITORY"), "{page}");
    let folder = home.path("new/man");
    home.run(["man".as_ref(), folder.as_os_str()]).ok().says_nothing();
    let help = home.run(["--help"]).ok().out;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands.iter().filter(|command| **command != "help") {
        let page = std::fs::read_to_string(folder.join(format!("esker-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains(command), "{command}");
    }
    let file = home.write("file", "");
    home.run(["man".as_ref(), file.as_os_str()]).exit(1).says(&["cannot write manual pages into"]);
}
