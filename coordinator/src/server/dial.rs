//! A connection to another process of the installation, over TLS that proves both ends.
//!
//! Owns the last look before a connection is used: one that is meant for a member stands only if the other end has proven
//! to be that member, and not just one of them. So the key of one member opens no way into the place of another.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use strongroom_platform::tls::config::SERVER_NAME;
use strongroom_platform::tls::{PeerIdentity, Role, SpiffeId};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::engine::member_of;
use super::open::{Lasts, OpenConnections};
use crate::id::MemberId;

/// How long it may take until a connection stands and both ends are proven.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How often a silent connection is asked whether it is alive, and how long it may take to answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(5));

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The address is none.
    #[error("not an address: {address}")]
    Address {
        /// The address.
        address: String,
    },
    /// The other end does not answer.
    #[error("{address} does not answer")]
    Silent {
        /// The address.
        address: String,
    },
    /// The other end can't be reached, or is not who it should be.
    #[error("no connection to {address}")]
    Connect {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
}

/// Connects to `host:port`.
pub async fn dial(address: &str, tls: Arc<ClientConfig>) -> Result<Channel, DialError> {
    dial_through(address, move |to| connect(to, Arc::clone(&tls))).await
}

/// Connects to one member at `host:port`, and to nobody else who answers there.
pub async fn dial_member(member: MemberId, address: &str, tls: Arc<ClientConfig>) -> Result<Channel, DialError> {
    let connect = move |to| {
        let tls = Arc::clone(&tls);
        async move { connect_to(member, to, tls).await.map(|(stream, _)| TokioIo::new(stream)) }
    };
    dial_through(address, connect).await
}

/// Connects to one member, and closes the connection when that one may not stay any more.
pub async fn dial_member_watched(
    member: MemberId,
    address: &str,
    tls: Arc<ClientConfig>,
    open: Arc<OpenConnections>,
) -> Result<Channel, DialError> {
    let connect = move |to| {
        let (tls, open) = (Arc::clone(&tls), Arc::clone(&open));
        async move {
            let (stream, peer) = connect_to(member, to, tls).await?;
            Ok(TokioIo::new(open.watch(stream, peer, Lasts::WhileCertified)))
        }
    };
    dial_through(address, connect).await
}

/// Another member answers than the one that is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} answers where member {expected} is expected")]
struct OtherMember {
    found: SpiffeId,
    expected: MemberId,
}

/// A stream to a member, and who it has proven to be.
async fn connect_to(
    member: MemberId,
    address: String,
    tls: Arc<ClientConfig>,
) -> io::Result<(TlsStream<TcpStream>, PeerIdentity)> {
    let stream = connect(address, tls).await?.into_inner();
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let peer = PeerIdentity::of_connection(certificates).map_err(io::Error::other)?;
    // Region and trust domain are for the verifier; the number alone says which member it is, and is given once.
    if peer.id.role != Role::Coordinator || member_of(peer.id.subject.0) != Some(member) {
        return Err(io::Error::other(OtherMember { found: peer.id, expected: member }));
    }
    Ok((stream, peer))
}

/// Connects over streams that `connect` makes.
pub async fn dial_through<C, F, S>(address: &str, connect: C) -> Result<Channel, DialError>
where
    C: Fn(String) -> F + Send + 'static,
    F: Future<Output = io::Result<TokioIo<S>>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    let endpoint = endpoint.map_err(|_| DialError::Address { address: address.to_owned() })?;
    let endpoint = endpoint
        .tcp_nodelay(true)
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1)
        .keep_alive_while_idle(true);
    let address = address.to_owned();
    let to = address.clone();
    let connector = service_fn(move |_: Uri| connect(to.clone()));
    let connected = tokio::time::timeout(CONNECT_TIME_MAX, endpoint.connect_with_connector(connector)).await;
    match connected {
        Ok(connected) => connected.map_err(|source| DialError::Connect { address, source }),
        Err(_) => Err(DialError::Silent { address }),
    }
}

/// A stream to `host:port` whose ends are proven.
pub async fn connect(address: String, tls: Arc<ClientConfig>) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
    Ok(TokioIo::new(TlsConnector::from(tls).connect(name, stream).await?))
}
