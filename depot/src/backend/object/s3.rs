//! What S3 can do and the common interface of stores does not offer: retention, completion that can't overwrite, and
//! questions about the bucket.
//!
//! Requests pass through [`Stamping`] on their way out. It adds the headers of Object Lock to those that put a pack, a
//! manifest or the format, and signs them anew, since S3 wants every such header under the signature; and it makes the
//! completion of an upload conditional. Bodies are left as they are. A put that is marked so sets a retention (see
//! `extend`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{AUTHORIZATION, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use object_store::ClientOptions;
use object_store::aws::{AmazonS3, AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::path::Path;
use object_store::signer::Signer as _;
use strongroom_platform::clock::Clock;

use super::error::StoreError;
use super::location::Retention;

/// The digest of the body, which a request carries already.
const CONTENT_DIGEST: &str = "x-amz-content-sha256";
/// Which of the digests that came with the body the store is to check: it asks for one when a put has a retention.
const CHECKED_BY: &str = "x-amz-sdk-checksum-algorithm";
const CHECKSUM: &str = "x-amz-checksum-sha256";
const LOCK_MODE: &str = "x-amz-object-lock-mode";
const LOCK_UNTIL: &str = "x-amz-object-lock-retain-until-date";
/// How long the address of a bucket, asked for below, would be good for as a signed one. It is never used as such.
const ADDRESS_LIFE: Duration = Duration::from_secs(1);

/// Signs requests with whatever credentials are good at the moment.
pub(super) struct Signer {
    credentials: AwsCredentialProvider,
    region: String,
}

impl Signer {
    /// A signer for a region.
    pub(super) const fn new(credentials: AwsCredentialProvider, region: String) -> Self {
        Self { credentials, region }
    }

    async fn sign(&self, request: &mut HttpRequest) -> object_store::Result<()> {
        let credential = self.credentials.get_credential().await?;
        let stated = request.headers().get(CONTENT_DIGEST).and_then(|value| hex::decode(value.as_bytes()).ok());
        request.headers_mut().remove(AUTHORIZATION);
        AwsAuthorizer::new(&credential, "s3", &self.region).try_authorize(request, stated.as_deref())
    }
}

/// Makes connections whose requests are stamped.
pub(super) struct Connector {
    signer: Arc<Signer>,
    retention: Option<Retention>,
    clock: Arc<dyn Clock>,
}

impl Connector {
    /// Stamps with a retention, counted from the clock's time of each request.
    pub(super) const fn new(signer: Arc<Signer>, retention: Option<Retention>, clock: Arc<dyn Clock>) -> Self {
        Self { signer, retention, clock }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        let (signer, clock) = (Arc::clone(&self.signer), Arc::clone(&self.clock));
        Ok(HttpClient::new(Stamping { inner, signer, retention: self.retention, clock }))
    }
}

struct Stamping {
    inner: HttpClient,
    signer: Arc<Signer>,
    retention: Option<Retention>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl HttpService for Stamping {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if request.extensions().get::<SetRetention>().is_some() {
            return self.set_retention(request).await;
        }
        if let Some(retention) = self.retention.filter(|_| makes_a_version_to_keep(&request)) {
            let until = self.until(retention)?;
            request.headers_mut().insert(LOCK_MODE, HeaderValue::from_static(retention.mode.word()));
            request.headers_mut().insert(LOCK_UNTIL, until);
            if request.headers().contains_key(CHECKSUM) {
                request.headers_mut().insert(CHECKED_BY, HeaderValue::from_static("SHA256"));
            }
            self.signer.sign(&mut request).await.map_err(unknown)?;
        }
        if request.method() == Method::POST && has_parameter(&request, "uploadId") {
            request.headers_mut().insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        self.inner.execute(request).await
    }
}

impl Stamping {
    fn until(&self, retention: Retention) -> Result<HeaderValue, HttpError> {
        let until = until(self.clock.as_ref(), retention).map_err(unknown)?;
        HeaderValue::try_from(until).map_err(unknown)
    }

    /// Makes of a put, whose body is a retention, the question to give it to the object that is there.
    async fn set_retention(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let uri = request.uri().to_string();
        let separator = if uri.contains('?') { '&' } else { '?' };
        *request.uri_mut() = format!("{uri}{separator}retention=").parse().map_err(unknown)?;
        if request.headers().contains_key(CHECKSUM) {
            request.headers_mut().insert(CHECKED_BY, HeaderValue::from_static("SHA256"));
        }
        self.signer.sign(&mut request).await.map_err(unknown)?;
        let mut response = self.inner.execute(request).await?;
        // Whoever puts waits for the tag of what was put, and here nothing was.
        response.headers_mut().entry(ETAG).or_insert(HeaderValue::from_static("\"\""));
        Ok(response)
    }
}

/// Marks a put as one that sets a retention.
#[derive(Clone, Copy)]
pub(super) struct SetRetention;

/// When a retention ends that begins now.
pub(super) fn until(clock: &dyn Clock, retention: Retention) -> Result<String, jiff::Error> {
    let days = SignedDuration::from_hours(24 * i64::from(retention.days));
    let until = Timestamp::from_microsecond(clock.wall().0)?.checked_add(days)?;
    Ok(until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn unknown(error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, error)
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("retention", &self.retention).finish_non_exhaustive()
    }
}

impl fmt::Debug for Stamping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamping").field("retention", &self.retention).finish_non_exhaustive()
    }
}

/// A put, or the beginning of an upload in parts, of something that is never replaced.
fn makes_a_version_to_keep(request: &HttpRequest) -> bool {
    let begins = match *request.method() {
        Method::PUT => !has_parameter(request, "partNumber"),
        Method::POST => has_parameter(request, "uploads"),
        _ => false,
    };
    let path = request.uri().path();
    begins && [".pack", ".manifest", "/format"].iter().any(|end| path.ends_with(end))
}

fn has_parameter(request: &HttpRequest, name: &str) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|pair| pair.split('=').next() == Some(name))
}

/// A bucket, to be asked about itself.
pub(super) struct S3Bucket {
    /// Its name.
    pub(super) name: String,
    store: AmazonS3,
    signer: Arc<Signer>,
    client: HttpClient,
    /// From which retentions count.
    pub(super) clock: Arc<dyn Clock>,
}

impl S3Bucket {
    /// A bucket that `store` reaches.
    pub(super) fn new(
        name: String,
        store: AmazonS3,
        signer: Arc<Signer>,
        options: &ClientOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let client = ReqwestConnector::default().connect(options);
        let client = client.map_err(|source| StoreError::Settings { source: Box::new(source) })?;
        Ok(Self { name, store, signer, client, clock })
    }

    /// Asks once. `key` is empty for the bucket itself. Gives the status and the answer's text.
    pub(super) async fn ask(&self, method: Method, key: &str, query: &str) -> object_store::Result<(u16, String)> {
        let response = self.send(method, key, Some(query)).await?;
        let status = response.status().as_u16();
        let body = response.into_body().bytes().await.map_err(generic)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// The mode and the end of an object's retention, in the store's own words.
    pub(super) async fn retention_of(&self, key: &str) -> object_store::Result<Option<(String, String)>> {
        let response = self.send(Method::HEAD, key, None).await?;
        let word = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        Ok(word(LOCK_MODE).zip(word(LOCK_UNTIL)))
    }

    async fn send(&self, method: Method, key: &str, query: Option<&str>) -> object_store::Result<HttpResponse> {
        const ANY: &str = "x";
        let mut url = self.store.signed_url(Method::GET, &Path::from(ANY), ADDRESS_LIFE).await?;
        let path = url.path().strip_suffix(ANY).unwrap_or_default().to_owned();
        url.set_path(&if key.is_empty() { path.trim_end_matches('/').to_owned() } else { format!("{path}{key}") });
        url.set_query(query);
        let request = http::Request::builder().method(method).uri(url.as_str()).body(HttpRequestBody::empty());
        let mut request = request.map_err(generic)?;
        self.signer.sign(&mut request).await?;
        self.client.execute(request).await.map_err(generic)
    }
}

pub(super) fn generic(source: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(source) }
}
