//! Whole handshakes in memory, and everything that must not get through one.

mod forged;
mod handshake;
mod hostile;
mod lifetime;
mod requests;
mod secrets;
mod world;
