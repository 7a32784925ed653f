//! Numbers of bytes as people write them.

/// What is understood, for messages.
const FORMS: &str = "no size; write a whole number of bytes, or of K, M, G or T (powers of 1024), \
                     such as 10M";

/// Reads a number of bytes.
///
/// # Errors
/// When it is none, or more than 64 bits hold.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text[digits.len()..].to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").unwrap_or(&unit) {
        "" | "b" if unit != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(FORMS.to_owned()),
    };
    let number = digits.parse::<u64>().ok().filter(|_| !digits.starts_with('+'));
    number.and_then(|n| n.checked_mul(1 << (10 * power))).ok_or_else(|| FORMS.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_in_powers_of_1024() {
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("7B", 7), ("10k", 10 << 10), ("3GiB", 3 << 30)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "+1", "1.5G", "10 M", "10MB", "iB", "1KK", "99999999T"] {
            assert_eq!(parse_size(text), Err(FORMS.to_owned()), "{text}");
        }
    }
}
