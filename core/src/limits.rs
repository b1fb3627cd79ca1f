//! Every bound of the formats and of the engine, each with its reason.
//!
//! A bound that a reader enforces is part of the format: raising one is a new format version.

/// Values longer than this stand in the record as the id of a blob, so that a leaf stays near its target size.
pub const VALUE_INLINE_BYTES_MAX: usize = 1024;

/// A record holds at most this many columns. PostgreSQL allows 1,600 and SQLite 32,767.
pub const RECORD_COLUMNS_MAX: usize = 32_768;

/// One encoded record without its blobs: the widest table of the widest engine at the inline bound.
pub const RECORD_BYTES_MAX: usize = RECORD_COLUMNS_MAX * (VALUE_INLINE_BYTES_MAX + 16);

/// An encoded key. Key columns are never moved out of the record, so this bounds them.
pub const KEY_BYTES_MAX: usize = 1 << 20;

/// The size that a full leaf aims at, before compression.
pub const LEAF_BYTES_TARGET: u64 = 32 * 1024;

/// Fewest records that a class may aim at per leaf: below it the window of a border has no room to choose in.
pub const LEAF_RECORDS_TARGET_MIN: u32 = 8;

/// Most records that a class may aim at per leaf: bounds what one changed record makes a reader decode.
pub const LEAF_RECORDS_TARGET_MAX: u32 = 1024;

/// Records that a leaf can hold: the upper end of the widest window.
pub const LEAF_RECORDS_MAX: usize = (LEAF_RECORDS_TARGET_MAX + LEAF_RECORDS_TARGET_MAX / 2) as usize;

/// The records of a leaf, uncompressed: what its full form may hold, and again as much for the heads of its cells. A delta
/// does one operation to all records of its base, so the length of a form does not bound this.
pub const LEAF_RECORD_BYTES_MAX: usize = 2 * OBJECT_BYTES_MAX;

/// The number of children that an inner node aims at.
pub const NODE_CHILDREN_TARGET: u32 = 128;

/// Children that a node can hold: the upper end of the widest window that parameters may ask for.
pub const NODE_CHILDREN_MAX: usize = 4096 + 4096 / 2;

/// Levels of inner nodes that a reader follows. With at least 64 children a node, eight levels hold more records than
/// any disk.
pub const TREE_LEVELS_MAX: u8 = 8;

/// Forms in one delta chain. The base-4 rule needs at most three a digit, so this covers 4^21 generations.
pub const CHAIN_FORMS_MAX: usize = 64;

/// Forms that a reader looks at for one part before it gives up: short names collide by chance once in a blue moon, and
/// by malice as often as somebody likes.
pub const PART_FORMS_MAX: usize = 1024;

/// Plaintext that a search for one part opens before it gives up: a part that came back to the same content each hour
/// for seven years has so many forms, each in a frame of the usual size.
pub const PART_OPENED_BYTES_MAX: u64 = 8 << 30;

/// Places that a reader looks at under one short name, for the same reason; bounds the memory of their list.
pub const PART_PLACES_MAX: usize = 1 << 16;

/// Records of leaves that a reader keeps at hand, since a leaf is often the base of the next: some hundreds of the usual
/// size.
pub const LEAVES_KEPT_BYTES_MAX: usize = 32 << 20;

/// A delta larger than this share of the full form is not worth its chain, in percent.
pub const DELTA_PERCENT_MAX: usize = 60;

/// Parts share a frame until it holds this much, before compression. The frame is the sealed unit. A reader refuses a
/// longer one with more than one object: an object takes two bytes at least, so this bounds their number, too.
pub const FRAME_BYTES_TARGET: usize = 128 * 1024;

/// A single object, and so a frame that holds one alone, before compression.
pub const OBJECT_BYTES_MAX: usize = 64 << 20;

/// A pack is closed when its frames reach this size.
pub const PACK_BYTES_TARGET: u64 = 64 << 20;

/// Blobs up to this size are one object; longer ones are cut into chunks.
pub const BLOB_WHOLE_BYTES_MAX: usize = 64 * 1024;

/// Smallest, aimed-at and largest chunk of a longer blob.
pub const CHUNK_BYTES_MIN: u32 = 16 * 1024;
/// The size that chunks of a blob aim at.
pub const CHUNK_BYTES_TARGET: u32 = 64 * 1024;
/// No chunk of a blob is longer than this.
pub const CHUNK_BYTES_MAX: u32 = 256 * 1024;

/// A blob that is given out in one piece: the longest value of SQLite. PostgreSQL's end at half of that, and trees of
/// files come in pieces.
pub const BLOB_VALUE_BYTES_MAX: u64 = (2 << 30) - 1;

/// The schemas of all classes of a snapshot, as JSON: a thousand bytes for each of 65,536 classes.
pub const SCHEMAS_BYTES_MAX: u64 = 64 << 20;

/// A manifest's sealed body, before compression.
pub const MANIFEST_BODY_BYTES_MAX: usize = 64 << 20;

const _: () = assert!(CHUNK_BYTES_MIN < CHUNK_BYTES_TARGET && CHUNK_BYTES_TARGET < CHUNK_BYTES_MAX);
const _: () = assert!(RECORD_BYTES_MAX <= OBJECT_BYTES_MAX);
const _: () = assert!(LEAF_RECORDS_TARGET_MIN >= 4 && LEAF_RECORDS_TARGET_MIN < LEAF_RECORDS_TARGET_MAX);

/// A frame's plaintext: one object of the greatest length with its kind and length.
pub const FRAME_PLAIN_BYTES_MAX: usize = OBJECT_BYTES_MAX + 16;

/// Frames of one pack. A pack of the target size has some thousands.
pub const PACK_FRAMES_MAX: usize = 1 << 20;

/// Objects of one pack: bounds the memory that its directory takes. Writers begin a new pack before that.
pub const PACK_OBJECTS_MAX: usize = 1 << 20;

/// The directory of a pack, before compression: a byte of kind and six of hint an object, and three varints a frame.
pub const PACK_FOOTER_BYTES_MAX: usize = 10 + PACK_FRAMES_MAX * 3 * 5 + PACK_OBJECTS_MAX * 7;

const _: () = assert!(FRAME_BYTES_TARGET <= OBJECT_BYTES_MAX);
