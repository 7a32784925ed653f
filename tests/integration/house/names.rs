//! The names that a file uses. Comments and strings are not names: the file is read as tokens.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path as it is written, with `use a::{b, c}` taken apart: `["crate", "store", "Store"]`.
pub struct Used {
    pub line: usize,
    pub path: Vec<String>,
}

/// A name with what stands around it.
pub struct Word {
    pub line: usize,
    pub word: String,
    /// The sign before it, as in `.stdout`.
    pub before: Option<char>,
    /// The sign after it, as in `println!`.
    pub after: Option<char>,
}

fn tokens(text: &str) -> TokenStream {
    text.parse().expect("a Rust file")
}

/// All paths of two or more parts in a file.
pub fn paths(text: &str) -> Vec<Used> {
    let mut found = Vec::new();
    walk_paths(tokens(text), &mut found);
    found
}

fn walk_paths(stream: TokenStream, found: &mut Vec<Used>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while at < trees.len() {
        match &trees[at] {
            TokenTree::Ident(_) => at = one_path(&trees, at, &[], found),
            TokenTree::Group(group) => {
                walk_paths(group.stream(), found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Reads the path that begins at `at`, below `prefix`; returns where it ends.
fn one_path(trees: &[TokenTree], mut at: usize, prefix: &[String], found: &mut Vec<Used>) -> usize {
    let mut path = prefix.to_vec();
    let line = trees[at].span().start().line;
    loop {
        match trees.get(at) {
            Some(TokenTree::Ident(ident)) => {
                path.push(ident.to_string());
                at += 1;
            }
            // `use a::{b, c}`: every part goes on from here.
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let mut start = 0;
                while start < inner.len() {
                    start = match &inner[start] {
                        // The other name of `c as d` is no path.
                        TokenTree::Ident(ident) if ident == "as" => start + 2,
                        TokenTree::Ident(_) => one_path(&inner, start, &path, found),
                        _ => start + 1,
                    };
                }
                return at + 1;
            }
            _ => break,
        }
        let colons =
            |n: usize| matches!(trees.get(n), Some(TokenTree::Punct(p)) if p.as_char() == ':');
        if !(colons(at) && colons(at + 1)) {
            break;
        }
        at += 2;
    }
    if path.len() > 1 {
        found.push(Used { line, path });
    }
    at
}

/// All words in a file.
pub fn words(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    walk_words(tokens(text), &mut found);
    found
}

fn walk_words(stream: TokenStream, found: &mut Vec<Word>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    for (at, tree) in trees.iter().enumerate() {
        let sign = |tree: Option<&TokenTree>| match tree {
            Some(TokenTree::Punct(punct)) => Some(punct.as_char()),
            Some(TokenTree::Group(group)) => match group.delimiter() {
                Delimiter::Brace => Some('{'),
                Delimiter::Parenthesis => Some('('),
                Delimiter::Bracket => Some('['),
                Delimiter::None => None,
            },
            _ => None,
        };
        match tree {
            TokenTree::Ident(ident) => found.push(Word {
                line: ident.span().start().line,
                word: ident.to_string(),
                before: at.checked_sub(1).and_then(|at| sign(trees.get(at))),
                after: sign(trees.get(at + 1)),
            }),
            TokenTree::Group(group) => walk_words(group.stream(), found),
            _ => {}
        }
    }
}

#[test]
fn paths_are_found_wherever_they_stand_and_groups_are_taken_apart() {
    let text = "use crate::{a::{B, c as d}, e}; /* crate::no */ fn f() { g!(std::fs::read(\"x::y\"), 1); }";
    let found: Vec<String> = paths(text).iter().map(|used| used.path.join("::")).collect();
    assert_eq!(found, ["crate::a::B", "crate::a::c", "crate::e", "std::fs::read"]);
}
