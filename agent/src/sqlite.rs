//! SQLite 3: a source and a target.
//!
//! Owns every call into SQLite that captures or restores a database. The source opens the file read-only and reads all
//! classes in one read transaction; it never copies the file, since a copy without its write-ahead log lacks what was
//! committed last. The target loads into a new file beside the target and gives it the target's name at the end.
//!
//! ```text
//!  source   open read-only ─► BEGIN, first SELECT ─► catalog ─► classes, one after another ─► blobs ─► COMMIT
//!  target   PATH.strongroom-TOKEN: tables ─► rows ─► indexes, views, triggers ─► check ─► sync ─► link, rename
//!  live     BEGIN IMMEDIATE ─► rows read ─► rows written ─► rows read back ─► COMMIT
//! ```
//!
//! **One snapshot, one connection.** A second connection can't join a read transaction of the first, so lanes take
//! turns on one connection: reading from several threads is correct, and no faster.
//!
//! **Locks.** In WAL mode, readers and writers do not meet. With a rollback journal, a writer can't commit while the
//! cut is open; how long that was is reported when it closes.
//!
//! **What is a class.** Every table that stores rows: ordinary, WITHOUT ROWID, STRICT, and the shadow tables in which
//! virtual tables keep their content. A virtual table itself is restored by its definition alone. `sqlite_sequence` is
//! a blob, `sqlite_stat*` are left out and made again.
//!
//! **Values.** Each value keeps its storage class. Text is taken as the bytes that the file holds, valid UTF-8 or not.
//! In a UTF-16 database text is held as UTF-8, and unpaired surrogates as the three bytes that UTF-8 would give them.
//!
//! **Keys.** INTEGER PRIMARY KEY; a declared primary key, or else a unique index over NOT NULL columns, provided that
//! no row has NULL in it. Row numbers are no keys: VACUUM renumbers.

mod catalog;
mod checks;
mod connect;
mod cut;
mod findings;
mod insert;
mod inspect;
mod keys;
mod live;
mod load;
mod location;
mod native;
mod occupancy;
mod publish;
mod quote;
mod schema;
mod staging;
mod target;
mod wide;

pub use cut::SqliteSource;
pub use inspect::{InspectedClass, SqliteInspection};
pub use live::SqliteLive;
pub use location::SqliteLocation;
pub use native::{DdlObject, Pragmas, parse_ddl};
pub use target::SqliteTarget;
