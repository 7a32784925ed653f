//! An address that `ssh` reaches: `sftp://…` or `ssh://…`.

use std::fmt;
use std::sync::Arc;

use super::{SftpStore, SshOptions, SshStore, SshTarget, Store, StoreError, TargetError};

/// A folder at the far end of `ssh`, and who keeps it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SshAddress {
    /// The server's own SFTP.
    Sftp(SshTarget),
    /// A program of ours.
    Ssh(SshTarget),
}

impl SshAddress {
    /// Reads an address; none when it is of another kind.
    ///
    /// # Errors
    /// When it is of this kind and makes no sense.
    pub fn parse(text: &str) -> Option<Result<Self, TargetError>> {
        if let Some(rest) = text.strip_prefix("sftp://") {
            return Some(SshTarget::parse(rest).map(Self::Sftp));
        }
        let rest = text.strip_prefix("ssh://")?;
        Some(SshTarget::parse(rest).map(Self::Ssh))
    }

    /// Opens the store, which must be there.
    ///
    /// # Errors
    /// When it is not there or not to be reached.
    pub fn open(&self, options: &SshOptions) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Sftp(target) => Arc::new(SftpStore::open(target, options)?),
            Self::Ssh(target) => Arc::new(SshStore::open(target, options)?),
        })
    }

    /// Makes the folder and opens it as an empty store.
    ///
    /// # Errors
    /// When it cannot be made, or holds something.
    pub fn create(&self, options: &SshOptions) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Sftp(target) => Arc::new(SftpStore::create(target, options)?),
            Self::Ssh(target) => Arc::new(SshStore::create(target, options)?),
        })
    }
}

/// As it is written, without options.
impl fmt::Display for SshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sftp(target) => write!(f, "sftp://{target}"),
            Self::Ssh(target) => write!(f, "ssh://{target}"),
        }
    }
}
