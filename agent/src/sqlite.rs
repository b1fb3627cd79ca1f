//! SQLite 3: a source and a target.
//!
//! Owns every call into SQLite that captures or restores a database. The source opens the file read-only and reads all
//! classes in one read transaction; it never copies the file, since a copy without its write-ahead log lacks what was
//! committed last. The target loads into a new file beside the target and gives it the target's name at the end.
//!
//! ```text
//!  source   open read-only ─► [VACUUM INTO a copy] ─► lanes BEGIN, first SELECT ─► catalog ─► classes ─► COMMIT
//!  target   PATH.strongroom-TOKEN: tables ─► rows ─► indexes, views, triggers ─► check ─► sync ─► link, rename
//!  live     BEGIN IMMEDIATE ─► rows read ─► rows written ─► rows read back ─► COMMIT
//! ```
//!
//! **One state, several lanes.** Lanes read side by side where it can be proven that they see the same state; large
//! tables are read in ranges of their row numbers.
//!
//! **Locks.** In WAL mode, readers and writers do not meet; a log that grows while the cut stands is watched. With a
//! rollback journal, a writer can't commit while somebody reads: so a copy is made where there is a folder for it, and
//! read instead. How long writers had to wait is reported.
//!
//! **What is a class.** Every table that stores rows: ordinary, WITHOUT ROWID, STRICT, and the shadow tables in which
//! virtual tables keep their content. A virtual table itself is restored by its definition alone. `sqlite_sequence` is
//! a blob, `sqlite_stat*` are left out and made again.
//!
//! **Values.** Each value keeps its storage class. Text is taken as the bytes that the file holds, valid UTF-8 or not.
//! In a UTF-16 database text is held as UTF-8, and unpaired surrogates as the three bytes that UTF-8 would give them.
//!
//! **Keys.** INTEGER PRIMARY KEY; a declared primary key, or else a unique index over NOT NULL columns, provided that
//! no row has NULL in it. Row numbers are no keys, since VACUUM renumbers, unless a search index counts on them.

mod catalog;
mod checks;
mod connect;
mod copy;
mod cut;
mod findings;
mod insert;
mod inspect;
mod keys;
mod lanes;
mod live;
mod load;
mod location;
mod native;
mod occupancy;
mod plan;
mod publish;
mod quote;
mod rows;
mod schema;
mod source;
mod staging;
mod target;
mod wal;
mod wide;

pub use checks::{BrokenReferences, broken_references};
pub use inspect::{InspectedClass, SqliteInspection};
pub use live::SqliteLive;
pub use location::SqliteLocation;
pub use native::{DdlObject, Pragmas, parse_ddl};
pub use source::SqliteSource;
pub use target::SqliteTarget;
