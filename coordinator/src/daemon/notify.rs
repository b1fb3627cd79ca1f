//! What a member says to the service manager: the protocol of `sd_notify(3)`.
//!
//! One datagram a message, to the socket that the environment names. Without a socket nothing is said, and nobody is
//! missed: a message that can't be sent is dropped.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The way to the service manager.
#[derive(Debug, Default)]
pub struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// The way that `NOTIFY_SOCKET` and `WATCHDOG_USEC` name.
    pub fn new(socket: Option<&str>, watchdog_us: Option<&str>) -> Self {
        let address = socket.and_then(|name| match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(name).ok(),
        });
        let watchdog = watchdog_us.and_then(|text| text.parse().ok()).map(Duration::from_micros);
        Self { socket: UnixDatagram::unbound().ok().zip(address), watchdog }
    }

    /// How often the manager wants to hear that all is well: twice within its patience.
    pub fn beat(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.socket.is_some()).map(|patience| patience / 2)
    }

    /// It listens and can be asked.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// It is about to end.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// It does its work.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    fn say(&self, message: &str) {
        if let Some((socket, address)) = &self.socket {
            drop(socket.send_to_addr(message.as_bytes(), address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_what_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::new(path.to_str(), Some("10000000"));
        assert_eq!(notify.beat(), Some(Duration::from_secs(5)));
        notify.ready();
        notify.alive();
        let mut heard = [0; 64];
        for message in ["READY=1", "WATCHDOG=1"] {
            let len = manager.recv(&mut heard).unwrap();
            assert_eq!(&heard[..len], message.as_bytes());
        }
    }

    #[test]
    fn without_a_manager_nothing_is_said() {
        assert_eq!(Notify::new(None, Some("10")).beat(), None);
        Notify::new(Some("/there/is/no/such/socket"), None).ready();
    }
}
