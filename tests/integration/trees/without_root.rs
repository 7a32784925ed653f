//! Who is not root gets back all that is his.

use crate::support::{Home, Ran, differences, needs, skipped};
use rustix::fs::XattrFlags;
use std::os::unix::fs::PermissionsExt;

#[test]
fn what_its_owner_may_not_write_keeps_its_attributes() {
    if !needs("rsync") || !needs("find") {
        return;
    }
    let home = Home::new();
    let file = home.write("work/by ACL", "content");
    // The ACL comes before the attributes by name, and takes the right to set them.
    let acl = [2u32, 4 << 16 | 1, !0, 6 << 16 | 2, 77, 4, !0, 6 << 16 | 16, !0, 32, !0];
    let acl: Vec<u8> = acl.iter().flat_map(|word| word.to_le_bytes()).collect();
    for (name, value) in [("user.note", &b"kept"[..]), ("system.posix_acl_access", &acl)] {
        let set = rustix::fs::setxattr(&file, name, value, XattrFlags::empty());
        if let Err(error) = set {
            return skipped(&format!("attribute {name}: {error}"));
        }
    }
    let file = home.write("work/by mode", "content");
    rustix::fs::setxattr(&file, "user.note", b"kept", XattrFlags::empty()).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o400)).unwrap();
    let run = |arguments: &[&str]| Ran::of(home.command_without_root().args(arguments));
    let (work, target) = (home.path("work"), home.path("target"));
    run(&["snapshot", work.to_str().unwrap()]).ok();
    let what = format!("latest:{}", work.display());
    run(&["restore", &what, target.to_str().unwrap()]).ok().says_nothing();
    assert_eq!(differences(&work, &target), Vec::<String>::new());
}
