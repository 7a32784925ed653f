//! Data to measure with: the same bytes on every machine, made without reading anything.

/// A small generator of numbers (splitmix64): fast, and the same everywhere.
pub struct Numbers(u64);

impl Numbers {
    /// Numbers that follow from a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Bytes that do not compress.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(seed);
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        out.extend_from_slice(&numbers.draw().to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Lines of phrases, a few of them frequent and most of them rare, indented and with numbers among
/// them: it compresses about as program sources do, to a fourth at level 1 and to less than a fifth at level 3.
pub fn text(seed: u64, len: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(seed);
    let letters = b"etaoinsrhldcumfpgwybvk_x";
    let words: Vec<Vec<u8>> = (0..1024)
        .map(|_| {
            let length = 3 + numbers.draw() % 9;
            (0..length).map(|_| letters[(numbers.draw() % 24) as usize]).collect()
        })
        .collect();
    let phrases: Vec<Vec<u8>> = (0..4096)
        .map(|_| {
            let mut phrase = Vec::new();
            for _ in 0..2 + numbers.draw() % 4 {
                phrase.extend_from_slice(&words[few(&mut numbers, 1024)]);
                phrase.push(b" .,(_;"[(numbers.draw() % 6) as usize]);
            }
            phrase
        })
        .collect();
    let mut out = Vec::with_capacity(len + 256);
    while out.len() < len {
        out.extend(std::iter::repeat_n(b'\t', (numbers.draw() % 4) as usize));
        for _ in 0..=numbers.draw() % 2 {
            out.extend_from_slice(&phrases[few(&mut numbers, 4096)]);
        }
        if numbers.draw().is_multiple_of(8) {
            out.extend_from_slice(format!("= {};", numbers.draw() % 10_000).as_bytes());
        }
        out.push(b'\n');
    }
    out.truncate(len);
    out
}

/// A number below `limit`, mostly a small one.
const fn few(numbers: &mut Numbers, limit: u64) -> usize {
    let (a, b) = (numbers.draw() % limit, numbers.draw() % limit);
    (a * b / limit) as usize
}
