//! Where data is cut into chunks: FastCDC (2020, normalised level 1) with the gear table of the
//! scope, or at the ends of blocks that a keyed hash chooses, so that boundaries tell nothing to
//! whoever does not hold the scope's key.

use crate::cbor_map;
use crate::error::{FormatError, Result, malformed};
use crate::key::ScopeKeys;
use crate::limits::CHUNK_MAX;
use fastcdc::v2020::{Normalization, cut_gear, select_masks};

cbor_map! {
    /// Sizes of a chunking profile, in bytes. All are even.
    pub struct Profile {
        /// Number by which manifests name the profile.
        0 => number: u32,
        /// No chunk but the last of a file is smaller; with blocks, nor one before zeros.
        1 => min: u32,
        /// Where half of the chunks end, roughly.
        2 => average: u32,
        /// No chunk is larger.
        3 => max: u32,
        /// Chunks end only where a block of this size does; anywhere when there is none.
        4 => block: Option<u32>,
    }
}

/// Number of the profile for files in directories.
pub const PROFILE_FILES: u32 = 1;
/// Number of the profile for the output of commands: changes of a few bytes, spread all over.
pub const PROFILE_DUMP: u32 = 2;
/// Number of the profile for disks: blocks that change in place, and move as wholes.
pub const PROFILE_DISK: u32 = 3;

impl Profile {
    /// The profile for files: a file below the minimum is one chunk.
    pub fn files() -> Self {
        Self {
            number: PROFILE_FILES,
            min: 128 << 10,
            average: 512 << 10,
            max: 4 << 20,
            block: None,
            extra: crate::cbor::Extra::default(),
        }
    }

    /// The profile for the output of commands.
    pub fn dump() -> Self {
        let (min, average, max) = (2 << 10, 8 << 10, 32 << 10);
        Self { number: PROFILE_DUMP, min, average, max, ..Self::files() }
    }

    /// The profile for disks: the block is that of nearly all file systems.
    pub fn disk() -> Self {
        let (min, average, max, block) = (4 << 10, 32 << 10, 128 << 10, Some(4 << 10));
        Self { number: PROFILE_DISK, min, average, max, block, ..Self::files() }
    }

    /// The profiles of a new repository.
    pub fn all() -> Vec<Self> {
        vec![Self::files(), Self::dump(), Self::disk()]
    }

    /// Fails unless the cutter can work with these sizes.
    ///
    /// # Errors
    /// When a size is odd, out of order or beyond what the cutter supports.
    pub fn check(&self) -> Result<()> {
        let (min, average, max) = (self.min as usize, self.average as usize, self.max as usize);
        let even = [min, average, max].iter().all(|n| n % 2 == 0);
        if !even || min < 64 || !(256..=4 << 20).contains(&average) || min > 1 << 20 {
            return Err(malformed("chunking profile", "sizes that the cutter cannot use"));
        }
        if min > average || average > max || max > CHUNK_MAX {
            return Err(malformed("chunking profile", "sizes out of order"));
        }
        let Some(block) = self.block else { return Ok(()) };
        let fits = |size: u32| size.is_multiple_of(block);
        if block < 512 || ![self.min, self.average, self.max].into_iter().all(fits) {
            return Err(malformed("chunking profile", "sizes that are not whole blocks"));
        }
        Ok(())
    }
}

/// Cuts streams of bytes.
pub struct Cutter {
    profile: Profile,
    way: Way,
}

/// How a profile cuts.
enum Way {
    /// Anywhere, where the bytes before say so.
    Gear { masks: [u64; 4], gear: Box<[u64; 256]>, gear_shifted: Box<[u64; 256]> },
    /// Behind a block whose number is below a threshold.
    Blocks { block: usize, below: u32, keys: Box<ScopeKeys> },
}

impl Cutter {
    /// A cutter for one profile with the keys of one scope.
    ///
    /// # Errors
    /// When the profile's sizes are unusable.
    pub fn new(profile: Profile, keys: &ScopeKeys) -> Result<Self> {
        profile.check()?;
        let way = match profile.block {
            None => Way::gear(profile.average as usize, &keys.gear),
            Some(block) => Way::Blocks {
                block: block as usize,
                below: u32::MAX / (profile.average / block),
                keys: Box::new(keys.clone()),
            },
        };
        Ok(Self { profile, way })
    }

    /// Sizes in use.
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Length of the chunk that `bytes` begin with. Unless `last`, at least the profile's maximum
    /// must be given, because what follows could move the cut.
    ///
    /// # Errors
    /// When too few bytes are given.
    pub fn cut(&self, bytes: &[u8], last: bool) -> Result<usize> {
        let Profile { min, average, max, .. } = self.profile;
        let (min, average, max) = (min as usize, average as usize, max as usize);
        if bytes.len() < max && !last {
            return Err(FormatError::Length { what: "bytes to cut" });
        }
        Ok(match &self.way {
            Way::Gear { masks: [s, l, s2, l2], gear, gear_shifted } => {
                let (gear, shifted) = (&gear[..], &gear_shifted[..]);
                cut_gear(bytes, min, average, max, *s, *l, *s2, *l2, gear, shifted).1
            }
            Way::Blocks { block, below, keys } => {
                let bytes = &bytes[..bytes.len().min(max)];
                cut_blocks(bytes, *block, min, |block| keys.block_number(block) < *below)
            }
        })
    }
}

impl Way {
    fn gear(average: usize, gear: &[u64; 256]) -> Self {
        let (small, large) = select_masks(average, Normalization::Level1);
        let mut gear_shifted = Box::new(*gear);
        gear_shifted.iter_mut().for_each(|g| *g <<= 1);
        let masks = [small, large, small << 1, large << 1];
        Self::Gear { masks, gear: Box::new(*gear), gear_shifted }
    }
}

/// Length of the chunk that `bytes` begin with: a run of zero blocks, or blocks without one up to
/// that which ends them.
fn cut_blocks(bytes: &[u8], size: usize, min: usize, ends: impl Fn(&[u8]) -> bool) -> usize {
    let mut blocks = bytes.chunks_exact(size);
    if bytes.len() >= size && is_zero(&bytes[..size]) {
        return blocks.take_while(|block| is_zero(block)).count() * size;
    }
    let mut len = 0;
    for block in &mut blocks {
        if is_zero(block) {
            return len;
        }
        len += size;
        if len >= min && ends(block) {
            return len;
        }
    }
    // What is left is less than a block, and the last of all.
    bytes.len()
}

/// Whether all bytes are zero; the first look settles it nearly always.
pub fn is_zero(bytes: &[u8]) -> bool {
    // Each byte is as the one before it: comparing memory is many times faster than asking each byte.
    let Some((last, rest)) = bytes.split_last() else { return true };
    *last == 0 && bytes[1..] == *rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ScopeSecret;
    use crate::secret::Secret;

    fn noise(len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut out);
        out
    }

    fn cuts(seed: u8, data: &[u8]) -> Vec<usize> {
        cuts_of(Profile::files(), seed, data)
    }

    fn cuts_of(profile: Profile, seed: u8, data: &[u8]) -> Vec<usize> {
        let keys = ScopeSecret(Secret::new([seed; 32])).keys();
        let cutter = Cutter::new(profile, &keys).unwrap();
        let (mut at, mut out) = (0, Vec::new());
        while at < data.len() {
            at += cutter.cut(&data[at..], true).unwrap();
            out.push(at);
        }
        out
    }

    #[test]
    fn cuts_are_where_they_always_were() {
        // Golden: a new release of the crate that moved a cut would end deduplication.
        assert_eq!(
            cuts(1, &noise(4 << 20)),
            [424_910, 1_804_859, 2_354_934, 3_314_610, 3_912_072, 4_194_304]
        );
    }

    #[test]
    fn another_scope_cuts_elsewhere() {
        assert_ne!(cuts(1, &noise(4 << 20)), cuts(2, &noise(4 << 20)));
    }

    #[test]
    fn bytes_in_front_move_only_the_cuts_near_them() {
        let data = noise(6 << 20);
        let longer = [&[9; 1000], &data[..]].concat();
        let (a, b) = (cuts(1, &data), cuts(1, &longer));
        let same = a.iter().filter(|cut| b.contains(&(**cut + 1000))).count();
        assert!(same + 2 >= a.len(), "{a:?} {b:?}");
    }

    #[test]
    fn too_few_bytes_are_refused_unless_they_are_the_last() {
        let keys = ScopeSecret(Secret::new([1; 32])).keys();
        let cutter = Cutter::new(Profile::files(), &keys).unwrap();
        assert!(cutter.cut(&[0; 1000], false).is_err());
        assert_eq!(cutter.cut(&[0; 1000], true).unwrap(), 1000);
    }

    /// What the independent implementation of tests/reader makes of the same bytes.
    #[test]
    fn cuts_of_dumps_and_disks_are_where_they_always_were() {
        let data = noise(256 << 10);
        let dump = cuts_of(Profile::dump(), 1, &data);
        assert_eq!(blake3::hash(format!("{dump:?}").as_bytes()).to_hex().as_str(), DUMP);
        let disk = cuts_of(Profile::disk(), 1, &data);
        assert_eq!(blake3::hash(format!("{disk:?}").as_bytes()).to_hex().as_str(), DISK);
    }

    const DUMP: &str = "964a81dc308b87f867e494245854ae3ae0b5120546dcb2de3c373ab9f5c4f452";
    const DISK: &str = "8d85f3bfcd3e26983a5b614579c87802c0475c78d95f6d0149371f1feb41ec8b";

    #[test]
    fn bytes_are_zero_when_each_of_them_is() {
        for len in [0, 1, 2, 63, 64, 65, 4096] {
            let mut bytes = vec![0; len];
            assert!(is_zero(&bytes), "{len}");
            for at in 0..len {
                bytes[at] = 1;
                assert!(!is_zero(&bytes), "{at} of {len}");
                bytes[at] = 0;
            }
        }
        assert!(!is_zero(&[7; 64]), "each as the one before it");
    }

    #[test]
    fn disks_are_cut_at_the_ends_of_blocks_and_around_zeros() {
        let mut data = noise(2 << 20);
        data[400 << 10..700 << 10].fill(0);
        data.extend([7; 100]);
        let cuts = cuts_of(Profile::disk(), 1, &data);
        assert!(cuts[..cuts.len() - 1].iter().all(|cut| cut % 4096 == 0), "{cuts:?}");
        for border in [400 << 10, 528 << 10, 656 << 10, 700 << 10, data.len()] {
            assert!(cuts.contains(&border), "{border} is not in {cuts:?}");
        }
        assert_ne!(cuts, cuts_of(Profile::disk(), 2, &data), "another scope cuts elsewhere");
        let (chunks, len) = (cuts.len(), data.len() - (300 << 10));
        assert!((16 << 10..64 << 10).contains(&(len / chunks)), "{chunks} chunks of {len}");
    }

    #[test]
    fn blocks_that_moved_are_cut_as_before() {
        let data = noise(2 << 20);
        let moved = [&noise(3 << 20)[2 << 20..][..28 << 10], &data[..]].concat();
        let a = cuts_of(Profile::disk(), 1, &data);
        let b = cuts_of(Profile::disk(), 1, &moved);
        let same = a.iter().filter(|cut| b.contains(&(**cut + (28 << 10)))).count();
        assert!(same + 4 >= a.len(), "{a:?} {b:?}");
    }
}
