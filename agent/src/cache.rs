//! The agent's cache: what it remembers of the newest committed snapshot of one source, so that a scan stores only what
//! changed.
//!
//! ```text
//!   index  one value per leaf and node: keys, record digests, lineage     (sled; rebuildable)
//!   image  the newest tree's forms with the bases of their chains         (packs under the host's key)
//! ```
//!
//! The cache names the snapshot root that it describes and advances only once that snapshot is committed. Before a class
//! is compared, its root is recomputed from the index; unless it equals the committed one, the class is read as if
//! nothing were known. So a cache that is lost, stale, ahead or rolled back costs space, and never changes what a
//! restore yields.

mod compact;
pub mod entry;
pub mod image;
pub mod index;

pub use compact::{CompactError, compact, compact_if_grown};
pub use entry::{LeafEntry, NodeEntry};
pub use image::{Image, ImageError, ImageUpdate, ImageWriter};
pub use index::{ClassIndex, ClassWriter, Index, IndexError, IndexUpdate};
