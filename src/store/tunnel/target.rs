//! Where the far end is: `sftp://user@host:port/path`.

#[cfg(test)]
mod tests;

use std::fmt;

/// A folder on a host that `ssh` reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshTarget {
    /// The name to log in with; `ssh` knows one when this is none.
    pub user: Option<String>,
    /// A name, an address, or an alias of the user's `ssh` configuration; never in brackets.
    pub host: String,
    /// The port; `ssh` knows one when this is none.
    pub port: Option<u16>,
    /// Absolute, or relative to the folder that a login begins in.
    pub path: String,
    /// What stands behind the question mark: names and values.
    pub options: Vec<(String, String)>,
}

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No host.
    #[error("it names no host")]
    NoHost,
    /// A host or user that `ssh` would take for an option.
    #[error("a host or user cannot begin with `-`")]
    Dash,
    /// Something other than a number behind the colon.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// No path, or the root folder.
    #[error("it names no folder: write host/abs/olute, or host/~/relative to the home folder")]
    NoPath,
    /// A password in the address.
    #[error("it holds a password, which others would see: use an ssh key or an agent")]
    Password,
    /// A percent sign without two digits, or bytes that are no text.
    #[error("it has a `%` that stands for nothing; write %25 for the character itself")]
    Percent,
    /// A zero byte or a line break.
    #[error("it holds a control character")]
    Control,
}

impl SshTarget {
    /// Reads what follows `sftp://` or `ssh://`.
    ///
    /// `host/srv/backup` is absolute, `host/~/backup` and `host/./backup` begin in the home folder.
    ///
    /// # Errors
    /// When it does not name a host and a folder, or names them in a way that is not safe.
    pub fn parse(rest: &str) -> Result<Self, TargetError> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').ok_or(TargetError::NoPath)?;
        let (user, host_port) = match authority.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err(TargetError::Password),
            Some((user, host)) => (Some(decode(user)?), host),
            None => (None, authority),
        };
        let (host, port) = split_port(host_port)?;
        let host = decode(host)?;
        if host.is_empty() {
            return Err(TargetError::NoHost);
        }
        if host.starts_with('-') || user.as_deref().is_some_and(|user| user.starts_with('-')) {
            return Err(TargetError::Dash);
        }
        let path = decode(path)?;
        let relative = path.strip_prefix("~/").or_else(|| path.strip_prefix("./"));
        let path = match relative {
            Some(relative) => relative.trim_start_matches('/').to_owned(),
            None => format!("/{}", path.trim_start_matches('/')),
        };
        let path = path.trim_end_matches('/').to_owned();
        if path.is_empty() || path == "/~" {
            return Err(TargetError::NoPath);
        }
        let options = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        let options = options.collect::<Result<_, _>>()?;
        Ok(Self { user: user.filter(|user| !user.is_empty()), host, port, path, options })
    }

    /// The value of an option.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// `user@host:port/path`, as it is written behind `sftp://`; options are left out.
impl fmt::Display for SshTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{}@", encode(user))?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", encode(&self.host).replace("%3A", ":"))?,
            false => write!(f, "{}", encode(&self.host))?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        let relative = if self.path.starts_with('/') { "" } else { "/~/" };
        write!(f, "{relative}{}", encode(&self.path))
    }
}

/// A host and perhaps a port: `host`, `host:22`, `[::1]:22`.
fn split_port(text: &str) -> Result<(&str, Option<u16>), TargetError> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or(TargetError::Port)?)),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let number = |port: &str| match port.bytes().all(|b| b.is_ascii_digit()) {
        true => port.parse().ok().filter(|port| *port != 0).ok_or(TargetError::Port),
        false => Err(TargetError::Port),
    };
    Ok((host, port.map(number).transpose()?))
}

/// The text behind percent signs.
fn decode(text: &str) -> Result<String, TargetError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
        bytes.push(match byte {
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => (high * 16 + low) as u8,
                _ => return Err(TargetError::Percent),
            },
            byte => byte,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| TargetError::Percent)?;
    match text.chars().any(char::is_control) {
        true => Err(TargetError::Control),
        false => Ok(text),
    }
}

/// Text with percent signs where a URL needs them.
fn encode(text: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~+,=".contains(&byte) || byte > 127;
    let mut bytes = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match plain(byte) {
            true => bytes.push(byte),
            false => bytes.extend(format!("%{byte:02X}").bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
