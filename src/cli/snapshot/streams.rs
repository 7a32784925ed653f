//! Streams that a snapshot saves: standard input and the output of commands.

use crate::cli::exit::Failure;
use crate::cli::{Global, show};
use crate::source::{Command, Feed, Guards, Stream, TAIL, Tell};
use esker_format::path::MapKey;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

/// Streams, and what a good end of them is.
#[derive(clap::Args)]
#[command(next_help_heading = "Streams")]
pub struct Streams {
    /// Save standard input as NAME. Only its end is visible: when what feeds the pipe dies halfway,
    /// half of it is saved as if it were all. Use --command where you can, or --expect-trailer
    #[arg(long, value_name = "NAME")]
    stdin: Option<OsString>,
    /// Save what a command writes to standard output as NAME: `--command db.sql -- mysqldump db`.
    /// No shell, no temporary file; it is saved only if the command ends with exit code 0. For
    /// several, give the names first, and a `;` of its own between the commands:
    /// `--command a --command b -- CMD1 ARG ';' CMD2 ARG`. They run one after the other. What a command has begun ends
    /// with it
    #[arg(long, value_name = "NAME")]
    command: Vec<OsString>,
    /// An exit code other than 0 that is a good end; can be given several times
    #[arg(long, value_name = "CODE", requires = "command")]
    ok_exit: Vec<u8>,
    /// How long each stream may take: 90s, 30min, 2h; 0 for as long as it likes
    #[arg(long, value_name = "TIME", value_parser = show::parse_duration)]
    timeout: Option<Duration>,
    /// A stream may be empty
    #[arg(long)]
    allow_empty: bool,
    /// Text that must be in the last 4 KiB of each stream, such as `-- Dump completed`
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    expect_trailer: Option<OsString>,
    /// Bytes that each stream must have: 4096, 10M, 1G (powers of 1024)
    #[arg(long, value_name = "SIZE", value_parser = show::parse_size)]
    min_size: Option<u64>,
}

impl Streams {
    /// Whether there are any.
    pub fn is_some(&self) -> bool {
        self.stdin.is_some() || !self.command.is_empty()
    }

    /// Fails when options of streams are given and no stream is.
    ///
    /// # Errors
    /// With what to do instead.
    pub fn check_unused(&self) -> Result<(), Failure> {
        let is_guarded = self.timeout.is_some()
            || self.allow_empty
            || self.expect_trailer.is_some()
            || self.min_size.is_some();
        if is_guarded && !self.is_some() {
            let message =
                "--timeout, --allow-empty, --expect-trailer and --min-size are about streams";
            let hint = "name one with --stdin or --command";
            return Err(Failure::Usage(message.to_owned(), Some(hint.to_owned())));
        }
        Ok(())
    }

    /// Takes them as they are meant. Nothing is begun.
    ///
    /// # Errors
    /// When names or words make no sense.
    pub fn feeds(
        &self,
        global: &Global,
        words: &[OsString],
    ) -> Result<Vec<Box<dyn Feed>>, Failure> {
        let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
        if let Some(text) = &self.expect_trailer
            && !(1..=TAIL).contains(&text.len())
        {
            let message =
                format!("--expect-trailer takes 1 to {TAIL} bytes, and this has {}", text.len());
            let hint = "name a part of what stands at the end of each stream";
            return Err(Failure::Usage(message, Some(hint.to_owned())));
        }
        let guards = Guards {
            allow_empty: self.allow_empty,
            trailer: self.expect_trailer.as_ref().map(|text| text.as_bytes().to_vec()),
            min_size: self.min_size.unwrap_or(0),
            time_out: self.timeout.filter(|limit| !limit.is_zero()),
        };
        if let Some(name) = &self.stdin {
            let pipe = stdin(global)?;
            feeds.push(Box::new(Stream::pipe(path(name)?, pipe, guards.clone(), show::now)));
        }
        let commands = split(words, self.command.len())?;
        for (name, words) in self.command.iter().zip(commands) {
            let ok_exits = self.ok_exit.iter().map(|code| i32::from(*code)).collect();
            let command = Command::new(words, ok_exits, tell(name));
            let path = path(name)?;
            feeds.push(Box::new(Stream::command(path, command, guards.clone(), show::now)));
        }
        check_names(&feeds)?;
        Ok(feeds)
    }
}

/// Standard input, when it can be a stream.
fn stdin(global: &Global) -> Result<std::os::fd::OwnedFd, Failure> {
    let usage =
        |message: &str, hint: &str| Failure::Usage(message.to_owned(), Some(hint.to_owned()));
    let stdin = std::io::stdin();
    if global.recovery_key {
        let hint = "make a key file of it with `esker key recover`";
        return Err(usage("standard input cannot be a stream and the recovery key", hint));
    }
    if stdin.is_terminal() {
        let hint = "pipe something into it, or let esker run what writes it with --command";
        return Err(usage("standard input is a terminal", hint));
    }
    Ok(stdin.as_fd().try_clone_to_owned()?)
}

/// The path that a name stands for.
fn path(name: &OsString) -> Result<Vec<u8>, Failure> {
    let name = name.as_bytes();
    let path = [b"/", name.strip_prefix(b"/").unwrap_or(name)].concat();
    let wrong = |why: String| {
        let message = format!("{} cannot be the name of a stream: {why}", show::name(name));
        let hint = "give it a name such as db.sql, or a path such as mail/ldap.ldif";
        Failure::Usage(message, Some(hint.to_owned()))
    };
    let key = MapKey::from_path(&path).map_err(|error| wrong(error.to_string()))?;
    if key.name.is_empty() || name.ends_with(b"/") {
        return Err(wrong("it names a directory".to_owned()));
    }
    Ok(key.path())
}

/// Two streams cannot have one name, and none can be a directory of another.
fn check_names(feeds: &[Box<dyn Feed>]) -> Result<(), Failure> {
    let mut paths: Vec<Vec<u8>> = feeds.iter().map(|f| [f.path(), b"/"].concat()).collect();
    paths.sort();
    for pair in paths.windows(2) {
        if pair[1].starts_with(&pair[0]) {
            let name = show::name(&pair[0][1..pair[0].len() - 1]);
            let message = format!("{name} is the name of two streams, or of one and its directory");
            return Err(Failure::Usage(message, Some("give each a name of its own".to_owned())));
        }
    }
    Ok(())
}

/// The words of each command.
fn split(words: &[OsString], commands: usize) -> Result<Vec<Vec<OsString>>, Failure> {
    let split: Vec<Vec<OsString>> = match commands {
        // Its words may be anything.
        1 => vec![words.to_vec()],
        _ => words.split(|word| word == ";").map(<[_]>::to_vec).collect(),
    };
    let given = split.iter().filter(|words| !words.is_empty()).count();
    let usage = |message: String| {
        let hint = "write `--command NAME -- CMD ARG...`, and `;` in quotes between several";
        Failure::Usage(message, Some(hint.to_owned()))
    };
    match (commands, given) {
        (0, 0) => Ok(Vec::new()),
        (0, _) => Err(usage("there is a command behind `--`, and no --command NAME".to_owned())),
        (1, 0) => Err(usage("--command without a command behind `--`".to_owned())),
        _ if given == commands && split.len() == commands => Ok(split),
        _ => {
            let names = show::count(commands as u64, "name", "names");
            let given = show::count(given as u64, "command", "commands");
            Err(usage(format!("{names} with --command, and {given} behind `--`")))
        }
    }
}

/// Shows what a command says, under the name of its stream.
fn tell(name: &OsString) -> Tell {
    let name = show::name(name.as_bytes());
    Arc::new(move |line| show::note(&format!("{name}: {}", show::name(line))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn one_command_has_any_words_and_several_have_a_semicolon_between_them() {
        let one = split(&words("find . -exec ls ; -print"), 1).unwrap();
        assert_eq!(one, [words("find . -exec ls ; -print")]);
        let two = split(&words("a 1 ; b"), 2).unwrap();
        assert_eq!(two, [words("a 1"), words("b")]);
        for (text, commands) in [("a", 0), ("", 1), ("a", 2), ("a ;", 2), ("a ; b ; c", 2)] {
            assert!(split(&words(text), commands).is_err(), "{text} {commands}");
        }
    }

    #[test]
    fn a_stream_has_a_path_that_an_entry_can_have() {
        assert_eq!(path(&"db.sql".into()).unwrap(), b"/db.sql");
        assert_eq!(path(&"/mail/ldap.ldif".into()).unwrap(), b"/mail/ldap.ldif");
        for name in ["", "/", "a/", "..", "a/../b", "."] {
            assert!(path(&name.into()).is_err(), "{name}");
        }
    }
}
