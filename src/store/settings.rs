//! What a service is opened with, put together from where it may be said.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::address::{AddressError, RemoteAddress};
use super::service::{COMMON, Service};
use super::stores_file::StoresFile;

/// The settings of one store.
pub struct Settings {
    /// Which service.
    pub service: Service,
    /// The bucket, the container or the host.
    pub container: String,
    /// The folder in it.
    pub prefix: String,
    /// Time without a sign of life after which a connection is given up.
    pub stall: Duration,
    /// Tries after a failed one.
    pub retries: u32,
    options: BTreeMap<String, String>,
}

/// Longest time without a sign of life.
const STALL_MAX: Duration = Duration::from_secs(3600);
/// Most tries.
const RETRIES_MAX: u32 = 100;

impl Settings {
    /// What the address says counts first, then the file of stores, then the environment.
    ///
    /// # Errors
    /// When a value makes no sense.
    pub fn new(
        address: &RemoteAddress,
        stores: &StoresFile,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, AddressError> {
        let mut options = stores.options(address);
        options.extend(address.options.clone());
        for option in address.service.options().iter().chain(COMMON) {
            let mut set = option.variables.iter().filter_map(|name| variable(name));
            if !options.contains_key(option.name)
                && let Some(value) = set.find(|value| !value.is_empty())
            {
                options.insert(option.name.to_owned(), value);
            }
        }
        let mut settings = Self {
            service: address.service,
            container: address.container.clone(),
            prefix: address.prefix.clone(),
            stall: Duration::from_secs(60),
            retries: 8,
            options,
        };
        if let Some(text) = settings.get("timeout") {
            let stall = text.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
            let stall = stall.filter(|stall| !stall.is_zero() && *stall <= STALL_MAX);
            settings.stall = stall.ok_or_else(|| wrong("timeout", text, "up to 3600 seconds"))?;
        }
        if let Some(text) = settings.get("retries") {
            let retries = text.parse().ok().filter(|retries| *retries <= RETRIES_MAX);
            settings.retries =
                retries.ok_or_else(|| wrong("retries", text, "a number up to 100"))?;
        }
        Ok(settings)
    }

    /// The value of an option.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// The value of an option that is on or off.
    ///
    /// # Errors
    /// When it is neither.
    #[cfg_attr(not(feature = "remote"), allow(dead_code, reason = "no service has any then"))]
    pub fn flag(&self, name: &str) -> Result<Option<bool>, AddressError> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "yes" | "on" | "1") => Ok(Some(true)),
            Some("false" | "no" | "off" | "0") => Ok(Some(false)),
            Some(text) => Err(wrong(name, text, "true or false")),
        }
    }
}

/// That a value makes no sense.
fn wrong(name: &str, text: &str, expected: &str) -> AddressError {
    AddressError::new(format!("{name} cannot be {text}"), format!("it is {expected}"))
}

/// Without what may be secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("service", &self.service)
            .field("container", &self.container)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::Address;
    use super::*;
    use std::ffi::OsStr;

    fn settings(text: &str, variables: &[(&str, &str)]) -> Result<Settings, AddressError> {
        let Address::Remote(address) = Address::parse(OsStr::new(text)).unwrap() else { panic!() };
        let variable = |name: &str| {
            let set = variables.iter().find(|(variable, _)| *variable == name);
            set.map(|(_, value)| (*value).to_owned())
        };
        Settings::new(&address, &StoresFile::default(), &variable)
    }

    #[test]
    fn the_address_counts_before_the_environment() {
        let variables =
            [("AWS_REGION", "there"), ("AWS_ENDPOINT_URL", "http://x"), ("AWS_PROFILE", "")];
        let found = settings("s3://b?region=here", &variables).unwrap();
        assert_eq!(found.get("region"), Some("here"));
        assert_eq!(found.get("endpoint"), Some("http://x"));
        assert_eq!(found.get("profile"), None);
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for text in
            ["s3://b?timeout=0", "s3://b?timeout=long", "s3://b?timeout=1e9", "s3://b?retries=-1"]
        {
            assert!(settings(text, &[]).is_err(), "{text}");
        }
        let found = settings("s3://b?timeout=0.5&retries=0&path_style=perhaps", &[]).unwrap();
        assert_eq!((found.stall, found.retries), (Duration::from_millis(500), 0));
        assert!(found.flag("path_style").is_err());
    }
}
