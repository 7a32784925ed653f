//! What is in files: all sizes at which something else happens, and holes.

use crate::support::Draw;
use std::fs::File;
use std::os::unix::fs::FileExt;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Sizes at which a file is treated in another way: kept in its node (256), one page, half and
/// whole blocks of compression, minimum, average and maximum of a chunk (128 KiB, 512 KiB, 4 MiB),
/// a batch (1 MiB), a frame and a large file (2 MiB), room of a frame (3 MiB), a piece (5 MiB).
const LIMITS: &[u64] = &[
    256,
    4 * KIB,
    64 * KIB,
    128 * KIB,
    256 * KIB,
    512 * KIB,
    MIB,
    2 * MIB,
    3 * MIB,
    4 * MIB,
    5 * MIB,
    9 * MIB,
];

/// The sizes around the limits, one after the other for trees 0, 1, 2...
pub fn limit(tree: u64) -> u64 {
    let limit = LIMITS[(tree / 3) as usize % LIMITS.len()];
    limit - 1 + tree % 3
}

/// A small size.
pub fn small(draw: &mut Draw) -> u64 {
    match draw.below(10) {
        0 => 0,
        1 => draw.one_of(&[1, 255, 256, 257]),
        2 => draw.below(70_000),
        _ => draw.below(2000),
    }
}

/// Fills a file.
pub fn fill(draw: &mut Draw, file: &File, len: u64) {
    let bytes = match draw.below(5) {
        0..2 => draw.noise(len as usize),
        2 | 3 => draw.text(len as usize),
        _ => vec![0; len as usize],
    };
    file.write_all_at(&bytes, 0).unwrap();
}

/// Makes a file with holes: at its begin, in its middle, at its end, or nothing else.
pub fn fill_sparse(draw: &mut Draw, file: &File) {
    let block = 4 * KIB;
    let hole = draw.one_of(&[block, 64 * KIB, MIB, 12 * MIB]) + draw.below(3) * 17;
    let data = draw.below(3) * block + draw.below(5000) + 1;
    let parts: &[bool] = draw.one_of(&[
        &[false][..],
        &[false, true],
        &[true, false],
        &[true, false, true],
        &[false, true, false],
        &[true, false, true, false, true, false],
    ]);
    let mut at = 0;
    for has_data in parts {
        if *has_data {
            let bytes =
                if draw.once_in(4) { vec![0; data as usize] } else { draw.noise(data as usize) };
            file.write_all_at(&bytes, at).unwrap();
            at += data;
        } else {
            at += hole;
        }
    }
    file.set_len(at).unwrap();
}

/// A file of many chunks, more than a node holds: a list in pages of its own.
pub fn fill_with_many_chunks(draw: &mut Draw, file: &File) {
    for n in 0..20 {
        // A hole between each two pieces makes two items of each.
        file.write_all_at(&draw.noise(600), n * 2 * 64 * KIB).unwrap();
    }
}
