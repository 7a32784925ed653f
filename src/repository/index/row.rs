//! Rows that tell whether they are what was written, which SQLite does not: a flipped bit in one
//! would be believed, and what is made of it goes into the log.

const SUM: usize = 16;

/// A row as it is written under its number.
pub fn seal(number: u64, mut row: Vec<u8>) -> Vec<u8> {
    let sum = sum(number, &row);
    row.extend(sum);
    row
}

/// What was written under a number; none when this is something else.
pub fn open(number: u64, sealed: &[u8]) -> Option<&[u8]> {
    let (row, stored) = sealed.split_last_chunk::<SUM>()?;
    (*stored == sum(number, row)).then_some(row)
}

fn sum(number: u64, row: &[u8]) -> [u8; SUM] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes()).update(row);
    let mut sum = [0; SUM];
    hasher.finalize_xof().fill(&mut sum);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_opens_under_its_number_and_only_as_it_was_written() {
        let sealed = seal(7, b"row".to_vec());
        assert_eq!(open(7, &sealed), Some(&b"row"[..]));
        assert_eq!(open(8, &sealed), None);
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(7, &flipped), None);
        }
        assert_eq!(open(7, &[]), None);
    }
}
