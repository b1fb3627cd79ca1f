//! A connection to another process of the installation, over TLS that proves both ends.

use std::io;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use strongroom_platform::tls::config::SERVER_NAME;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The address is none.
    #[error("not an address: {address}")]
    Address {
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
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    let endpoint = endpoint.map_err(|_| DialError::Address { address: address.to_owned() })?;
    let endpoint = endpoint.tcp_nodelay(true).http2_adaptive_window(true);
    let address = address.to_owned();
    let to = address.clone();
    let connector = service_fn(move |_: Uri| connect(to.clone(), Arc::clone(&tls)));
    endpoint.connect_with_connector(connector).await.map_err(|source| DialError::Connect { address, source })
}

async fn connect(
    address: String,
    tls: Arc<ClientConfig>,
) -> io::Result<TokioIo<tokio_rustls::client::TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
    Ok(TokioIo::new(TlsConnector::from(tls).connect(name, stream).await?))
}
