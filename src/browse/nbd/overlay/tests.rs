//! What is written is there, also for who opens it again; and over anything else it is refused.

use super::*;
use esker_format::ids::{RepositoryId, SnapshotId};
use std::path::PathBuf;

/// A few blocks, of which the last one is short.
const SIZE: u64 = 6 * BLOCK + 777;

/// Bytes that say where they are.
struct Backup;

impl Below for Backup {
    fn read_below(&self, offset: u64, out: &mut [u8]) -> Result<(), Failed> {
        out.iter_mut().zip(offset..).for_each(|(byte, at)| *byte = below(at));
        Ok(())
    }

    fn told(&self, error: io::Error) -> Failed {
        error.into()
    }
}

fn below(at: u64) -> u8 {
    (at / 256 + at % 251) as u8
}

fn identity() -> Identity {
    Identity {
        repository: RepositoryId::new([1; 16]),
        snapshot: SnapshotId::new([2; 32]),
        partition: Some(2),
        size: SIZE,
        path: b"/dev/sda".to_vec(),
    }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("overlay");
    (folder, path)
}

fn all(overlay: &Overlay) -> Vec<u8> {
    let (mut out, mut at) = (vec![9; SIZE as usize], 0);
    while at < SIZE {
        let (kind, len) = overlay.stretch(at, SIZE);
        let space = &mut out[at as usize..(at + len) as usize];
        match kind {
            Block::Below => Backup.read_below(at, space).unwrap(),
            Block::Data => overlay.read(at, space).unwrap(),
            Block::Zero => space.fill(0),
        }
        at += len;
    }
    out
}

/// Numbers that look as if by chance.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Does something by chance to the overlay and to bytes that stand for it.
fn act(dice: &mut Dice, overlay: &Overlay, right: &mut [u8]) {
    let offset = dice.below(SIZE);
    let most = if dice.below(3) == 0 { 3 * BLOCK } else { 5000 };
    let len = (1 + dice.below(most)).min(SIZE - offset);
    let range = offset as usize..(offset + len) as usize;
    match dice.below(4) {
        0 => {
            overlay.zero(offset, len, &Backup).unwrap();
            right[range].fill(0);
        }
        1 => {
            overlay.trim(offset, len);
            for start in (0..SIZE).step_by(BLOCK as usize) {
                let end = (start + BLOCK).min(SIZE);
                if offset <= start && end <= offset + len {
                    right[start as usize..end as usize].fill(0);
                }
            }
        }
        _ => {
            let bytes = vec![dice.below(256) as u8; len as usize];
            overlay.write(offset, &bytes, &Backup).unwrap();
            right[range].copy_from_slice(&bytes);
        }
    }
}

#[test]
fn what_is_written_is_read_and_what_is_flushed_is_there_after_a_kill() {
    let (_folder, path) = place();
    let mut right: Vec<u8> = (0..SIZE).map(below).collect();
    let mut dice = Dice(1);
    for round in 0..60 {
        let overlay = Overlay::open(&path, &identity()).unwrap();
        assert!(all(&overlay) == right, "opened in round {round}");
        for _ in 0..dice.below(20) {
            act(&mut dice, &overlay, &mut right);
            assert!(all(&overlay) == right, "in round {round}");
        }
        overlay.flush().unwrap();
        // Not flushed, and gone with the process: each byte is one that was there since.
        let mut since = vec![right.clone()];
        for _ in 0..dice.below(6) {
            act(&mut dice, &overlay, &mut right);
            since.push(right.clone());
        }
        drop(overlay);
        right = all(&Overlay::open(&path, &identity()).unwrap());
        let strange = (0..right.len()).find(|at| since.iter().all(|was| was[*at] != right[*at]));
        assert_eq!(strange, None, "in round {round}");
    }
}

#[test]
fn blocks_that_are_given_up_take_no_room() {
    use std::os::unix::fs::MetadataExt;
    let (_folder, path) = place();
    let overlay = Overlay::open(&path, &identity()).unwrap();
    let room = || std::fs::metadata(&path).unwrap().blocks() * 512;
    let before = room();
    overlay.write(0, &vec![1; SIZE as usize], &Backup).unwrap();
    overlay.flush().unwrap();
    assert!(room() >= before + SIZE - BLOCK);
    overlay.trim(0, SIZE);
    overlay.flush().unwrap();
    assert!(room() < before + BLOCK, "{} of {before}", room());
    assert_eq!(overlay.stretch(5, SIZE), (Block::Zero, SIZE - 5));
}

#[test]
fn an_overlay_of_something_else_is_refused_and_stays_as_it_is() {
    let (_folder, path) = place();
    drop(Overlay::open(&path, &identity()).unwrap());
    let before = std::fs::read(&path).unwrap();
    let others = [
        Identity { repository: RepositoryId::new([3; 16]), ..identity() },
        Identity { snapshot: SnapshotId::new([3; 32]), ..identity() },
        Identity { partition: None, ..identity() },
        Identity { size: SIZE - 1, ..identity() },
        Identity { path: b"/dev/sdb".to_vec(), ..identity() },
    ];
    for other in others {
        let error = Overlay::open(&path, &other).err().unwrap();
        let OverlayError::OfAnother { of, .. } = error else { panic!("{error:?}") };
        assert_eq!(of, "partition 2 of 02020202:/dev/sda");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_overlay_is_refused_and_stays_as_it_is() {
    let (_folder, path) = place();
    for bytes in [Vec::new(), b"something".to_vec(), vec![0; 1 << 20]] {
        std::fs::write(&path, &bytes).unwrap();
        let error = Overlay::open(&path, &identity()).err().unwrap();
        assert!(matches!(error, OverlayError::Strange { .. }), "{error:?}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn an_overlay_that_is_not_as_it_was_written_is_refused() {
    let (_folder, path) = place();
    drop(Overlay::open(&path, &identity()).unwrap());
    let good = std::fs::read(&path).unwrap();
    let change = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0xff;
        bytes
    };
    let bad = [change(20), change(HEAD as usize - 1), change(HEAD as usize), good[1..].to_vec()];
    for bytes in bad.into_iter().chain([good[..good.len() - 1].to_vec()]) {
        std::fs::write(&path, bytes).unwrap();
        assert!(Overlay::open(&path, &identity()).is_err());
    }
    std::fs::write(&path, good).unwrap();
    assert!(Overlay::open(&path, &identity()).is_ok());
}

#[test]
fn an_overlay_is_used_by_one_server_at_a_time() {
    let (_folder, path) = place();
    let first = Overlay::open(&path, &identity()).unwrap();
    let second = Overlay::open(&path, &identity()).err().unwrap();
    assert!(matches!(second, OverlayError::Busy { .. }), "{second:?}");
    drop(first);
    assert!(Overlay::open(&path, &identity()).is_ok());
}

#[test]
fn many_who_write_to_one_block_lose_nothing() {
    let (_folder, path) = place();
    let overlay = Overlay::open(&path, &identity()).unwrap();
    std::thread::scope(|scope| {
        for first in 0..8 {
            let overlay = &overlay;
            scope.spawn(move || {
                for at in (first * 64..SIZE - 64).step_by(512) {
                    overlay.write(at, &[first as u8 + 1; 64], &Backup).unwrap();
                }
                overlay.flush().unwrap();
            });
        }
    });
    let right = |at: u64| {
        if at / 512 * 512 + at % 512 / 64 * 64 < SIZE - 64 {
            (at % 512 / 64) as u8 + 1
        } else {
            below(at)
        }
    };
    assert!(all(&overlay).iter().zip(0..).all(|(byte, at)| *byte == right(at)));
}
