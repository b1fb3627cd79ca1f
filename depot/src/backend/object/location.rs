//! The URL of a depot in an object store: which service, which bucket, which prefix, and what to know of them.
//!
//! ```text
//!   s3://BUCKET/PREFIX?region=R&endpoint=URL&lock=governance|compliance&lock_days=N
//!   gs://BUCKET/PREFIX?endpoint=URL        az://CONTAINER/PREFIX?account=A&endpoint=URL
//!   all: allow_http=true  credentials_file=PATH  retry_seconds=N
//! ```
//!
//! A URL never has a secret in it, and one that has is refused: it is written into the room's settings and shown.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use object_store::path::Path;
use strongroom_core::error::Code;
use url::{Host, Url};

/// How long a request is tried again, unless the URL says otherwise.
const RETRY_SECONDS: u64 = 60;
/// A request's signature does not live longer than some minutes.
const RETRY_SECONDS_MAX: u64 = 240;
/// A hundred years.
const LOCK_DAYS_MAX: u32 = 36_500;

/// A URL does not say where a depot is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// It is no URL.
    #[error("it is no URL")]
    NotUrl,
    /// No service is reached by this scheme.
    #[error("no object store is reached by {scheme}://")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// The bucket is missing.
    #[error("it names no bucket")]
    NoBucket,
    /// There is a user or a password in it.
    #[error("it has credentials in it")]
    Secret,
    /// The prefix can't be part of an object's name.
    #[error("its prefix can't be part of an object's name")]
    Prefix,
    /// A setting that is not known for this service.
    #[error("{name} is no setting of {service}")]
    UnknownSetting {
        /// The setting.
        name: String,
        /// The service.
        service: Service,
    },
    /// A setting's value means nothing.
    #[error("the value of {name} is not {expected}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// `lock` without `lock_days`, or the other way round.
    #[error("lock and lock_days belong together")]
    HalfLock,
    /// Everybody on the way could read and change what is sent.
    #[error("its endpoint is not encrypted, and not on this host")]
    PlainHttp,
}

impl LocationError {
    /// The stable code of the error.
    pub const fn code(&self) -> Code {
        Code::Usage
    }
}

/// Which protocol a store speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Amazon S3 and compatible stores.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::S3 => "s3://",
            Self::Google => "gs://",
            Self::Azure => "az://",
        })
    }
}

/// How firmly an object is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionMode {
    /// Whoever has a special permission may shorten it.
    Governance,
    /// Nobody may shorten it.
    Compliance,
}

/// How long an object's version can't be deleted after it was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How firmly.
    pub mode: RetentionMode,
    /// For how many days.
    pub days: u32,
}

/// Where a depot lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectLocation {
    pub(super) service: Service,
    pub(super) bucket: String,
    pub(super) prefix: Path,
    pub(super) region: Option<String>,
    pub(super) account: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) allow_http: bool,
    pub(super) credentials_file: Option<PathBuf>,
    pub(super) retry: Duration,
    pub(super) retention: Option<Retention>,
}

impl ObjectLocation {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let url = Url::parse(text).map_err(|_| LocationError::NotUrl)?;
        let service = match url.scheme() {
            "s3" => Service::S3,
            "gs" => Service::Google,
            "az" => Service::Azure,
            scheme => return Err(LocationError::Scheme { scheme: scheme.to_owned() }),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(LocationError::Secret);
        }
        let bucket = url.host_str().filter(|host| !host.is_empty()).ok_or(LocationError::NoBucket)?.to_owned();
        let prefix = Path::from_url_path(url.path()).map_err(|_| LocationError::Prefix)?;
        let mut location = Self {
            service,
            bucket,
            prefix,
            region: None,
            account: None,
            endpoint: None,
            allow_http: false,
            credentials_file: None,
            retry: Duration::from_secs(RETRY_SECONDS),
            retention: None,
        };
        let (mut mode, mut days) = (None, None);
        for (name, value) in url.query_pairs() {
            match (name.as_ref(), service) {
                ("region", Service::S3) => location.region = Some(value.into_owned()),
                ("account", Service::Azure) => location.account = Some(value.into_owned()),
                ("endpoint", _) => location.endpoint = Some(value.trim_end_matches('/').to_owned()),
                ("allow_http", _) => location.allow_http = flag(&value)?,
                ("credentials_file", _) => location.credentials_file = Some(PathBuf::from(value.as_ref())),
                ("retry_seconds", _) => location.retry = retry(&value)?,
                ("lock", Service::S3) => mode = Some(lock_mode(&value)?),
                ("lock_days", Service::S3) => days = Some(lock_days(&value)?),
                _ => return Err(LocationError::UnknownSetting { name: name.into_owned(), service }),
            }
        }
        location.retention = match (mode, days) {
            (Some(mode), Some(days)) => Some(Retention { mode, days }),
            (None, None) => None,
            _ => return Err(LocationError::HalfLock),
        };
        location.check_endpoint()?;
        Ok(location)
    }

    /// Allows plain HTTP to this host, and elsewhere only if the URL says that it may be.
    fn check_endpoint(&mut self) -> Result<(), LocationError> {
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        let invalid = LocationError::Value { name: "endpoint", expected: "the URL of a server" };
        let endpoint = Url::parse(endpoint).map_err(|_| invalid.clone())?;
        if !endpoint.username().is_empty() || endpoint.password().is_some() || endpoint.query().is_some() {
            return Err(LocationError::Secret);
        }
        let is_loopback = match endpoint.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => return Err(invalid),
        };
        match endpoint.scheme() {
            "https" => Ok(()),
            "http" if is_loopback || self.allow_http => {
                self.allow_http = true;
                Ok(())
            }
            "http" => Err(LocationError::PlainHttp),
            _ => Err(invalid),
        }
    }
}

fn flag(value: &str) -> Result<bool, LocationError> {
    value.parse().map_err(|_| LocationError::Value { name: "allow_http", expected: "true or false" })
}

fn retry(value: &str) -> Result<Duration, LocationError> {
    let seconds = value.parse().ok().filter(|seconds| *seconds <= RETRY_SECONDS_MAX);
    let seconds = seconds.ok_or(LocationError::Value { name: "retry_seconds", expected: "a number up to 240" })?;
    Ok(Duration::from_secs(seconds))
}

fn lock_mode(value: &str) -> Result<RetentionMode, LocationError> {
    match value {
        "governance" => Ok(RetentionMode::Governance),
        "compliance" => Ok(RetentionMode::Compliance),
        _ => Err(LocationError::Value { name: "lock", expected: "governance or compliance" }),
    }
}

fn lock_days(value: &str) -> Result<u32, LocationError> {
    let days = value.parse().ok().filter(|days| (1..=LOCK_DAYS_MAX).contains(days));
    days.ok_or(LocationError::Value { name: "lock_days", expected: "a number of days from 1 on" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_how() {
        let url = "s3://cmdb/site/a?region=eu-central-1&lock=compliance&lock_days=30&retry_seconds=5";
        let location = ObjectLocation::parse(url).unwrap();
        assert_eq!((location.service, location.bucket.as_str()), (Service::S3, "cmdb"));
        assert_eq!(location.prefix.as_ref(), "site/a");
        assert_eq!(location.region.as_deref(), Some("eu-central-1"));
        assert_eq!(location.retention, Some(Retention { mode: RetentionMode::Compliance, days: 30 }));
        assert_eq!(location.retry, Duration::from_secs(5));
        assert!(!location.allow_http);
        let whole_bucket = ObjectLocation::parse("gs://cmdb").unwrap();
        assert_eq!((whole_bucket.service, whole_bucket.prefix.as_ref()), (Service::Google, ""));
    }

    #[test]
    fn plain_http_needs_this_host_or_a_word() {
        let at = |rest: &str| ObjectLocation::parse(&format!("s3://b/p?endpoint={rest}"));
        for loopback in ["http://127.0.0.1:5000", "http://[::1]:5000", "http://localhost:5000/"] {
            assert!(at(loopback).unwrap().allow_http, "{loopback}");
        }
        assert_eq!(at("http://10.0.0.1:9000"), Err(LocationError::PlainHttp));
        assert_eq!(at("http://127.0.0.1.example.org"), Err(LocationError::PlainHttp));
        assert!(at("http://10.0.0.1:9000&allow_http=true").unwrap().allow_http);
        assert!(!at("https://minio.example.org").unwrap().allow_http);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let cases = [
            ("depot", LocationError::NotUrl),
            ("ftp://b/p", LocationError::Scheme { scheme: "ftp".into() }),
            ("s3:///p", LocationError::NoBucket),
            ("s3://id:key@b/p", LocationError::Secret),
            ("s3://b/p?endpoint=https://id:key@host", LocationError::Secret),
            ("s3://b/p?secret=x", LocationError::UnknownSetting { name: "secret".into(), service: Service::S3 }),
            ("gs://b?lock=compliance", LocationError::UnknownSetting { name: "lock".into(), service: Service::Google }),
            ("s3://b?lock=compliance", LocationError::HalfLock),
            ("s3://b?lock_days=3", LocationError::HalfLock),
        ];
        for (url, refused) in cases {
            assert_eq!(ObjectLocation::parse(url), Err(refused), "{url}");
        }
        for url in ["s3://b?lock=on&lock_days=1", "s3://b?lock=governance&lock_days=0", "s3://b?retry_seconds=900"] {
            assert!(matches!(ObjectLocation::parse(url), Err(LocationError::Value { .. })), "{url}");
        }
    }
}
