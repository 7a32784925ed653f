//! The services that can keep a repository: their words for things, as one table.

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

/// One option of a service.
#[derive(Debug)]
pub struct ServiceOption {
    /// Its name in addresses and in the file of stores.
    pub name: &'static str,
    /// Whether it must not be seen: it is refused in addresses.
    pub is_secret: bool,
    /// The variables that are read when it is not named; the first that is set counts.
    pub variables: &'static [&'static str],
    /// What it says.
    pub about: &'static str,
}

const fn plain(
    name: &'static str,
    variables: &'static [&'static str],
    about: &'static str,
) -> ServiceOption {
    ServiceOption { name, is_secret: false, variables, about }
}

const fn secret(
    name: &'static str,
    variables: &'static [&'static str],
    about: &'static str,
) -> ServiceOption {
    ServiceOption { name, is_secret: true, variables, about }
}

/// What every service takes.
pub const COMMON: &[ServiceOption] = &[
    plain(
        "timeout",
        &[],
        "seconds without a sign of life after which a connection is given up (60)",
    ),
    plain("retries", &[], "tries after a failed one, with growing waits between them (8)"),
];

// Without variables: whoever signs requests reads those itself, together with profiles and roles.
const S3: &[ServiceOption] = &[
    plain("region", &["AWS_REGION", "AWS_DEFAULT_REGION"], "the region of the bucket (us-east-1)"),
    plain(
        "endpoint",
        &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
        "where the service is, when it is not Amazon's: http://127.0.0.1:9000",
    ),
    plain(
        "path_style",
        &[],
        "true: the bucket in the path; false: in the host name (false at Amazon's)",
    ),
    plain(
        "checksum",
        &[],
        "checksum sent with each object: crc32c, md5 or none (crc32c at Amazon's)",
    ),
    plain("profile", &["AWS_PROFILE"], "the profile of ~/.aws/config and ~/.aws/credentials"),
    plain("role_arn", &[], "a role to take on"),
    plain("storage_class", &[], "the storage class of new objects"),
    plain("encryption", &[], "encryption at the service: AES256 or aws:kms"),
    plain("kms_key", &[], "the id of the key for aws:kms"),
    secret("access_key_id", &[], "the access key; AWS_ACCESS_KEY_ID"),
    secret("secret_access_key", &[], "its secret; AWS_SECRET_ACCESS_KEY"),
    secret("session_token", &[], "the token of a session; AWS_SESSION_TOKEN"),
];

const AZBLOB: &[ServiceOption] = &[
    plain("account", &["AZURE_STORAGE_ACCOUNT"], "the storage account"),
    plain("endpoint", &["AZURE_STORAGE_ENDPOINT"], "where the service is"),
    secret("key", &["AZURE_STORAGE_KEY"], "the key of the account"),
    secret("sas_token", &["AZURE_STORAGE_SAS_TOKEN"], "a shared access signature"),
];

const GCS: &[ServiceOption] = &[
    plain("endpoint", &[], "where the service is"),
    plain("storage_class", &[], "the storage class of new objects"),
    plain(
        "credential_file",
        &["GOOGLE_APPLICATION_CREDENTIALS"],
        "the file with the key of the service account",
    ),
];

const B2: &[ServiceOption] = &[
    plain("bucket_id", &["B2_BUCKET_ID"], "the id of the bucket, beside its name"),
    secret("key_id", &["B2_APPLICATION_KEY_ID"], "the id of the application key"),
    secret("key", &["B2_APPLICATION_KEY"], "the application key"),
];

const WEBDAV: &[ServiceOption] = &[
    plain("tls", &[], "false: http instead of https"),
    plain("user", &["WEBDAV_USER"], "the name to log in with"),
    secret("password", &["WEBDAV_PASSWORD"], "its password"),
    secret("token", &["WEBDAV_TOKEN"], "a bearer token instead"),
];

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
        matches!(self, Self::S3)
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
