//! A tree of files: a source and a target.
//!
//! Owns every call that reads a captured tree or writes a restored one. Configuration, media and plugins are what it is
//! for: the files that a CMDB needs beside its database.
//!
//! ```text
//!  source   root ─► walk, link by link never followed ─► stable content ─► entry, and its pieces if it is long
//!  target   PATH.strongroom-TOKEN: entries and pieces in key order ─► folders' times ─► sync ─► rename
//! ```
//!
//! **One class.** `files` has a record for each entry, by its path below the root and piece 0. A file up to
//! 256 KiB carries its content; a longer one is cut by its content, under the source's key, and
//! each different piece is a record under the file's path and the piece's digest. So an inserted line moves no other
//! piece, and no file is ever held in memory. Paths are bytes.
//!
//! **Consistency.** A file system has no snapshot that everybody offers, so each file is consistent in itself and no
//! more: it is read until nothing changed while it was read, twice at most, from a copy on the spool if it is long. What
//! did not hold still, or can't be read, has no record at all and is named in a finding that makes the snapshot
//! incomplete. Of the names of one file the first that can be read carries the content, and the others say so: none of
//! them ever points at a name that has no record.
//!
//! **Nothing escapes.** Folders are opened name by name from the root and links are never followed, neither when a tree
//! is read nor when one is written; a record whose path would lead out of the root refuses the restore.

mod build;
mod content;
mod cut;
mod entry;
mod findings;
mod links;
mod load;
mod location;
mod owners;
mod path;
mod place;
mod pieces;
mod read;
mod record;
mod source;
mod target;
mod walk;
mod xattrs;

pub use location::FilesLocation;
pub use pieces::{Digest, Piece, parse as parse_pieces, put as put_piece};
pub use record::path_of_record;
pub use source::FilesSource;
pub use target::FilesTarget;
pub use xattrs::{Attribute, parse as parse_xattrs};
