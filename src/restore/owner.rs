//! Whom restored things belong to: the names that were saved with them, looked up on this system,
//! as `tar` and `rsync` do; a number stands where nobody here has the name.

use super::how::Owner;
use esker_format::node::Node;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Remembers the numbers of names.
pub struct Owners {
    by: Owner,
    users: HashMap<Vec<u8>, Option<u32>>,
    groups: HashMap<Vec<u8>, Option<u32>>,
}

impl Owners {
    /// Looks up names, or takes numbers as they are.
    pub fn new(by: Owner) -> Self {
        Self { by, users: HashMap::new(), groups: HashMap::new() }
    }

    /// Gives a node the numbers that its owners have here.
    pub fn translate(&mut self, node: &mut Node) {
        if self.by == Owner::Ids {
            return;
        }
        if let Some(name) = &node.user {
            let find = |name: &OsStr| uzers::get_user_by_name(name).map(|user| user.uid());
            node.uid = look_up(&mut self.users, name, find).unwrap_or(node.uid);
        }
        if let Some(name) = &node.group {
            let find = |name: &OsStr| uzers::get_group_by_name(name).map(|group| group.gid());
            node.gid = look_up(&mut self.groups, name, find).unwrap_or(node.gid);
        }
    }
}

fn look_up(
    known: &mut HashMap<Vec<u8>, Option<u32>>,
    name: &[u8],
    find: impl FnOnce(&OsStr) -> Option<u32>,
) -> Option<u32> {
    if let Some(number) = known.get(name) {
        return *number;
    }
    // The system could not be asked for a name with a NUL in it.
    let number = if name.contains(&0) { None } else { find(OsStr::from_bytes(name)) };
    known.insert(name.to_vec(), number);
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use esker_format::node::{NodeKind, Time};

    fn node(user: &str, group: &str) -> Node {
        Node {
            uid: 4_000_001,
            gid: 4_000_002,
            user: Some(user.into()),
            group: Some(group.into()),
            ..Node::bare(NodeKind::File, 0o600, Time { seconds: 0, nanos: 0 })
        }
    }

    #[test]
    fn a_name_that_is_known_here_counts_more_than_its_number_elsewhere() {
        let translate = |by, mut node: Node| {
            Owners::new(by).translate(&mut node);
            (node.uid, node.gid)
        };
        assert_eq!(translate(Owner::Names, node("root", "root")), (0, 0));
        assert_eq!(translate(Owner::Ids, node("root", "root")), (4_000_001, 4_000_002));
        let nobody = node("esker-has-no-such-user", "a\0b");
        assert_eq!(translate(Owner::Names, nobody), (4_000_001, 4_000_002));
    }
}
