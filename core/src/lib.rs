//! The pure domain of Strongroom: ids, limits, time, records, trees, blobs, sealing, packs, manifests,
//! receipts, the graph of references, profiles, the audit log, contracts and the schedule that follows from them.
//!
//! Everything here is a function of its arguments. There is no socket, no file, no ambient clock and no ambient
//! randomness, so that every rule can be tested exhaustively and replayed from one seed.

pub mod limits;
pub mod error;
pub mod codec;
pub mod id;
pub mod entropy;
pub mod digest;
pub mod time;
pub mod record;
pub mod graph;
pub mod tree;
pub mod blob;
pub mod objects;
pub mod seal;
pub mod frame;
pub mod merkle;
pub mod pack;
pub mod manifest;
pub mod receipt;
pub mod profile;
pub mod audit;
pub mod contract;
pub mod schedule;
