//! The agent: runs beside a CMDB or catalog, takes consistent snapshots of it, and restores it.
//!
//! ```text
//!  system ─► source ─► capture ─► shipment ─► repository        backup: all of these, in the order that survives
//!    ▲    sqlite, postgres,│ ▲                    │             any crash; the ledger remembers what was committed
//!    │    files            ▼ │                    ▼
//!    │                    cache                 depot ─► view   a snapshot, opened with the room's keys
//!    │                                                    │
//!    ├────────── target ◄──────────────────── restore ◄───┤     its verdict reads the target back as a source
//!    └────────── live ◄────────────────────── partial ◄───┘     single records, planned and undone
//! ```
//!
//! `orders` keeps the stream to the coordinator's leader, over which runs are ordered. Agents seal and never open what left the host; they have no verb that deletes.

pub mod source;
pub mod profile;
pub mod fingerprint;
pub mod target;
pub mod sqlite;
pub mod postgres;
pub mod files;
pub mod repository;
pub mod shipment;
pub mod capture;
pub mod cache;
pub mod ledger;
pub mod backup;
pub mod view;
pub mod restore;
pub mod integrity;
pub mod live;
pub mod partial;
pub mod sample;
pub mod orders;
