//! Ports for members that listen a little later.
//!
//! Owns the choice. A port that the system would pick by itself is one that an outgoing connection may be given before the
//! member gets to it; these lie below all of those.

use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// The first port, and how many there are; systems pick from 32,768 on, or from higher.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Holds a port of this machine that nobody listens at.
pub(crate) fn hold() -> io::Result<TcpListener> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run side by side begin at places of their own.
    let begin = u16::try_from(std::process::id().wrapping_mul(101) % u32::from(COUNT)).unwrap_or(0);
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..COUNT {
        let at = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        match TcpListener::bind(("127.0.0.1", FIRST + (begin + at) % COUNT)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}
