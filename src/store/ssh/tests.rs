//! Words for the shell, and options of addresses.

use super::*;

#[test]
fn a_word_for_the_shell_stays_one_word() {
    for (word, quoted) in [
        ("/srv/backup", "/srv/backup"),
        ("", "''"),
        ("a b", "'a b'"),
        ("it's; rm -rf $HOME", "'it'\\''s; rm -rf $HOME'"),
        ("~", "'~'"),
    ] {
        assert_eq!(quote(word), quoted);
    }
    assert_eq!(dashed("-rf"), "./-rf");
}

#[test]
fn an_address_with_an_option_that_does_not_exist_is_refused() {
    let target = SshTarget::parse("h/x?fsync=no").unwrap();
    let error = SshStore::open(&target, &SshOptions::default()).unwrap_err();
    assert!(error.to_string().contains("no option fsync"), "{error}");
}
