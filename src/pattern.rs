//! One pattern in gitignore syntax, for paths from the root of the file system on.

use gix_glob::pattern::Case;
use gix_glob::wildmatch::Mode;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stars of one pattern: matching gives up at more than this, and would say no.
const STARS_MAX: usize = 48;

/// The character classes that have a name.
const CLASSES: &[&[u8]] = &[
    b"alnum", b"alpha", b"blank", b"cntrl", b"digit", b"graph", b"lower", b"print", b"punct",
    b"space", b"upper", b"xdigit",
];

/// Where a pattern stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1 on.
    pub number: usize,
}

/// A pattern that means nothing.
#[derive(Debug, thiserror::Error)]
#[error("{}the pattern \"{}\" {reason}", place(.line.as_ref()), String::from_utf8_lossy(.text))]
pub struct PatternError {
    /// As it was written.
    pub text: Vec<u8>,
    /// Where, when it comes from a file.
    pub line: Option<Line>,
    /// What is wrong with it, and what to do.
    pub reason: &'static str,
}

fn place(line: Option<&Line>) -> String {
    line.map_or_else(String::new, |at| format!("{}:{}: ", at.file.display(), at.number))
}

/// A pattern.
#[derive(Debug)]
pub struct Pattern {
    glob: gix_glob::Pattern,
    negative: bool,
    fold: bool,
    text: Vec<u8>,
    line: Option<Line>,
    matched: AtomicBool,
}

impl Pattern {
    /// Reads a pattern; `fold` makes it match whatever the case of letters.
    ///
    /// A leading `!` takes back what patterns before it left out; a leading `/` stands for the root
    /// of the file system, and all else matches at any depth; a trailing `/` is for directories.
    ///
    /// # Errors
    /// When it could never match, or not what was meant.
    pub fn new(text: &[u8], fold: bool, line: Option<Line>) -> Result<Self, PatternError> {
        let (negative, body) = match text.strip_prefix(b"!") {
            Some(body) => (true, body),
            None => (false, text),
        };
        if let Err(reason) = check(body) {
            return Err(PatternError { text: text.to_vec(), line, reason });
        }
        let inner = body.strip_suffix(b"/").unwrap_or(body);
        // In a .gitignore a slash inside ties a pattern to the folder of that file. Here is no such
        // folder, only the root.
        let floats = !body.starts_with(b"/") && inner.contains(&b'/') && !body.starts_with(b"**/");
        let mut whole = if floats { [b"**/", body].concat() } else { body.to_vec() };
        if fold {
            whole = lower(&whole);
        }
        let glob = gix_glob::Pattern::from_bytes_without_negation(&whole);
        let Some(glob) = glob else {
            return Err(PatternError { text: text.to_vec(), line, reason: EMPTY });
        };
        let matched = AtomicBool::new(false);
        Ok(Self { glob, negative, fold, text: text.to_vec(), line, matched })
    }

    /// Whether it takes back what patterns before it left out.
    pub const fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether the case of letters is nothing to it.
    pub const fn folds(&self) -> bool {
        self.fold
    }

    /// Whether it matches a path, which is in lower case when the pattern folds. Remembers that.
    pub fn matches(&self, path: &[u8], name_at: usize, is_directory: bool) -> bool {
        let case = if self.fold { Case::Fold } else { Case::Sensitive };
        let (name_at, is_directory) = ((name_at > 0).then_some(name_at), Some(is_directory));
        let mode = Mode::NO_MATCH_SLASH_LITERAL;
        let matches =
            self.glob.matches_repo_relative_path(path.into(), name_at, is_directory, case, mode);
        if matches && !self.has_matched() {
            self.matched.store(true, Ordering::Relaxed);
        }
        matches
    }

    /// Whether it matches an absolute path by itself, whatever stands above that.
    pub fn matches_path(&self, path: &[u8], is_directory: bool) -> bool {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let path = if self.fold { &lower(path)[..] } else { path };
        let name_at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        !path.is_empty() && self.matches(path, name_at, is_directory)
    }

    /// Whether it ever matched.
    pub fn has_matched(&self) -> bool {
        self.matched.load(Ordering::Relaxed)
    }

    /// As it was written.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where, when it comes from a file.
    pub const fn line(&self) -> Option<&Line> {
        self.line.as_ref()
    }
}

/// The lines of a file of patterns: no comments, no blank lines, no spaces at the end unless the
/// last one is escaped.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let numbered = bytes.split(|b| *b == b'\n').enumerate();
    numbered.filter_map(|(at, line)| {
        let line = trim_end(line.strip_suffix(b"\r").unwrap_or(line));
        (!line.is_empty() && !line.starts_with(b"#")).then_some((at + 1, line))
    })
}

fn trim_end(line: &[u8]) -> &[u8] {
    let (mut end, mut escaped) = (0, false);
    for (at, byte) in line.iter().enumerate() {
        if escaped || *byte != b' ' {
            end = at + 1;
        }
        escaped = !escaped && *byte == b'\\';
    }
    &line[..end]
}

/// Letters in lower case, wherever they are letters.
pub fn lower(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut buffer = [0; 4];
    for part in bytes.utf8_chunks() {
        for c in part.valid().chars().flat_map(char::to_lowercase) {
            out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
        }
        out.extend_from_slice(part.invalid());
    }
    out
}

const EMPTY: &str = "is empty";

/// Fails with what is wrong with a pattern. git takes such patterns and lets them match nothing.
fn check(body: &[u8]) -> Result<(), &'static str> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(EMPTY);
    }
    if body.contains(&0) {
        return Err("has a NUL byte in it, which no name has");
    }
    let inner = body.strip_prefix(b"/").unwrap_or(body);
    let inner = inner.strip_suffix(b"/").unwrap_or(inner);
    if inner.is_empty() {
        return Err("names nothing: say which directory below / is meant");
    }
    let never = |part: &[u8]| part.is_empty() || part == b"." || part == b"..";
    if inner.split(|b| *b == b'/').any(never) {
        return Err("can match nothing: paths have no empty part, . or .. in them");
    }
    if body.iter().filter(|b| **b == b'*').count() > STARS_MAX {
        return Err("has too many stars in it");
    }
    let mut rest = body;
    while let [first, others @ ..] = rest {
        rest = match first {
            b'\\' if others.is_empty() => {
                return Err("ends with a \\ that escapes nothing: write \\\\ for the character");
            }
            b'\\' => &others[1..],
            b'[' => class_end(others)?,
            _ => others,
        };
    }
    Ok(())
}

/// What follows a character class; `class` begins behind its `[`.
fn class_end(class: &[u8]) -> Result<&[u8], &'static str> {
    const OPEN: &str = "has a [ without its ]: write \\[ for the character";
    let mut at = usize::from(matches!(class.first(), Some(b'!' | b'^')));
    let first = at;
    loop {
        match class.get(at) {
            None => return Err(OPEN),
            Some(b']') if at > first => return Ok(&class[at + 1..]),
            Some(b'\\') => at += 2,
            Some(b'[') if class.get(at + 1) == Some(&b':') => {
                let inner = &class[at + 2..];
                let end = inner.iter().position(|b| *b == b']').ok_or(OPEN)?;
                // Without the second colon it is a `[` like any other.
                let Some(name) = inner[..end].strip_suffix(b":") else {
                    at += 1;
                    continue;
                };
                if !CLASSES.contains(&name) {
                    return Err("has a class of characters that does not exist, like [[:letter:]]");
                }
                at += 2 + end + 1;
            }
            Some(_) => at += 1,
        }
    }
}
