//! Clients for the services, from a URL and credentials.
//!
//! Credentials come from the environment or the machine's own identity, as the service's other tools take them, or
//! from a file that the URL names, of lines `NAME=VALUE` with the names of the environment. None is ever logged.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use strongroom_platform::clock::Clock;

use super::error::StoreError;
use super::location::{ObjectLocation, Service};
use super::s3::{Connector, S3Bucket, Signer};

/// Tries of one request.
const RETRIES: usize = 12;
/// The first pause between tries; later ones grow, with jitter.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause between tries.
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// To connect.
const CONNECT: Duration = Duration::from_secs(10);
/// For one try of one request: a part of 8 MiB gets through a line of 1 Mbit/s.
const REQUEST: Duration = Duration::from_secs(90);
/// Where a bucket is looked for if nothing says where.
const REGION: &str = "us-east-1";

/// A client.
pub(super) struct Opened {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) s3: Option<Arc<S3Bucket>>,
}

/// Makes the client for a place.
pub(super) fn open(location: &ObjectLocation, clock: Arc<dyn Clock>) -> Result<Opened, StoreError> {
    match location.service {
        Service::S3 => s3(location, clock),
        Service::Google => google(location),
        Service::Azure => azure(location),
    }
}

fn s3(location: &ObjectLocation, clock: Arc<dyn Clock>) -> Result<Opened, StoreError> {
    let mut builder = AmazonS3Builder::from_env();
    for (key, value) in credentials::<AmazonS3ConfigKey>(location)? {
        builder = builder.with_config(key, value);
    }
    if let Some(region) = &location.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &location.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let builder = builder
        .with_bucket_name(&location.bucket)
        .with_client_options(options(location))
        .with_retry(retries(location))
        // The store refuses a part that was changed on its way; puts with a retention must carry one.
        .with_checksum_algorithm(Checksum::SHA256);
    let region = builder.get_config_value(&AmazonS3ConfigKey::Region).unwrap_or_else(|| REGION.to_owned());
    let plain = builder.clone().build().map_err(settings)?;
    let signer = Arc::new(Signer::new(Arc::clone(plain.credentials()), region));
    let connector = Connector::new(Arc::clone(&signer), location.retention, Arc::clone(&clock));
    let store = builder.with_credentials(Arc::clone(plain.credentials())).with_http_connector(connector);
    let store = store.build().map_err(settings)?;
    let bucket = S3Bucket::new(location.bucket.clone(), plain, signer, &options(location), clock)?;
    Ok(Opened { store: Arc::new(store), s3: Some(Arc::new(bucket)) })
}

fn google(location: &ObjectLocation) -> Result<Opened, StoreError> {
    let mut builder = GoogleCloudStorageBuilder::from_env();
    for (key, value) in credentials::<GoogleConfigKey>(location)? {
        builder = builder.with_config(key, value);
    }
    if let Some(endpoint) = &location.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    let builder = builder.with_bucket_name(&location.bucket).with_client_options(options(location));
    let store = builder.with_retry(retries(location)).build().map_err(settings)?;
    Ok(Opened { store: Arc::new(store), s3: None })
}

fn azure(location: &ObjectLocation) -> Result<Opened, StoreError> {
    let mut builder = MicrosoftAzureBuilder::from_env();
    for (key, value) in credentials::<AzureConfigKey>(location)? {
        builder = builder.with_config(key, value);
    }
    if let Some(account) = &location.account {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = &location.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    let builder = builder.with_container_name(&location.bucket).with_client_options(options(location));
    let store = builder.with_retry(retries(location)).build().map_err(settings)?;
    Ok(Opened { store: Arc::new(store), s3: None })
}

fn settings(source: object_store::Error) -> StoreError {
    StoreError::Settings { source: Box::new(source) }
}

fn options(location: &ObjectLocation) -> ClientOptions {
    ClientOptions::new().with_allow_http(location.allow_http).with_connect_timeout(CONNECT).with_timeout(REQUEST)
}

fn retries(location: &ObjectLocation) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig { init_backoff: PAUSE_FIRST, max_backoff: PAUSE_MAX, base: 2.0 },
        max_retries: RETRIES,
        retry_timeout: location.retry,
    }
}

/// The settings in the file of credentials, if the URL names one.
fn credentials<K: std::str::FromStr>(location: &ObjectLocation) -> Result<Vec<(K, String)>, StoreError> {
    let Some(file) = &location.credentials_file else { return Ok(Vec::new()) };
    let path = file.display().to_string();
    let text =
        std::fs::read_to_string(file).map_err(|source| StoreError::CredentialsFile { path: path.clone(), source })?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let unknown = || StoreError::CredentialsLine { path: path.clone(), line: number };
            let (name, value) = line.split_once('=').ok_or_else(unknown)?;
            let key = name.trim().to_ascii_lowercase().parse().map_err(|_| unknown())?;
            Ok((key, value.trim().to_owned()))
        })
        .collect()
}
