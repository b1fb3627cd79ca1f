//! One direction between two members: a listener that carries what the one sends to the other, unless it is cut.
//!
//! A link that is cut loses nothing and says nothing: bytes wait, as on a wire whose far end is gone. Each direction of a
//! pair has a link of its own, since each member opens its own stream to the other.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Bytes that are carried at once.
const PIECE_BYTES: usize = 64 * 1024;

/// A direction between two members.
pub struct Link {
    /// Where the sender finds its way to the other.
    pub address: String,
    is_open: watch::Sender<bool>,
}

impl Link {
    /// A link to where a member listens.
    pub async fn new(to: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (is_open, open) = watch::channel(true);
        let to = to.to_owned();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, to.clone(), open.clone()));
            }
        });
        Ok(Self { address, is_open })
    }

    /// Cuts the link, or mends it.
    pub fn set(&self, is_open: bool) {
        self.is_open.send_replace(is_open);
    }
}

async fn carry(near: TcpStream, to: String, mut open: watch::Receiver<bool>) -> io::Result<()> {
    until_open(&mut open).await?;
    let far = TcpStream::connect(&to).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    // When one direction ends, so does the other: half a connection is of no use to anybody.
    tokio::select! {
        ended = pump(near_read, far_write, open.clone()) => ended,
        ended = pump(far_read, near_write, open) => ended,
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut open: watch::Receiver<bool>) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let len = from.read(&mut piece).await?;
        until_open(&mut open).await?;
        match piece.get(..len) {
            Some(read) if len > 0 => to.write_all(read).await?,
            _ => return Ok(()),
        }
    }
}

async fn until_open(open: &mut watch::Receiver<bool>) -> io::Result<()> {
    open.wait_for(|is_open| *is_open).await.map(|_| ()).map_err(|_| io::Error::other("the link is gone"))
}
