//! Damage is found: whatever bit changes, wherever the bytes end.

use crate::samples::{Sample, key_file_line, recovery_text, samples};
use crate::support::*;
use esker_format::envelope::Header;
use esker_format::key_material::decode_file;
use esker_format::{recovery, slot};

#[test]
fn every_sample_reads_as_it_was_written() {
    for Sample { name, payload, again, object } in samples() {
        assert_eq!(again(&payload).as_ref(), Ok(&payload), "{name}");
        if let Some((object, open)) = object {
            assert_eq!(open(&object), Ok(payload), "{name}");
        }
    }
}

#[test]
fn a_flipped_bit_of_a_payload_is_an_error_or_exactly_another_value() {
    for Sample { name, payload, again, .. } in samples() {
        for (bit, bytes) in flips(&payload) {
            if let Ok(read) = again(&bytes) {
                assert_eq!(read, bytes, "{name}, bit {bit}");
            }
        }
    }
}

#[test]
fn a_flipped_bit_of_an_object_is_an_error() {
    for Sample { name, object, .. } in samples() {
        let Some((object, open)) = object else { continue };
        for (bit, bytes) in flips(&object) {
            assert!(too_dear(name, &bytes) || open(&bytes).is_err(), "{name}, bit {bit}");
        }
    }
}

/// Whether this is a slot that asks for more memory than a test should take.
fn too_dear(name: &str, bytes: &[u8]) -> bool {
    name == "slot"
        && Header::decode(bytes)
            .is_ok_and(|(h, _)| slot::parameters(&h).is_ok_and(|(cost, _)| cost.memory_kib > 4096))
}

#[test]
fn truncated_and_prolonged_bytes_are_an_error() {
    for Sample { name, payload, again, object } in samples() {
        let forms = [Some((payload, again)), object];
        for (bytes, read) in forms.into_iter().flatten() {
            for len in 0..bytes.len() {
                assert!(read(&bytes[..len]).is_err(), "{name} of {len} bytes");
            }
            for more in [0, 1, 0xff] {
                assert!(read(&[&bytes[..], &[more]].concat()).is_err(), "{name} and {more}");
            }
        }
    }
}

#[test]
fn a_damaged_key_file_is_an_error() {
    let line = key_file_line();
    assert!(decode_file(&line).is_ok());
    for (bit, bytes) in flips(line.as_bytes()) {
        let Ok(text) = String::from_utf8(bytes) else { continue };
        assert!(decode_file(&text).is_err(), "bit {bit}: {text}");
    }
    for len in 0..line.len() {
        assert!(decode_file(&line[..len]).is_err(), "{len}");
    }
    assert!(decode_file(&format!("{line}0")).is_err());
    assert!(decode_file(&format!("{line}\n{line}")).is_err());
}

#[test]
fn a_damaged_recovery_key_is_an_error_or_the_same_key() {
    let text = recovery_text();
    for (bit, bytes) in flips(text.as_bytes()) {
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        // Case and the kind of space do not matter, so some changes are none.
        if let Ok(secret) = recovery::decode(&changed) {
            assert_eq!(secret, owner(), "bit {bit}: {changed}");
            assert!(changed.eq_ignore_ascii_case(&text) || !changed.is_ascii() || bit / 8 % 5 == 4);
        }
    }
    for len in 0..text.len() {
        assert!(recovery::decode(&text[..len]).is_err(), "{len}");
    }
    assert!(recovery::decode(&format!("{text}0")).is_err());
}
