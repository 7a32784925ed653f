//! The habits of our files.

use super::files::{Source, all, rust};
use super::names::words;

/// Everything that is ours.
const OURS: &[&str] = &["src", "format", "fuzz", "benches", "tests", "docs", ".ci"];

/// Lines that no file may pass.
const LONGEST: usize = 600;

/// Lines that most files stay below, and how many of a hundred do. They were 78 when this was
/// written; a file that has two ideas is two files.
const SHORT: usize = 200;
const SHORT_PERCENT: usize = 72;

/// Where `unsafe` may stand, and why nothing else would do.
const UNSAFE: &[(&str, &str)] = &[
    ("src/store/local/read.rs", "fresh memory is read into without filling it with zeros first"),
    ("src/disk/loops.rs", "a loop device is asked which bytes it shows"),
    ("src/group.rs", "a child says, before it is another program, that it ends with us"),
    ("format/tests/memory.rs", "an allocator that counts"),
];

#[test]
fn files_are_short() {
    let lines = |file: &Source| file.text.lines().count();
    let long: Vec<String> = rust(OURS)
        .iter()
        .filter(|file| lines(file) > LONGEST)
        .map(|file| format!("{}: {} lines", file.path, lines(file)))
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines:\n{}", long.join("\n"));

    let code = rust(&["src", "format/src"]);
    let short = code.iter().filter(|file| lines(file) < SHORT).count();
    let percent = short * 100 / code.len();
    assert!(percent >= SHORT_PERCENT, "only {percent} % of the files are below {SHORT} lines");
}

#[test]
fn every_file_of_code_is_part_of_a_module() {
    let code = rust(&["src", "format/src", "tests/integration"]);
    let roots = ["src/lib.rs", "src/main.rs", "format/src/lib.rs", "tests/integration/main.rs"];
    let mut found = Vec::new();
    for file in code.iter().filter(|file| !roots.contains(&file.path.as_str())) {
        let module = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
        let Some((folder, name)) = module.rsplit_once('/') else { continue };
        let above = ["/mod.rs", "/lib.rs", "/main.rs", ".rs"].map(|end| format!("{folder}{end}"));
        let is_named = |text: &str| {
            let ends = format!("mod {name};");
            text.lines().any(|line| line == ends || line.ends_with(&format!(" {ends}")))
        };
        if !code.iter().any(|file| above.contains(&file.path) && is_named(&file.text)) {
            found.push(file.path.clone());
        }
    }
    assert!(found.is_empty(), "never compiled:\n{}", found.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[", "ignore"),
    ];
    let mut found = Vec::new();
    for file in all(OURS) {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                found.push(format!("{}:{}: {mark}", file.path, number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn unsafe_stands_only_where_it_is_listed_and_says_why_it_is_right() {
    let mut found = Vec::new();
    let mut seen = Vec::new();
    for file in rust(OURS) {
        let listed = UNSAFE.iter().any(|(path, _)| *path == file.path);
        let lines: Vec<&str> = file.text.lines().collect();
        for word in words(&file.text).iter().filter(|word| word.word == "unsafe") {
            seen.push(file.path.clone());
            if !listed {
                found.push(format!("{}:{}: not listed", file.path, word.line));
            }
            // The line of the word and the four above; a signature says nothing, its body does.
            let (from, line) = (word.line.saturating_sub(5), lines[word.line - 1]);
            let reason = lines[from..word.line].iter().any(|line| line.contains("// SAFETY: "));
            if !reason && !line.contains("unsafe fn") {
                found.push(format!("{}:{}: without a SAFETY comment", file.path, word.line));
            }
        }
    }
    for (path, _) in UNSAFE {
        if !seen.iter().any(|file| file == path) {
            found.push(format!("{path}: listed, and has none"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
