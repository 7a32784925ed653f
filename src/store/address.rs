//! Where a store is, in the words of the command line: a folder, or the URL of a service.
//!
//! ```text
//! /srv/backup
//! s3://bucket/prefix?region=eu-central-1
//! webdav://example.org/backup
//! ```
//!
//! What is secret has no place in an address, which ends up in lists of processes, histories and messages.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use super::SshAddress;
use super::service::{COMMON, Service};

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A folder at the far end of `ssh`.
    Ssh(SshAddress),
    /// A place in a service.
    Remote(RemoteAddress),
}

/// A place in a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteAddress {
    /// Which service.
    pub service: Service,
    /// The bucket, the container or the host.
    pub container: String,
    /// The folder in it, without `/` around it; may be empty.
    pub prefix: String,
    /// What stands behind the `?`.
    pub options: BTreeMap<String, String>,
}

/// What is wrong with an address, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AddressError {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl AddressError {
    /// One of these words.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl Address {
    /// Reads an address. What has no `scheme://` is a folder.
    ///
    /// # Errors
    /// For an unknown scheme or option, a secret, and a URL that is none.
    pub fn parse(text: &OsStr) -> Result<Self, AddressError> {
        let folder = || Ok(Self::Folder(PathBuf::from(text)));
        let Some((scheme, rest)) = text.to_str().and_then(|text| text.split_once("://")) else {
            return folder();
        };
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        if scheme.is_empty() || !scheme.chars().all(is_scheme) {
            return folder();
        }
        if let Some(parsed) = text.to_str().and_then(SshAddress::parse) {
            // Without the address: there may be a password in it.
            return parsed.map(Self::Ssh).map_err(|error| {
                let hint = format!("write {scheme}://USER@HOST/FOLDER");
                AddressError::new(
                    format!("the address of the repository cannot be used: {error}"),
                    hint,
                )
            });
        }
        let service = Service::ALL.into_iter().find(|s| s.scheme() == scheme).ok_or_else(|| {
            let known = Service::ALL.map(|s| format!(", {}://", s.scheme())).concat();
            AddressError::new(
                format!("nothing is known of {scheme}://"),
                format!("addresses begin with sftp://, ssh://{known}; a folder of such a name is ./{scheme}:..."),
            )
        })?;
        RemoteAddress::parse(service, rest).map(Self::Remote)
    }

    /// The folder, when it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) => Some(path),
            Self::Ssh(_) | Self::Remote(_) => None,
        }
    }
}

impl RemoteAddress {
    fn parse(service: Service, rest: &str) -> Result<Self, AddressError> {
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (container, prefix) = place.split_once('/').unwrap_or((place, ""));
        let (scheme, what) = (service.scheme(), service.container());
        if container.contains('@') {
            return Err(AddressError::new(
                format!("an address of {scheme}:// has no name or password in it"),
                secrets_hint(service),
            ));
        }
        if container.is_empty() {
            return Err(AddressError::new(
                format!("no {what} is named behind {scheme}://"),
                format!("write {scheme}://{}/FOLDER", what.to_uppercase()),
            ));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_container =
            |c: char| is_plain(c) || service == Service::Webdav && matches!(c, ':' | '[' | ']');
        let prefix = prefix.trim_matches('/');
        if !container.chars().all(is_container) {
            return Err(AddressError::new(
                format!("{container} is not the name of a {what}"),
                "it has letters, digits, `-`, `_` and `.`",
            ));
        }
        let is_part = |part: &str| {
            let is_letter = |c: char| is_plain(c) || matches!(c, '~' | '+' | '=' | '@' | ',');
            !matches!(part, "" | "." | "..") && part.chars().all(is_letter)
        };
        if !prefix.is_empty() && !prefix.split('/').all(is_part) {
            return Err(AddressError::new(
                format!("{prefix} cannot be used as a folder in {scheme}://{container}"),
                "use letters, digits, `-`, `_`, `.` and single `/`",
            ));
        }
        Ok(Self {
            service,
            container: container.to_owned(),
            prefix: prefix.to_owned(),
            options: options(service, query)?,
        })
    }
}

/// The options behind the `?` of an address.
fn options(service: Service, query: &str) -> Result<BTreeMap<String, String>, AddressError> {
    let mut options = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        check_option(service, name, false)?;
        let value = decode(value).ok_or_else(|| {
            AddressError::new(
                format!("the value of {name} is not written as in a URL"),
                "`%` is followed by two digits from 0 to f; `%` itself is %25",
            )
        })?;
        if options.insert(name.to_owned(), value).is_some() {
            return Err(AddressError::new(format!("{name} is there twice"), "name it once"));
        }
    }
    Ok(options)
}

/// Fails for an option that the service does not have, or that may not stand there.
pub(super) fn check_option(
    service: Service,
    name: &str,
    is_secret_place: bool,
) -> Result<(), AddressError> {
    match service.option(name) {
        None => {
            let known = service.options().iter().chain(COMMON).map(|option| option.name);
            let known = known.collect::<Vec<_>>().join(", ");
            Err(AddressError::new(
                format!("{}:// has no option {name}", service.scheme()),
                format!("it has {known}"),
            ))
        }
        Some(option) if option.is_secret && !is_secret_place => Err(AddressError::new(
            format!("{name} does not belong into an address, where others can see it"),
            secrets_hint(service),
        )),
        Some(_) => Ok(()),
    }
}

fn secrets_hint(service: Service) -> String {
    format!("it comes from {} in the configuration folder of esker", service.keys_from())
}

/// Text with `%41` for `A`.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        if *first == b'%' {
            let digits = std::str::from_utf8(behind.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &behind[2..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).ok()
}

/// As in messages: without options.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Ssh(ssh) => ssh.fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.service.scheme(), self.container)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        Ok(())
    }
}
