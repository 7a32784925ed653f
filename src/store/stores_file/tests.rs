//! What a file of stores means.

use super::*;
use std::os::unix::fs::PermissionsExt;

const TEXT: &str = r#"
    ["s3://b"]
    region = "far"
    retries = 3
    ["s3://b/near"]
    region = "near"
    secret_access_key = "hush"
    ["webdav://b"]
    tls = false
"#;

fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = default_path(folder.path());
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    (folder, path)
}

fn region(stores: &StoresFile, text: &str) -> Option<String> {
    let Address::Remote(address) = Address::parse(OsStr::new(text)).unwrap() else { panic!() };
    stores.options(&address).get("region").cloned()
}

#[test]
fn the_longest_table_above_an_address_counts() {
    let (_folder, path) = file(TEXT, 0o600);
    let stores = StoresFile::read(&path).unwrap();
    for (text, expected) in [
        ("s3://b", Some("far")),
        ("s3://b/nearer", Some("far")),
        ("s3://b/near", Some("near")),
        ("s3://b/near/x", Some("near")),
        ("s3://c/near", None),
        ("webdav://b", None),
    ] {
        assert_eq!(region(&stores, text).as_deref(), expected, "{text}");
    }
    assert!(!format!("{stores:?}").contains("hush"));
}

#[test]
fn secrets_that_others_may_read_are_refused() {
    let (_folder, path) = file(TEXT, 0o640);
    let error = StoresFile::read(&path).unwrap_err();
    assert!(error.message.starts_with("others may read"), "{error}");
    let (_folder, path) = file("[\"s3://b\"]\nregion = \"x\"", 0o644);
    assert!(StoresFile::read(&path).is_ok());
}

#[test]
fn a_missing_file_says_nothing() {
    let stores = StoresFile::read(Path::new("/no/such/stores.toml")).unwrap();
    assert_eq!(region(&stores, "s3://b"), None);
}

#[test]
fn what_makes_no_sense_is_refused_without_telling_secrets() {
    for (text, part) in [
        ("[\"s3://b\"]\nsecret_access_key = hush", "line 2"),
        ("[\"s3://b\"]\ncolor = \"hush\"", "no option color"),
        ("[\"/srv\"]\ncolor = \"hush\"", "not the address of a service"),
        ("region = \"hush\"", "not the address of a service"),
        ("[\"s3://b\"]\nregion = [\"hush\"]", "not a text"),
        ("[\"s3://b?region=hush\"]", "lines of its table"),
    ] {
        let (_folder, path) = file(text, 0o600);
        let error = StoresFile::read(&path).unwrap_err();
        assert!(error.message.contains(part), "{text}: {error}");
        assert!(!error.message.contains("hush") && !error.hint.contains("hush"), "{error:?}");
    }
}
