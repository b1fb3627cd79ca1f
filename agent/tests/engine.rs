//! The engine from rows to packs and back, over generated sources: what must hold whatever the engine of the source.
#![expect(clippy::pedantic, reason = "tests read better without")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "the helpers of tests are tests too")]

#[path = "support/copy_dir.rs"]
mod copy_dir;
#[path = "engine/depot.rs"]
mod depot;
#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/host.rs"]
mod host;
#[path = "engine/properties.rs"]
mod properties;
#[path = "engine/references.rs"]
mod references;
#[path = "engine/table.rs"]
mod table;
