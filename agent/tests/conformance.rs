//! What every source promises, asked of every source there is: one suite, and a fixture for each system.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too"
)]

#[path = "conformance/agent.rs"]
mod agent;
#[expect(dead_code, reason = "other tests ask more of a server")]
#[path = "support/cluster.rs"]
mod cluster;
#[path = "conformance/common.rs"]
mod common;
#[expect(dead_code, reason = "the engine's own tests ask more of a depot")]
#[expect(clippy::cast_possible_truncation, reason = "numbers of frames and slots are small")]
#[path = "engine/depot.rs"]
mod depot;
#[path = "conformance/fixture.rs"]
mod fixture;
#[expect(dead_code, reason = "no corpus is needed here")]
#[path = "support/not_run.rs"]
mod not_run;
#[path = "conformance/postgres.rs"]
mod postgres;
#[path = "conformance/reading.rs"]
mod reading;
#[path = "conformance/sqlite.rs"]
mod sqlite;
#[path = "conformance/tables.rs"]
mod tables;

/// The tests of one source: each check of the named groups, on a fixture made anew.
macro_rules! conformance {
    ($($source:ident by $module:ident::$make:ident: $($group:ident [$($check:ident),* $(,)?]),* ;)*) => {
        $(mod $source {
            $($(#[test]
            fn $check() {
                crate::$module::$make(concat!(stringify!($source), "::", stringify!($check)), |fixture| {
                    crate::$group::$check(fixture);
                });
            })*)*
        })*
    };
}

macro_rules! table_sources {
    ($($source:ident by $module:ident::$make:ident;)*) => {
        conformance! {
            $($source by $module::$make:
                common [
                    a_cut_describes_itself,
                    every_record_comes_once_over_all_parts_and_lanes,
                    everything_comes_back,
                    nothing_changes_between_equal_snapshots,
                    a_change_is_seen,
                    an_empty_source_is_a_source,
                    reading_ends_when_it_is_told_to,
                    a_cut_that_ends_holds_nothing,
                    a_capture_writes_nothing,
                    what_is_not_there_is_refused,
                ],
                tables [
                    one_cut_while_others_commit,
                    columns_keep_their_ids,
                    a_class_that_changes_shape_is_read_as_it_was_or_not_at_all,
                    values_of_all_sizes_come_back,
                    names_may_hold_anything,
                    a_keyless_class_keeps_equal_rows,
                ];
            )*
        }
    };
}

table_sources! {
    on_postgres by postgres::with;
    on_sqlite_in_wal_mode by sqlite::with_wal;
    on_sqlite_with_a_rollback_journal by sqlite::with_rollback_journal;
}
