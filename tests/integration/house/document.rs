//! The tests that the document of the format names.

use super::files::all;

/// A rule that names a test which nobody has is a rule that nothing holds.
#[test]
fn every_test_that_the_format_document_names_is_there() {
    let sources = all(&["src", "format", "tests"]);
    let text: String = sources.iter().map(|source| source.text.as_str()).collect();
    let document = std::fs::read_to_string("docs/format.md").unwrap();
    let (_, table) = document.split_once("\n## 23. Tests").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| M"));
    let mut named = 0;
    for row in rows {
        // Every second piece between backticks is a name.
        for name in row.split('`').skip(1).step_by(2) {
            let name = name.rsplit("::").next().unwrap();
            let forms = ["fn ", "def ", "def test_", "mod ", "class "];
            let is_there = |form: &&str| {
                let wanted = format!("{form}{name}");
                text.match_indices(&wanted).any(|(at, _)| {
                    let next = text[at + wanted.len()..].chars().next();
                    !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
                })
            };
            assert!(forms.iter().any(is_there), "{name} in: {row}");
            named += 1;
        }
    }
    assert!(named > 100, "the table was found: {named}");
}
