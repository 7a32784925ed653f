//! Addresses that are read, and those that are refused.

use super::*;

#[test]
fn an_address_is_user_host_port_and_path() {
    for (text, user, host, port, path) in [
        ("host/srv/backup", None, "host", None, "/srv/backup"),
        ("me@host:2222/srv/a%20b/", Some("me"), "host", Some(2222), "/srv/a b"),
        ("host/~/backup", None, "host", None, "backup"),
        ("host/./a/b", None, "host", None, "a/b"),
        ("host//srv//x", None, "host", None, "/srv//x"),
        ("me%40corp@[fe80::1%25eth0]:22/x", Some("me@corp"), "fe80::1%eth0", Some(22), "/x"),
        ("[::1]/x", None, "::1", None, "/x"),
        ("host/~other/x", None, "host", None, "/~other/x"),
    ] {
        let target = SshTarget::parse(text).unwrap();
        assert_eq!(target.user.as_deref(), user, "{text}");
        assert_eq!((&*target.host, target.port, &*target.path), (host, port, path), "{text}");
        let again = SshTarget::parse(&target.to_string()).unwrap();
        assert_eq!(again, target, "{text} is shown as {target}");
    }
    let target = SshTarget::parse("h/x?program=/opt/e%26&fsync=no&&flag").unwrap();
    assert_eq!(target.option("program"), Some("/opt/e&"));
    assert_eq!(target.option("flag"), Some(""));
    assert_eq!(target.option("none"), None);
}

#[test]
fn an_address_that_is_not_whole_or_not_safe_is_refused() {
    for (text, error) in [
        ("", TargetError::NoPath),
        ("host", TargetError::NoPath),
        ("host/", TargetError::NoPath),
        ("host/~", TargetError::NoPath),
        ("host/~/", TargetError::NoPath),
        ("/x", TargetError::NoHost),
        ("me@/x", TargetError::NoHost),
        ("me:secret@host/x", TargetError::Password),
        ("-oProxyCommand=id/x", TargetError::Dash),
        ("%2DoProxyCommand=id/x", TargetError::Dash),
        ("-l@host/x", TargetError::Dash),
        ("host:/x", TargetError::Port),
        ("host:0/x", TargetError::Port),
        ("host:+22/x", TargetError::Port),
        ("host:70000/x", TargetError::Port),
        ("[::1]22/x", TargetError::Port),
        ("host/a%2", TargetError::Percent),
        ("host/%ff", TargetError::Percent),
        ("host/a%00", TargetError::Control),
        ("host/a%0ab", TargetError::Control),
    ] {
        assert_eq!(SshTarget::parse(text), Err(error), "{text}");
    }
}
