//! A backup: one capture, its packs, its manifest, and the cache's advance, in the one order that survives any crash.
//!
//! ```text
//!  capture ─► packs durable ─► pending ledger durable ─► manifest durable = committed ─► ledger, cache advance
//!                                        │
//!      next start: manifest there? ──────┴── yes: adopt the pending ledger, begin the cache anew · no: drop it
//! ```
//!
//! Nothing is acknowledged before the manifest is durable. An incomplete capture is committed as incomplete, never as
//! whole.

mod advance;
mod describe;
mod health;
mod job;
mod outlook;
mod record;

pub use job::{BackupError, BackupJob, BackupOutcome, backup, backup_telling, compare};
