//! Names of owners and groups, looked up once each.

use std::collections::HashMap;

/// Remembers names.
#[derive(Default)]
pub struct Owners {
    users: HashMap<u32, Option<Vec<u8>>>,
    groups: HashMap<u32, Option<Vec<u8>>>,
}

impl Owners {
    /// The name of a user, when there is one.
    pub fn user(&mut self, uid: u32) -> Option<Vec<u8>> {
        let name = |uid| uzers::get_user_by_uid(uid).map(|u| bytes(u.name()));
        self.users.entry(uid).or_insert_with(|| name(uid)).clone()
    }
    /// The name of a group, when there is one.
    pub fn group(&mut self, gid: u32) -> Option<Vec<u8>> {
        let name = |gid| uzers::get_group_by_gid(gid).map(|g| bytes(g.name()));
        self.groups.entry(gid).or_insert_with(|| name(gid)).clone()
    }
}

fn bytes(name: &std::ffi::OsStr) -> Vec<u8> {
    let name = std::os::unix::ffi::OsStrExt::as_bytes(name);
    // A longer name does not fit the format; the number is there anyway.
    if name.len() > esker_format::limits::OWNER_NAME_MAX { Vec::new() } else { name.to_vec() }
}
