//! Where data is cut into chunks: FastCDC (2020, normalised level 1) with the gear table of the
//! scope, so that boundaries tell nothing to whoever does not hold the scope's key.

use crate::cbor_map;
use crate::error::{FormatError, Result, malformed};
use crate::limits::CHUNK_MAX;
use fastcdc::v2020::{Normalization, cut_gear, select_masks};

cbor_map! {
    /// Sizes of a chunking profile, in bytes. All are even.
    pub struct Profile {
        /// Number by which manifests name the profile.
        0 => number: u32,
        /// No chunk but the last of a file is smaller.
        1 => min: u32,
        /// Where half of the chunks end, roughly.
        2 => average: u32,
        /// No chunk is larger.
        3 => max: u32,
    }
}

/// Number of the profile for files in directories.
pub const PROFILE_FILES: u32 = 1;

impl Profile {
    /// The profile for files: a file below the minimum is one chunk.
    pub fn files() -> Self {
        Self {
            number: PROFILE_FILES,
            min: 128 << 10,
            average: 512 << 10,
            max: 4 << 20,
            extra: crate::cbor::Extra::default(),
        }
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
        Ok(())
    }
}

/// Cuts streams of bytes.
pub struct Cutter {
    profile: Profile,
    masks: [u64; 4],
    gear: Box<[u64; 256]>,
    gear_shifted: Box<[u64; 256]>,
}

impl Cutter {
    /// A cutter for one profile with the table of one scope.
    ///
    /// # Errors
    /// When the profile's sizes are unusable.
    pub fn new(profile: Profile, gear: &[u64; 256]) -> Result<Self> {
        profile.check()?;
        let (small, large) = select_masks(profile.average as usize, Normalization::Level1);
        let mut gear_shifted = Box::new(*gear);
        gear_shifted.iter_mut().for_each(|g| *g <<= 1);
        let masks = [small, large, small << 1, large << 1];
        Ok(Self { profile, masks, gear: Box::new(*gear), gear_shifted })
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
        if bytes.len() < max as usize && !last {
            return Err(FormatError::Length { what: "bytes to cut" });
        }
        let [s, l, s_shifted, l_shifted] = self.masks;
        let (_, len) = cut_gear(
            bytes,
            min as usize,
            average as usize,
            max as usize,
            s,
            l,
            s_shifted,
            l_shifted,
            &self.gear[..],
            &self.gear_shifted[..],
        );
        Ok(len)
    }
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
        let keys = ScopeSecret(Secret::new([seed; 32])).keys();
        let cutter = Cutter::new(Profile::files(), &keys.gear).unwrap();
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
        let cutter = Cutter::new(Profile::files(), &keys.gear).unwrap();
        assert!(cutter.cut(&[0; 1000], false).is_err());
        assert_eq!(cutter.cut(&[0; 1000], true).unwrap(), 1000);
    }
}
