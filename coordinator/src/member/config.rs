//! The settings of a member, with their reasons.

use crate::raft::Timing;

/// How a member works. All of it may differ between members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberConfig {
    /// The group's rhythm.
    pub timing: Timing,
    /// Length of a segment of the log: larger means fewer files, smaller that the log is shed sooner.
    pub segment_bytes: u64,
    /// Rows that may change before they are flushed: bounds memory and what is applied again after a crash.
    pub flush_rows_max: usize,
    /// Entries that may be applied before the state is flushed, even if few rows changed.
    pub flush_entries_max: u64,
    /// Ticks that changed rows may wait.
    pub flush_ticks_max: u32,
    /// Entries behind the newest flush that the log keeps, so that a member that was away for a moment needs no snapshot.
    pub log_entries_kept: u64,
    /// Bytes of entries above which the log keeps none of them.
    pub log_bytes_max: usize,
    /// Entries between two comparisons of the members' digests.
    pub digest_entries: u64,
    /// Ticks after which the end of a joint configuration is proposed again.
    pub joint_ticks_max: u32,
    /// Ticks for which a voter of a preferred region must have followed closely before leadership is handed over to it; a
    /// reign lasts twice as long at least.
    pub preference_ticks: u32,
    /// Ticks for which a copy of the state is kept for others who may need it.
    pub copy_ticks_max: u32,
}

impl MemberConfig {
    /// For members that reach each other within a few milliseconds, at ticks of 50 ms.
    pub const LAN: Self = Self {
        timing: Timing::LAN,
        segment_bytes: 16 * 1024 * 1024,
        flush_rows_max: 8_000,
        flush_entries_max: 4_000,
        flush_ticks_max: 2,
        log_entries_kept: 10_000,
        log_bytes_max: 64 * 1024 * 1024,
        digest_entries: 1_000,
        joint_ticks_max: 40,
        preference_ticks: 600,
        copy_ticks_max: 1_200,
    };
    /// For the only member of a group, which is opened for moments and lets no tick pass: a small log, and no entry kept
    /// for others.
    pub const ALONE: Self = Self { segment_bytes: 1024 * 1024, log_entries_kept: 0, ..Self::LAN };
    /// For members that are up to 200 ms apart, at ticks of 100 ms.
    pub const WAN: Self = Self { timing: Timing::WAN, ..Self::LAN };
}
