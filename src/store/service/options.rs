//! The options of services, as tables.

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
pub(super) const S3: &[ServiceOption] = &[
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

pub(super) const AZBLOB: &[ServiceOption] = &[
    plain("account", &["AZURE_STORAGE_ACCOUNT"], "the storage account"),
    plain("endpoint", &["AZURE_STORAGE_ENDPOINT"], "where the service is"),
    secret("key", &["AZURE_STORAGE_KEY"], "the key of the account"),
    secret("sas_token", &["AZURE_STORAGE_SAS_TOKEN"], "a shared access signature"),
];

pub(super) const GCS: &[ServiceOption] = &[
    plain("endpoint", &[], "where the service is"),
    plain("storage_class", &[], "the storage class of new objects"),
    plain(
        "credential_file",
        &["GOOGLE_APPLICATION_CREDENTIALS"],
        "the file with the key of the service account",
    ),
];

pub(super) const B2: &[ServiceOption] = &[
    plain("bucket_id", &["B2_BUCKET_ID"], "the id of the bucket, beside its name"),
    secret("key_id", &["B2_APPLICATION_KEY_ID"], "the id of the application key"),
    secret("key", &["B2_APPLICATION_KEY"], "the application key"),
];

pub(super) const WEBDAV: &[ServiceOption] = &[
    plain("tls", &[], "false: http instead of https"),
    plain("user", &["WEBDAV_USER"], "the name to log in with"),
    secret("password", &["WEBDAV_PASSWORD"], "its password"),
    secret("token", &["WEBDAV_TOKEN"], "a bearer token instead"),
];
