//! Content: ranges, holes, space.

use super::*;

const MIB: u64 = 1 << 20;

fn sized(size: u64, items: Vec<Item>) -> Node {
    let content = (!items.is_empty()).then_some(Content::Items(items));
    Node { size: Some(size), content, ..node(NodeKind::File, 0o644) }
}

#[test]
fn holes_stay_holes_and_zeros_take_space() {
    let it = Fixture::new();
    let node = sized(64 * MIB, Vec::new());
    let file = it.tree.create_file(&key("/sparse"), &node).unwrap();
    file.write_at(32 * MIB, b"island").unwrap();
    assert!(file.finish(&node, &[]).is_empty());
    let file = it.tree.create_file(&key("/zeros"), &node).unwrap();
    file.allocate_zero(0, 64 * MIB).unwrap();
    assert!(file.finish(&node, &[]).is_empty());
    let (sparse, zeros) = (it.stat("/sparse"), it.stat("/zeros"));
    assert_eq!((sparse.len(), zeros.len()), (64 * MIB, 64 * MIB));
    assert!(sparse.blocks() * 512 < MIB, "{}", sparse.blocks());
    assert!(zeros.blocks() * 512 >= 64 * MIB, "{}", zeros.blocks());
    assert!(std::fs::read(it.path("/zeros")).unwrap().iter().all(|byte| *byte == 0));
    let bytes = std::fs::read(it.path("/sparse")).unwrap();
    assert_eq!(&bytes[32 << 20..(32 << 20) + 6], b"island");
}

#[test]
fn ranges_may_come_in_any_order_from_many_threads() {
    let it = Fixture::new();
    let node = sized(4 * MIB, vec![Item::Zero(4 * MIB)]);
    let file = it.tree.create_file(&key("/f"), &node).unwrap();
    assert!(it.stat("/f").blocks() * 512 >= 4 * MIB, "reserved before anything is written");
    std::thread::scope(|scope| {
        for range in (0..64u64).rev() {
            let file = &file;
            scope.spawn(move || file.write_at(range << 16, &[range as u8; 1 << 16]).unwrap());
        }
    });
    assert!(file.finish(&node, &[]).is_empty());
    let bytes = std::fs::read(it.path("/f")).unwrap();
    assert_eq!(bytes.len() as u64, 4 * MIB);
    assert!(
        bytes.chunks(1 << 16).zip(0..).all(|(range, number)| range.iter().all(|b| *b == number))
    );
}

#[test]
fn a_file_with_a_hole_is_not_preallocated() {
    let it = Fixture::new();
    let node = sized(4 * MIB, vec![Item::Zero(2 * MIB), Item::Hole(2 * MIB)]);
    let file = it.tree.create_file(&key("/f"), &node).unwrap();
    assert_eq!(it.stat("/f").blocks(), 0);
    assert!(file.finish(&node, &[]).is_empty());
    assert_eq!(it.stat("/f").len(), 4 * MIB);
}

#[test]
fn bytes_that_never_came_leave_a_file_of_its_length_and_what_was_written() {
    let it = Fixture::new();
    let node = sized(10, Vec::new());
    let file = it.tree.create_file(&key("/f"), &node).unwrap();
    file.write_at(2, b"some").unwrap();
    assert!(file.finish(&node, &[]).is_empty());
    assert_eq!(std::fs::read(it.path("/f")).unwrap(), b"\0\0some\0\0\0\0");
}

#[test]
fn a_range_beyond_any_file_is_an_error_of_this_file() {
    let it = Fixture::new();
    let node = sized(u64::MAX, Vec::new());
    let file = it.tree.create_file(&key("/f"), &node).unwrap();
    assert!(!file.write_at(u64::MAX, b"xy").unwrap_err().stops());
    assert!(!file.write_at(u64::MAX - 9, b"xy").unwrap_err().stops());
    assert!(!file.allocate_zero(1, u64::MAX).unwrap_err().stops());
    assert!(!file.allocate_zero(0, 1 << 63).unwrap_err().stops());
    assert_eq!(file.finish(&node, &[]).len(), 1, "the length");
    assert_eq!(it.stat("/f").len(), 0);
}

#[test]
fn a_full_file_system_stops_the_restore() {
    let it = Fixture::new();
    let space = rustix::fs::statvfs(it.place.path()).unwrap();
    // More than there is, and less than a file may be.
    let size = space.f_blocks * space.f_frsize + (1 << 40);
    let node = sized(size, vec![Item::Zero(size)]);
    let error = it.tree.create_file(&key("/f"), &node).map(drop).unwrap_err();
    assert!(error.kind() == Kind::NoSpace && error.stops() || error.kind() == Kind::Unsupported);
}
