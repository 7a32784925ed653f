//! The services that can keep a repository: their words for things, in one place.

mod options;

use options::{AZBLOB, B2, GCS, S3, WEBDAV};
pub use options::{COMMON, ServiceOption};

/// A kind of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Amazon S3 and what speaks like it.
    S3,
    /// Azure Blob Storage.
    Azblob,
    /// Google Cloud Storage.
    Gcs,
    /// Backblaze B2.
    B2,
    /// Any server with WebDAV.
    Webdav,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::S3, Self::Azblob, Self::Gcs, Self::B2, Self::Webdav];

    /// The beginning of its addresses.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azblob => "azblob",
            Self::Gcs => "gs",
            Self::B2 => "b2",
            Self::Webdav => "webdav",
        }
    }

    /// What comes behind the scheme.
    pub const fn container(self) -> &'static str {
        match self {
            Self::S3 | Self::Gcs | Self::B2 => "bucket",
            Self::Azblob => "container",
            Self::Webdav => "host",
        }
    }

    /// What it is.
    pub const fn about(self) -> &'static str {
        match self {
            Self::S3 => "Amazon S3 and what speaks like it",
            Self::Azblob => "Azure Blob Storage",
            Self::Gcs => "Google Cloud Storage",
            Self::B2 => "Backblaze B2",
            Self::Webdav => "servers with WebDAV",
        }
    }

    /// Whether the tests of esker run against such a server. The others are only known to compile.
    pub const fn is_tested(self) -> bool {
        matches!(self, Self::S3 | Self::Azblob | Self::Webdav)
    }

    /// Whether it puts an object only where there is none, in one step: what several writers need.
    pub const fn is_for_several_writers(self) -> bool {
        matches!(self, Self::S3 | Self::Azblob | Self::Gcs)
    }

    /// The feature that it is built with.
    pub const fn feature(self) -> &'static str {
        match self {
            Self::Gcs => "gcs",
            other => other.scheme(),
        }
    }

    /// Whether this program was built with it.
    pub const fn is_built(self) -> bool {
        match self {
            Self::S3 => cfg!(feature = "s3"),
            Self::Azblob => cfg!(feature = "azblob"),
            Self::Gcs => cfg!(feature = "gcs"),
            Self::B2 => cfg!(feature = "b2"),
            Self::Webdav => cfg!(feature = "webdav"),
        }
    }

    /// Its options; those of [`COMMON`] are not repeated.
    pub const fn options(self) -> &'static [ServiceOption] {
        match self {
            Self::S3 => S3,
            Self::Azblob => AZBLOB,
            Self::Gcs => GCS,
            Self::B2 => B2,
            Self::Webdav => WEBDAV,
        }
    }

    /// The service of an address, as it is shown in messages.
    pub fn of(location: &str) -> Option<Self> {
        let (scheme, _) = location.split_once("://")?;
        Self::ALL.into_iter().find(|service| service.scheme() == scheme)
    }

    /// Where its secrets are said.
    pub const fn keys_from(self) -> &'static str {
        match self {
            Self::S3 => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or stores.toml",
            Self::Azblob => "AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or stores.toml",
            Self::Gcs => "the file that GOOGLE_APPLICATION_CREDENTIALS names",
            Self::B2 => "B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY, or stores.toml",
            Self::Webdav => "WEBDAV_USER and WEBDAV_PASSWORD, or stores.toml",
        }
    }

    /// The option of a name.
    pub fn option(self, name: &str) -> Option<&'static ServiceOption> {
        self.options().iter().chain(COMMON).find(|option| option.name == name)
    }
}
