//! The agent: runs beside a CMDB or catalog, takes consistent snapshots of it, and restores it.
//!
//! Agents seal and never open what left the host; they have no verb that deletes.

pub mod ledger;
pub mod repository;
pub mod sample;
pub mod shipment;
pub mod backup;
pub mod cache;
pub mod capture;
pub mod fingerprint;
pub mod postgres;
pub mod source;
pub mod sqlite;
pub mod target;
pub mod restore;
pub mod view;
