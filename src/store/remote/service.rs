//! From settings to OpenDAL: what each service calls its things.

use std::collections::HashMap;
use std::error::Error;

use opendal::{Configurator, HttpTransporter, OperationContext, Operator};

use super::transport::Transport;
use crate::store::service::Service;
use crate::store::settings::Settings;

type Words = HashMap<String, String>;
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The service that settings describe. Nobody is asked anything yet.
pub(super) fn connect(settings: &Settings) -> Result<Operator> {
    let mut words = Words::new();
    if !settings.prefix.is_empty() {
        words.insert("root".to_owned(), format!("/{}", settings.prefix));
    }
    let operator = match settings.service {
        #[cfg(feature = "s3")]
        Service::S3 => build::<opendal::services::S3Config>(s3(settings, words)?),
        #[cfg(feature = "azblob")]
        Service::Azblob => build::<opendal::services::AzblobConfig>(azblob(settings, words)),
        #[cfg(feature = "gcs")]
        Service::Gcs => build::<opendal::services::GcsConfig>(gcs(settings, words)),
        #[cfg(feature = "b2")]
        Service::B2 => build::<opendal::services::B2Config>(b2(settings, words)?),
        #[cfg(feature = "webdav")]
        Service::Webdav => build::<opendal::services::WebdavConfig>(webdav(settings, words)?),
        #[allow(unreachable_patterns, reason = "which services are built is a matter of features")]
        _ => return Err("this esker was built without it".into()),
    };
    let endpoint = settings.get("endpoint").unwrap_or("https://");
    let tls = !endpoint.starts_with("http://") && settings.flag("tls")? != Some(false);
    let transport = HttpTransporter::new(Transport::new(
        settings.stall,
        tls,
        // OpenDAL does not know that servers with WebDAV understand it.
        settings.service == Service::Webdav,
    )?);
    Ok(operator?.with_context(OperationContext::new().with_http_transport(transport)))
}

fn build<C: Configurator>(words: Words) -> Result<Operator> {
    let config = C::from_iter(words).map_err(told)?;
    Operator::from_config(config).map_err(told)
}

/// What OpenDAL says about settings, without its context.
fn told(error: opendal::Error) -> Box<dyn Error + Send + Sync> {
    error.message().to_owned().into()
}

/// Takes over options as they are, under the names that the service has for them.
#[allow(dead_code, reason = "which services are built is a matter of features")]
fn take(settings: &Settings, words: &mut Words, names: &[(&str, &str)]) {
    for (ours, theirs) in names {
        if let Some(value) = settings.get(ours) {
            words.insert((*theirs).to_owned(), value.to_owned());
        }
    }
}

#[cfg(feature = "s3")]
fn s3(settings: &Settings, mut words: Words) -> Result<Words> {
    let endpoint = settings.get("endpoint");
    let is_amazon = endpoint.is_none_or(|endpoint| endpoint.contains(".amazonaws.com"));
    words.insert("bucket".to_owned(), settings.container.clone());
    words.insert("region".to_owned(), "us-east-1".to_owned());
    take(
        settings,
        &mut words,
        &[
            ("region", "region"),
            ("endpoint", "endpoint"),
            ("profile", "profile"),
            ("role_arn", "role_arn"),
            ("storage_class", "default_storage_class"),
            ("encryption", "server_side_encryption"),
            ("kms_key", "server_side_encryption_aws_kms_key_id"),
            ("access_key_id", "access_key_id"),
            ("secret_access_key", "secret_access_key"),
            ("session_token", "session_token"),
        ],
    );
    // Certificates of Amazon's hosts do not cover names with points.
    let by_default = !is_amazon || settings.container.contains('.');
    let path_style = settings.flag("path_style")?.unwrap_or(by_default);
    words.insert("enable_virtual_host_style".to_owned(), (!path_style).to_string());
    // Amazon asks for one where objects are locked; others may not know it.
    match settings.get("checksum").unwrap_or(if is_amazon { "crc32c" } else { "none" }) {
        "none" => {}
        checksum => {
            words.insert("checksum_algorithm".to_owned(), checksum.to_owned());
        }
    }
    Ok(words)
}

#[cfg(feature = "azblob")]
fn azblob(settings: &Settings, mut words: Words) -> Words {
    words.insert("container".to_owned(), settings.container.clone());
    if let Some(account) = settings.get("account") {
        let endpoint = format!("https://{account}.blob.core.windows.net");
        words.insert("endpoint".to_owned(), endpoint);
    }
    let names = [
        ("endpoint", "endpoint"),
        ("account", "account_name"),
        ("key", "account_key"),
        ("sas_token", "sas_token"),
    ];
    take(settings, &mut words, &names);
    words
}

#[cfg(feature = "gcs")]
fn gcs(settings: &Settings, mut words: Words) -> Words {
    words.insert("bucket".to_owned(), settings.container.clone());
    let names = [
        ("endpoint", "endpoint"),
        ("storage_class", "default_storage_class"),
        ("credential_file", "credential_path"),
    ];
    take(settings, &mut words, &names);
    words
}

#[cfg(feature = "b2")]
fn b2(settings: &Settings, mut words: Words) -> Result<Words> {
    words.insert("bucket".to_owned(), settings.container.clone());
    let names =
        [("bucket_id", "bucket_id"), ("key_id", "application_key_id"), ("key", "application_key")];
    take(settings, &mut words, &names);
    if settings.get("bucket_id").is_none() {
        return Err(
            "B2 wants the id of the bucket too: name it with ?bucket_id= or B2_BUCKET_ID".into()
        );
    }
    Ok(words)
}

#[cfg(feature = "webdav")]
fn webdav(settings: &Settings, mut words: Words) -> Result<Words> {
    let scheme = if settings.flag("tls")?.unwrap_or(true) { "https" } else { "http" };
    words.insert("endpoint".to_owned(), format!("{scheme}://{}", settings.container));
    take(
        settings,
        &mut words,
        &[("user", "username"), ("password", "password"), ("token", "token")],
    );
    Ok(words)
}
