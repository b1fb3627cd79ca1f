//! PostgreSQL 13 to 17 as a source and as a target.
//!
//! A capture reads one exported snapshot on several connections as `COPY` text, under settings that make text the same
//! everywhere, and takes with it what rows do not hold. It writes nothing, and gives up when others queue behind it.
//!
//! ```text
//!   source ─► open (locks, snapshot) ─► cut ─┬─ lanes: COPY text ─► rows
//!                                            └─ leader: catalogs ─► classes, facts, blobs
//!   target ─► staging or marked database ─► rows, definitions ─► verdict ─► swap by renames
//!   live   ─► one transaction: rows locked ─► written ─► read back ─► COMMIT
//! ```

mod blobs;
mod catalog;
mod classes;
mod copy;
mod cut;
mod driver;
mod endpoint;
mod facts;
mod fingerprint;
mod failure;
mod health;
mod inspect;
mod live;
mod marker;
mod names;
mod open;
mod options;
mod session;
mod socket;
mod source;
mod target;

pub(crate) use blobs::model::SequenceState;
pub use copy::read_copy_text;
pub use endpoint::Endpoint;
pub use inspect::{InspectedClass, InspectedLogin, PostgresInspection};
pub use live::PostgresLive;
pub(crate) use names::parse_parts;
pub use names::{class_name, parse_class_name};
pub use options::{Observer, OpenStep, PostgresOptions};
pub use source::PostgresSource;
pub use target::{DdlEntry, PostgresTarget, ddl_entries};
