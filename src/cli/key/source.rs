//! Keys from where people and jobs keep them: a file, a passphrase, the recovery key.

use super::file;
use crate::cli::Global;
use crate::cli::exit::Failure;
use crate::cli::place::Places;
use crate::repository::{Error, Unlock};
use esker_format::recovery;
use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

const PASSWORD: &str = "ESKER_PASSWORD";
const PASSWORD_FILE: &str = "ESKER_PASSWORD_FILE";
const PASSWORD_COMMAND: &str = "ESKER_PASSWORD_COMMAND";
const NEW_PASSWORD: &str = "ESKER_NEW_PASSWORD";
const NEW_PASSWORD_FILE: &str = "ESKER_NEW_PASSWORD_FILE";

/// Where a key comes from.
enum Source {
    KeyFile(PathBuf),
    Recovery,
    Password(Zeroizing<String>),
    PasswordFile(PathBuf),
    PasswordCommand(String),
}

/// The key to open the repository with.
///
/// # Errors
/// When two sources are named, or the one named has no key.
pub fn unlock(global: &Global, places: &Places) -> Result<Unlock, Failure> {
    match explicit(global)? {
        Some(Source::KeyFile(path)) => file::read(&path).map(Unlock::File),
        Some(Source::Recovery) => ask_recovery().map(Unlock::Recovery),
        Some(source) => password(source).map(Unlock::Passphrase),
        None if places.is_default && places.default_key.exists() => {
            file::read(&places.default_key).map(Unlock::File)
        }
        None => ask(&format!("passphrase of {}: ", places.repository)).map(Unlock::Passphrase),
    }
}

/// A passphrase for a new repository: named, or asked for twice.
///
/// # Errors
/// When none can be had or it is empty.
pub fn new_passphrase(global: &Global) -> Result<Zeroizing<String>, Failure> {
    let passphrase = match explicit(global)? {
        Some(Source::KeyFile(_) | Source::Recovery) => {
            return Err(Failure::usage("a new repository needs a key file or a passphrase"));
        }
        Some(source) => password(source)?,
        None => ask_twice("passphrase for the new repository: ")?,
    };
    not_empty(passphrase)
}

/// A further passphrase for a repository: named, or asked for twice.
///
/// # Errors
/// When none can be had or it is empty.
pub fn further_passphrase() -> Result<Zeroizing<String>, Failure> {
    let text = std::env::var(NEW_PASSWORD).ok().map(|text| Source::Password(Zeroizing::new(text)));
    let file = std::env::var_os(NEW_PASSWORD_FILE).map(|path| Source::PasswordFile(path.into()));
    let passphrase = match (text, file) {
        (Some(_), Some(_)) => {
            let message = format!("several are named: {NEW_PASSWORD}, {NEW_PASSWORD_FILE}");
            return Err(Failure::Usage(message, Some("name one of them only".to_owned())));
        }
        (Some(source), None) | (None, Some(source)) => password(source)?,
        (None, None) if !std::io::stdin().is_terminal() => {
            let hint = format!("set {NEW_PASSWORD} or {NEW_PASSWORD_FILE}");
            let message = "no new passphrase is named and there is no terminal to ask".to_owned();
            return Err(Failure::Usage(message, Some(hint)));
        }
        (None, None) => ask_twice("new passphrase: ")?,
    };
    not_empty(passphrase)
}

fn ask_twice(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let first = ask(prompt)?;
    if ask("the same again: ")? != first {
        return Err(Failure::usage("the two passphrases differ"));
    }
    Ok(first)
}

fn not_empty(passphrase: Zeroizing<String>) -> Result<Zeroizing<String>, Failure> {
    if passphrase.is_empty() {
        return Err(Failure::usage("the passphrase is empty"));
    }
    Ok(passphrase)
}

/// The one source that was named; two are an error, because one of them would be ignored.
fn explicit(global: &Global) -> Result<Option<Source>, Failure> {
    let mut found: Vec<(&str, Source)> = Vec::new();
    if let Some(path) = &global.key_file {
        found.push(("--key-file or ESKER_KEY_FILE", Source::KeyFile(path.clone())));
    }
    if global.recovery_key {
        found.push(("--recovery-key", Source::Recovery));
    }
    if let Ok(password) = std::env::var(PASSWORD) {
        found.push((PASSWORD, Source::Password(Zeroizing::new(password))));
    }
    if let Some(path) = std::env::var_os(PASSWORD_FILE) {
        found.push((PASSWORD_FILE, Source::PasswordFile(path.into())));
    }
    if let Ok(command) = std::env::var(PASSWORD_COMMAND) {
        found.push((PASSWORD_COMMAND, Source::PasswordCommand(command)));
    }
    if found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        let hint = Some("name one of them only".to_owned());
        return Err(Failure::Usage(format!("several keys are named: {}", names.join(", ")), hint));
    }
    Ok(found.pop().map(|(_, source)| source))
}

fn password(source: Source) -> Result<Zeroizing<String>, Failure> {
    let text = match source {
        Source::Password(password) => password,
        Source::PasswordFile(path) => {
            let io =
                |source| Error::Io { action: "read", path: path.display().to_string(), source };
            Zeroizing::new(std::fs::read_to_string(&path).map_err(io)?)
        }
        Source::PasswordCommand(command) => run(&command)?,
        Source::KeyFile(_) | Source::Recovery => Zeroizing::default(),
    };
    // Editors and `echo` end files with a line break that nobody means.
    Ok(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned()))
}

fn run(command: &str) -> Result<Zeroizing<String>, Failure> {
    let io = |source| Error::Io { action: "run", path: command.to_owned(), source };
    let output = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(io)?;
    let text = Zeroizing::new(output.stdout);
    if !output.status.success() {
        let message = format!("the command in {PASSWORD_COMMAND} failed: {}", output.status);
        return Err(Failure::usage(message));
    }
    let text = std::str::from_utf8(&text).map(str::to_owned);
    text.map(Zeroizing::new)
        .map_err(|_| Failure::usage(format!("the output of {PASSWORD_COMMAND} is not text")))
}

/// Asks on the terminal, without showing what is typed.
fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        let hint = format!(
            "name a key file with --key-file, or set {PASSWORD}, {PASSWORD_FILE} or {PASSWORD_COMMAND}"
        );
        return Err(Failure::Usage(
            "no key is named and there is no terminal to ask".to_owned(),
            Some(hint),
        ));
    }
    Ok(Zeroizing::new(rpassword::prompt_password(prompt)?))
}

/// Asks for the recovery key; what comes from a pipe is taken as it.
///
/// # Errors
/// When it is none.
pub fn ask_recovery() -> Result<esker_format::key::OwnerSecret, Failure> {
    let text = if std::io::stdin().is_terminal() {
        ask("recovery key: ")?
    } else {
        let mut text = Zeroizing::new(String::new());
        std::io::stdin().take(4096).read_to_string(&mut text)?;
        text
    };
    recovery::decode(&text).map_err(|e| {
        let hint =
            "it has 14 groups of four letters and digits; the last group tells a typing error";
        Failure::Usage(format!("that is no recovery key: {e}"), Some(hint.to_owned()))
    })
}
