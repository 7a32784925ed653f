//! Packets to the byte.

use super::*;
use crate::store::sftp::fields::{Attributes, EXTENDED, Fields, OWNER, PERMISSIONS, SIZE, TIMES};

#[test]
fn a_packet_is_its_length_kind_id_and_fields() {
    let packet = Packet::new(kind::READ, 7).string([0, 255]).long(1 << 40).number(9).done();
    let expected = [
        &[0, 0, 0, 23, 5, 0, 0, 0, 7, 0, 0, 0, 2, 0, 255][..],
        &[0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9],
    ];
    assert_eq!(packet, expected.concat());
    let mut fields = Fields::of(&packet[4..]);
    assert_eq!(fields.string().unwrap(), [0, 255]);
    assert_eq!((fields.long().unwrap(), fields.number().unwrap()), (1 << 40, 9));
    assert!(fields.is_empty());
}

#[test]
fn attributes_are_read_in_every_combination_and_never_past_the_end() {
    for flags in 0..32_u32 {
        let flags = if flags & 16 == 0 { flags } else { flags & 15 | EXTENDED };
        let mut packet = Packet::new(kind::ATTRS, 1).number(flags);
        if flags & SIZE != 0 {
            packet = packet.long(5);
        }
        if flags & OWNER != 0 {
            packet = packet.number(1).number(2);
        }
        if flags & PERMISSIONS != 0 {
            packet = packet.number(0o100_600);
        }
        if flags & TIMES != 0 {
            packet = packet.number(3).number(4);
        }
        if flags & EXTENDED != 0 {
            packet = packet.number(1).string("name").string("value");
        }
        let packet = packet.done();
        let mut fields = Fields::of(&packet[4..]);
        let found = fields.attributes().unwrap();
        let expected = Attributes {
            size: (flags & SIZE != 0).then_some(5),
            mode: (flags & PERMISSIONS != 0).then_some(0o100_600),
            changed: (flags & TIMES != 0).then_some(4),
        };
        assert!(found == expected && fields.is_empty());
        for end in 9..packet.len() {
            assert!(Fields::of(&packet[4..end]).attributes().is_err());
        }
    }
}
