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
#[path = "conformance/files.rs"]
mod files;
#[path = "conformance/fixture.rs"]
mod fixture;
#[path = "support/noise.rs"]
mod noise;
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
macro_rules! checks {
    ($module:ident::$make:ident: $($group:ident [$($check:ident),* $(,)?]),* $(,)?) => {
        $($(#[test]
        fn $check() {
            crate::$module::$make(concat!(module_path!(), "::", stringify!($check)), |fixture| {
                crate::$group::$check(fixture);
            });
        })*)*
    };
}

/// What holds for sources of any kind.
macro_rules! any_source {
    ($module:ident::$make:ident) => {
        checks! {
            $module::$make: common [
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
            ]
        }
    };
}

/// What holds for sources of tables.
macro_rules! table_source {
    ($module:ident::$make:ident) => {
        any_source!($module::$make);
        checks! {
            $module::$make: tables [
                one_cut_while_others_commit,
                columns_keep_their_ids,
                a_class_that_changes_shape_is_read_as_it_was_or_not_at_all,
                values_of_all_sizes_come_back,
                names_may_hold_anything,
                a_keyless_class_keeps_equal_rows,
            ]
        }
    };
}

mod on_postgres {
    table_source!(postgres::with);
}

mod on_sqlite_in_wal_mode {
    table_source!(sqlite::with_wal);
}

mod on_sqlite_with_a_rollback_journal {
    table_source!(sqlite::with_rollback_journal);
}

mod on_files {
    any_source!(files::with);
}
