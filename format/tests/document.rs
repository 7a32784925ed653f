//! `docs/format.md` says what the code does.

#[allow(dead_code)]
#[path = "../examples/worked_example.rs"]
mod worked_example;

const DOCUMENT: &str = include_str!("../../docs/format.md");

#[test]
fn the_worked_example_in_the_document_is_what_the_code_makes() {
    for (name, bytes) in worked_example::parts() {
        let row = format!("| {name} | `{}` |\n", worked_example::hex(&bytes));
        let lines: Vec<String> = bytes.chunks(32).map(worked_example::hex).collect();
        let block = format!("\n{name}:\n\n```text\n{}\n```\n", lines.join("\n"));
        assert!(DOCUMENT.contains(&row) || DOCUMENT.contains(&block), "{name}:\n{block}");
    }
    let recovery = esker_format::recovery::encode(&worked_example::owner());
    assert!(DOCUMENT.contains(&format!("```text\n{}\n```\n", recovery.as_str())));
    assert!(DOCUMENT.contains(&format!("```text\n{}```\n", worked_example::key_file())));
}

#[test]
fn every_rule_of_the_document_has_one_number_and_one_line_in_its_table() {
    let (text, table) = DOCUMENT.split_once("\n## 23. Tests").expect("the table");
    let count = text.matches("[M").count();
    for number in 1..=count {
        assert_eq!(text.matches(&format!("[M{number}]")).count(), 1, "M{number}");
        assert_eq!(table.matches(&format!("\n| M{number} | ")).count(), 1, "M{number}");
    }
    assert_eq!(table.matches("\n| M").count(), count);
}

#[test]
fn every_sentence_with_must_has_a_number() {
    let (_, text) = DOCUMENT.split_once("\n## 1. ").expect("section 1");
    let (text, _) = text.split_once("\n## 22. ").expect("section 22");
    let sentences = text.replace('\n', " ");
    for (at, _) in sentences.match_indices(" MUST ") {
        let rest: String = sentences[at..].chars().take(400).collect();
        assert!(rest.contains("[M"), "no number behind: {rest}");
    }
}
