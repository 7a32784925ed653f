//! The words of the command line, and the last words of `ssh`.

use super::*;

#[test]
fn the_host_and_the_path_cannot_become_options_of_ssh() {
    let target = SshTarget::parse("me@[::1]:2222/x").unwrap();
    let words = arguments(&SshOptions::default(), &target, Far::Subsystem("sftp"));
    let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
    assert_eq!(words[0], "ssh");
    assert!(words.contains(&"-oBatchMode=yes"));
    assert_eq!(words[words.len() - 3..], ["--", "::1", "sftp"]);
    let asking = SshOptions { ask: true, ..SshOptions::default() };
    let words = arguments(&asking, &target, Far::Command("esker"));
    assert!(!words.iter().any(|word| word == "-oBatchMode=yes" || word == "-s"));
}

#[test]
fn the_end_of_ssh_says_whether_trying_again_makes_sense() {
    let kind = |code, said| match judge(code, said, "nothing") {
        Trouble::Fault(kind, _) => Some(kind),
        _ => None,
    };
    let denied = "me@h: Permission denied (publickey,password).";
    assert_eq!(kind(Some(255), denied), Some(StoreErrorKind::Permission));
    assert_eq!(kind(Some(255), "ssh: connect to host h port 22: Connection refused"), None);
    assert_eq!(kind(Some(127), "sh: 1: esker: not found"), Some(StoreErrorKind::Other));
    assert_eq!(kind(Some(1), "subsystem request failed"), Some(StoreErrorKind::Other));
    assert_eq!(kind(Some(137), ""), None);
    assert_eq!(kind(None, ""), None);
}
