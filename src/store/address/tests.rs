//! What addresses mean.

use super::*;
use std::os::unix::ffi::OsStrExt;

fn parse(text: &str) -> Result<Address, AddressError> {
    Address::parse(OsStr::new(text))
}

fn remote(text: &str) -> RemoteAddress {
    match parse(text).unwrap() {
        Address::Remote(remote) => remote,
        other => panic!("{other} is in no service"),
    }
}

#[test]
fn what_has_no_scheme_is_a_folder() {
    for text in ["/srv/backup", "backup", "./s3:/x", "a b://c", "://x", "s3:bucket", "C:\\x"] {
        assert_eq!(parse(text).unwrap().folder(), Some(Path::new(text)), "{text}");
    }
    let bytes = OsStr::from_bytes(b"s3://\xff");
    assert_eq!(Address::parse(bytes).unwrap().folder(), Some(Path::new(bytes)));
}

#[test]
fn a_url_names_service_bucket_folder_and_options() {
    let found = remote("s3://my.bucket/a/b/?region=eu-central-1&endpoint=http%3A//127.0.0.1:9");
    assert_eq!(
        (found.service, &*found.container, &*found.prefix),
        (Service::S3, "my.bucket", "a/b")
    );
    assert_eq!(found.options["endpoint"], "http://127.0.0.1:9");
    assert_eq!(found.options["region"], "eu-central-1");
    assert_eq!(remote("gs://b").prefix, "");
    assert_eq!(remote("webdav://[::1]:8080/x").container, "[::1]:8080");
}

#[test]
fn an_address_is_shown_without_options() {
    assert_eq!(parse("s3://b/p?retries=2&region=x").unwrap().to_string(), "s3://b/p");
    assert_eq!(parse("s3://b/").unwrap().to_string(), "s3://b");
}

#[test]
fn secrets_are_refused_with_the_way_to_give_them() {
    for text in [
        "s3://b/p?secret_access_key=123",
        "webdav://me:123@example.org/x",
        "azblob://c?sas_token=123",
        "b2://b?key=123",
    ] {
        let error = parse(text).unwrap_err();
        assert!(!error.message.contains("123") && !error.hint.contains("123"), "{error:?}");
        assert!(
            error.hint.contains("it comes from ") && error.hint.contains("stores.toml"),
            "{error:?}"
        );
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (text, part) in [
        ("ftp://host/x", "ftp://"),
        ("s3://", "no bucket"),
        ("s3:///prefix", "no bucket"),
        ("s3://b?color=red", "no option color"),
        ("s3://b/../c", "cannot be used"),
        ("s3://b/a//c", "cannot be used"),
        ("s3://b/a c", "cannot be used"),
        ("s3://b:80/a", "not the name of a bucket"),
        ("s3://b?region=a&region=b", "twice"),
        ("s3://b?region=%4", "not written as in a URL"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.message.contains(part), "{text}: {error}");
    }
}
