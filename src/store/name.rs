//! Which names an object may have.

/// Longest component: what Linux file systems allow for one file name.
const MAX_COMPONENT: usize = 255;
/// Longest name: what S3 allows for a key.
const MAX_NAME: usize = 1024;

/// Whether `name` may name an object: components of `[a-z0-9-]`, 1 to 255 bytes each, with one `/`
/// between them and none around them, 1024 bytes at most. No such name can leave the store's folder, be
/// hidden, mean two things on a file system that ignores case, or need escaping in a URL.
pub fn is_valid_name(name: &str) -> bool {
    name.len() <= MAX_NAME && name.split('/').all(is_valid_component)
}

/// Whether `prefix` may be listed: "" for everything, or the name of a folder with a `/` at its end.
pub fn is_valid_prefix(prefix: &str) -> bool {
    prefix.is_empty() || prefix.strip_suffix('/').is_some_and(is_valid_name)
}

/// Whether `component` may be the name of one object or folder inside its folder.
pub(super) fn is_valid_component(component: &str) -> bool {
    (1..=MAX_COMPONENT).contains(&component.len())
        && component.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_components_of_small_letters_digits_and_dashes() {
        let longest = "a".repeat(255);
        for name in ["config", "pack/ab/0-9", "-", "a/b/c/d", &longest] {
            assert!(is_valid_name(name), "{name}");
        }
        let too_long_component = "a".repeat(256);
        let too_long_name = [longest.as_str(); 5].join("/");
        for name in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            ".",
            "..",
            "a/../b",
            ".tmp-1",
            "A",
            "a b",
            "a\0",
            "é",
            "a\\b",
            &too_long_component,
            &too_long_name,
        ] {
            assert!(!is_valid_name(name), "{name}");
        }
    }

    #[test]
    fn a_prefix_is_empty_or_ends_in_one_slash() {
        assert!(is_valid_prefix(""));
        assert!(is_valid_prefix("pack/ab/"));
        for prefix in ["pack", "/", "pack//", "../", "Pack/"] {
            assert!(!is_valid_prefix(prefix), "{prefix}");
        }
    }
}
