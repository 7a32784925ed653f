//! The file of stores: options and secrets for addresses, so that neither is typed.
//!
//! ```toml
//! ["s3://bucket/prefix"]
//! region = "eu-central-1"
//! access_key_id = "..."
//! secret_access_key = "..."
//! ```
//!
//! A table counts for its address and all below it; of several the longest.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::address::{Address, AddressError, RemoteAddress, check_option};

/// What a file of stores says.
#[derive(Clone, Default)]
pub struct StoresFile {
    tables: Vec<(RemoteAddress, BTreeMap<String, String>)>,
}

/// Longest file that is read.
const MAX: u64 = 1 << 20;

impl StoresFile {
    /// Reads the file; one that is not there says nothing.
    ///
    /// # Errors
    /// When it cannot be read or makes no sense, or when it holds secrets and others may read it.
    pub fn read(path: &Path) -> Result<Self, AddressError> {
        let cannot = |why: String| {
            AddressError::new(
                format!("cannot read {}: {why}", path.display()),
                "look at its owner and mode, or name another with ESKER_STORES_FILE",
            )
        };
        let stat = match std::fs::metadata(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.map_err(|e| cannot(e.to_string()))?,
        };
        if !stat.is_file() || stat.len() > MAX {
            return Err(cannot("this is not a file of stores".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|e| cannot(e.to_string()))?;
        let file = Self::parse(&text, path)?;
        if stat.mode() & 0o077 != 0 && file.has_secrets() {
            return Err(AddressError::new(
                format!("others may read {}, and it holds secrets", path.display()),
                format!("chmod 600 {}", path.display()),
            ));
        }
        Ok(file)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, AddressError> {
        let in_file = |e: AddressError| {
            AddressError::new(format!("{}: {}", path.display(), e.message), e.hint)
        };
        let wrong = |message: String| {
            in_file(AddressError::new(
                message,
                "it has a table for each address, as [\"s3://bucket/folder\"], with lines name = \"value\"",
            ))
        };
        // Not the error itself: it shows the line, and secrets are in lines.
        let tables: toml::Table = toml::from_str(text).map_err(|e: toml::de::Error| {
            let line = e.span().map_or(0, |span| text[..span.start].lines().count().max(1));
            wrong(format!("line {line}: {}", e.message()))
        })?;
        let mut found = Vec::new();
        for (name, table) in &tables {
            let Address::Remote(address) = Address::parse(OsStr::new(name)).map_err(in_file)?
            else {
                return Err(wrong(format!("{name} is not the address of a service")));
            };
            if !address.options.is_empty() {
                return Err(wrong(format!("options of {address} are lines of its table")));
            }
            let table = table.as_table().ok_or_else(|| wrong(format!("{name} is not a table")))?;
            let mut options = BTreeMap::new();
            for (name, value) in table {
                check_option(address.service, name, true).map_err(in_file)?;
                let value = match value {
                    toml::Value::String(text) => text.clone(),
                    toml::Value::Boolean(value) => value.to_string(),
                    toml::Value::Integer(number) => number.to_string(),
                    _ => return Err(wrong(format!("{name} of {address} is not a text"))),
                };
                options.insert(name.clone(), value);
            }
            found.push((address, options));
        }
        Ok(Self { tables: found })
    }

    /// The options for an address.
    pub fn options(&self, address: &RemoteAddress) -> BTreeMap<String, String> {
        let counts = |above: &RemoteAddress| {
            let below = address.prefix.strip_prefix(&above.prefix);
            above.service == address.service
                && above.container == address.container
                && below
                    .is_some_and(|b| above.prefix.is_empty() || b.is_empty() || b.starts_with('/'))
        };
        let matching = self.tables.iter().filter(|(above, _)| counts(above));
        let longest = matching.max_by_key(|(above, _)| above.prefix.len());
        longest.map(|(_, options)| options.clone()).unwrap_or_default()
    }

    fn has_secrets(&self) -> bool {
        let is_secret = |address: &RemoteAddress, name: &str| {
            address.service.option(name).is_some_and(|option| option.is_secret)
        };
        self.tables.iter().any(|(address, o)| o.keys().any(|name| is_secret(address, name)))
    }
}

/// Without what is secret.
impl fmt::Debug for StoresFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.tables.iter().map(|(address, _)| address.to_string());
        f.debug_set().entries(addresses).finish()
    }
}

/// Where the file is when nobody says.
pub fn default_path(config: &Path) -> PathBuf {
    config.join("stores.toml")
}
