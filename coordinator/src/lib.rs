//! The group that decides: the catalogue, schedules, policy, placement, custody and failover of an installation.
//!
//! This package will own the replicated log and the state machine behind it. It will never hold the content of a record,
//! the value of a field, or a key. So far one process with one depot does without it.
