//! The pack store of one site.
//!
//! ```text
//!   agent ──packs, manifests──►  Depot ──► Backend ──► Disk            writes, in the order of DESIGN §5
//!                                  ▲
//!   reader ──object id──► Index ───┘                                    derived: rebuilt from packs when lost
//!             │             hint → pack, frame, slot
//!             └──► cache of opened frames (bounded)           store: the objects of one snapshot, ids recomputed
//!
//!   verify: heads → packs there, of the right size, with a footer that opens     scrub: every byte, no key
//! ```
//!
//! A depot holds packs, manifests and keyrings, and a file that says what it is; nothing else lies in its folder. It
//! can't open what it stores: whoever reads brings the keys. Packs and manifests are written once; no verb of this
//! package changes or removes one.

pub mod backend;
mod depot;
mod format;
pub mod index;
mod opened;
pub mod reader;
pub mod store;
#[cfg(test)]
mod testing;
pub mod verify;

pub use depot::{Depot, DepotError, PackUpload};
pub use format::{DepotFormat, FormatError};
pub use opened::OpenDepot;
