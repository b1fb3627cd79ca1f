//! The TLS that Strongroom speaks: version 1.3, with a certificate on both sides.
//!
//! Owns what a connection never does: offer an older version, send data before the handshake is over, resume a session
//! (which could carry one identity's rights into the time after its certificate), name a host in clear, or fall back on
//! a cryptographic library that somebody installed for the whole process. The same configurations serve QUIC and TCP.
//!
//! Certificates are looked up anew at each handshake ([`HotIdentity`]), and time comes from the caller's [`Clock`].

use std::fmt;
use std::sync::Arc;

use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert, ServerConfig, WantsServerCert};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ConfigBuilder, SupportedProtocolVersion, WantsVerifier};
use thiserror::Error;

use super::enrol::{PinnedVerifier, WithRoot};
use super::identity::HotIdentity;
use super::validity::unix;
use super::verify::PeerVerifier;
use crate::clock::Clock;

/// The name of a host that clients give to rustls and quinn, which want one. It is never sent and never checked.
pub const SERVER_NAME: &str = "strongroom.invalid";

const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13];

/// The cryptographic library does not speak TLS 1.3.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("the cryptographic library does not speak TLS 1.3")]
pub struct ConfigError {
    #[source]
    source: rustls::Error,
}

/// The cryptographic library, named and not looked up.
pub(super) fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

/// Says whether this build does all of its TLS within a module that was validated to FIPS 140-3.
pub fn is_fips() -> bool {
    provider().fips()
}

/// What a server needs that knows all of its clients by their certificates. `alpn` names the protocols that it speaks,
/// the preferred one first. A client that names only others is refused by TLS; over TCP one that names none is not, so
/// that whoever serves looks at what was agreed on.
pub fn server_config(
    own: Arc<HotIdentity>,
    clients: Arc<PeerVerifier>,
    clock: Arc<dyn Clock>,
    alpn: &[&[u8]],
) -> Result<ServerConfig, ConfigError> {
    let builder = server_builder(clock)?.with_client_cert_verifier(clients);
    Ok(finish_server(builder, own, alpn))
}

/// What a client needs that shows its certificate.
pub fn client_config(
    own: Arc<HotIdentity>,
    servers: Arc<PeerVerifier>,
    clock: Arc<dyn Clock>,
    alpn: &[&[u8]],
) -> Result<ClientConfig, ConfigError> {
    let builder = client_builder(clock)?.dangerous().with_custom_certificate_verifier(servers);
    Ok(finish_client(builder.with_client_cert_resolver(own), alpn))
}

/// What the enrolment service needs, whose clients have no certificate yet. It shows the root too, which clients hold
/// against the hash in their join token. Nothing but enrolment may be served here.
pub fn enrolment_server_config(
    own: Arc<HotIdentity>,
    root: CertificateDer<'static>,
    clock: Arc<dyn Clock>,
    alpn: &[&[u8]],
) -> Result<ServerConfig, ConfigError> {
    let builder = server_builder(clock)?.with_no_client_auth();
    Ok(finish_server(builder, Arc::new(WithRoot::new(own, root)), alpn))
}

/// What a host needs that has a join token and no certificate.
pub fn enrolment_client_config(
    servers: Arc<PinnedVerifier>,
    clock: Arc<dyn Clock>,
    alpn: &[&[u8]],
) -> Result<ClientConfig, ConfigError> {
    let builder = client_builder(clock)?.dangerous().with_custom_certificate_verifier(servers);
    Ok(finish_client(builder.with_no_client_auth(), alpn))
}

fn server_builder(clock: Arc<dyn Clock>) -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, ConfigError> {
    let builder = ServerConfig::builder_with_details(Arc::new(provider()), Arc::new(ClockTime(clock)));
    builder.with_protocol_versions(VERSIONS).map_err(|source| ConfigError { source })
}

fn client_builder(clock: Arc<dyn Clock>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, ConfigError> {
    let builder = ClientConfig::builder_with_details(Arc::new(provider()), Arc::new(ClockTime(clock)));
    builder.with_protocol_versions(VERSIONS).map_err(|source| ConfigError { source })
}

fn finish_server(
    builder: ConfigBuilder<ServerConfig, WantsServerCert>,
    own: Arc<dyn ResolvesServerCert>,
    alpn: &[&[u8]],
) -> ServerConfig {
    let mut config = builder.with_cert_resolver(own);
    config.alpn_protocols = protocols(alpn);
    config.max_early_data_size = 0;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config
}

fn finish_client(mut config: ClientConfig, alpn: &[&[u8]]) -> ClientConfig {
    config.alpn_protocols = protocols(alpn);
    config.enable_early_data = false;
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    config
}

fn protocols(alpn: &[&[u8]]) -> Vec<Vec<u8>> {
    alpn.iter().map(|protocol| protocol.to_vec()).collect()
}

/// The caller's clock, as rustls reads one. Before 1970 there is no time, and so no handshake.
struct ClockTime(Arc<dyn Clock>);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        unix(self.0.wall())
    }
}

impl fmt::Debug for ClockTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ClockTime")
    }
}
