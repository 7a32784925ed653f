//! Which names are of one file.

use esker_format::cbor::encode;
use esker_format::ids::LinkGroup;
use esker_format::node::Node;

/// The group of a node with several names. The one in the snapshot stands for an inode, which may
/// have been freed and given to another file while the snapshot was made: names are of one file
/// only when all that is known of them is equal too. Others are files of their own. Names of owners
/// are only looked up, and may have been found for one of them alone: their numbers count.
pub fn of(node: &Node) -> Option<LinkGroup> {
    node.links.map(|_| {
        let by_number = Node { user: None, group: None, ..node.clone() };
        let hash = blake3::hash(&encode(&by_number));
        let (half, _) = hash.as_bytes().split_at(16);
        let mut id = [0; 16];
        id.copy_from_slice(half);
        LinkGroup::new(id)
    })
}

#[cfg(test)]
mod tests {
    use super::of;
    use esker_format::content::Content;
    use esker_format::ids::LinkGroup;
    use esker_format::node::{Node, NodeKind, Time};

    fn node(group: u8, content: &[u8]) -> Node {
        let time = Time { seconds: 1, nanos: 2 };
        Node {
            size: Some(content.len() as u64),
            content: Some(Content::Inline(content.to_vec())),
            links: Some(LinkGroup::new([group; 16])),
            ..Node::bare(NodeKind::File, 0o644, time)
        }
    }

    #[test]
    fn a_file_that_got_the_inode_of_another_is_no_further_name_of_it() {
        let first = node(1, b"first");
        assert_eq!(of(&first), of(&first.clone()));
        let mut others = vec![node(1, b"other"), node(2, b"first")];
        others.push(Node { mode: 0o600, ..first.clone() });
        others.push(Node { uid: 7, ..first.clone() });
        others.push(Node { mtime: Time { seconds: 1, nanos: 3 }, ..first.clone() });
        for other in others {
            assert_ne!(of(&other), of(&first), "{other:?}");
        }
        assert_eq!(of(&Node { links: None, ..first }), None);
    }

    #[test]
    fn a_name_of_an_owner_that_was_found_once_only_parts_nothing() {
        let known = Node { user: Some(b"root".to_vec()), ..node(1, b"x") };
        assert_eq!(of(&known), of(&node(1, b"x")));
        assert_ne!(of(&Node { uid: 7, ..node(1, b"x") }), of(&node(1, b"x")));
    }
}
