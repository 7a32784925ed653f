//! Names of snapshots and series in a file system.

use esker_format::node::Time;

/// Bytes of a name at most.
const NAME_MAX: usize = 255;

/// The time of a snapshot: UTC, to the second, as it sorts.
pub fn time(time: Time) -> String {
    match jiff::Timestamp::from_second(time.seconds) {
        Ok(stamp) => stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => format!("@{}", time.seconds),
    }
}

/// A label as one name: `/` is `%2F`, and `%` is `%25`.
pub fn label(label: &str) -> String {
    let mut name = String::with_capacity(label.len());
    for letter in label.chars() {
        match letter {
            '/' => name.push_str("%2F"),
            '%' => name.push_str("%25"),
            '\0' => name.push_str("%00"),
            other => name.push(other),
        }
    }
    match &*name {
        "" => "%".to_owned(),
        "." | ".." => name.replace('.', "%2E"),
        _ => short(name),
    }
}

/// A name that nobody else has, made of one that somebody may have.
pub fn distinct(name: &str, by: &str, is_taken: &dyn Fn(&str) -> bool) -> String {
    let mut name = name.to_owned();
    let mut number = 1;
    while is_taken(&name) {
        // Once with what tells them apart, and then whatever it takes.
        name = if number == 1 { short(format!("{name}{by}")) } else { format!("{name}~{number}") };
        number += 1;
    }
    name
}

/// As much of a name as a file system takes.
fn short(mut name: String) -> String {
    // Room for what tells it from others.
    let mut len = NAME_MAX - 24;
    if name.len() > len {
        while !name.is_char_boundary(len) {
            len -= 1;
        }
        name.truncate(len);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_names_and_stay_distinct() {
        let names = ["/", "/etc", "%2F", "%2Fetc", ".", "..", "", "a b", "ü"].map(label);
        assert_eq!(names[..3], ["%2F", "%2Fetc", "%252F"]);
        assert_eq!(names[4..6], ["%2E", "%2E%2E"]);
        for (at, name) in names.iter().enumerate() {
            assert!(!name.contains('/') && !names[..at].contains(name), "{name}");
        }
        assert!(label(&"ü".repeat(400)).len() <= NAME_MAX);
    }

    #[test]
    fn a_second_thing_of_a_name_is_told_from_the_first() {
        let taken = ["a", "a@b"].map(str::to_owned);
        let is_taken = |name: &str| taken.iter().any(|other| other == name);
        assert_eq!(distinct("c", "@b", &is_taken), "c");
        assert_eq!(distinct("a", "@c", &is_taken), "a@c");
        assert_eq!(distinct("a", "@b", &is_taken), "a@b~2");
    }

    #[test]
    fn times_are_in_utc_and_sort() {
        assert_eq!(time(Time { seconds: 1_700_000_000, nanos: 5 }), "2023-11-14T22:13:20Z");
        assert_eq!(time(Time { seconds: -1, nanos: 0 }), "1969-12-31T23:59:59Z");
        assert_eq!(time(Time { seconds: i64::MAX, nanos: 0 }), format!("@{}", i64::MAX));
    }
}
