//! The pure domain of Strongroom: ids, limits, time, records, trees, blobs, sealing, packs and manifests.
//!
//! Everything here is a function of its arguments. There is no socket, no file, no ambient clock and no ambient
//! randomness, so that every rule can be tested exhaustively and replayed from one seed.

pub mod blob;
pub mod codec;
pub mod digest;
pub mod entropy;
pub mod error;
pub mod frame;
pub mod id;
pub mod limits;
pub mod manifest;
pub mod merkle;
pub mod pack;
pub mod record;
pub mod seal;
pub mod time;
pub mod tree;
