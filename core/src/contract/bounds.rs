//! Every bound of a contract, each with its reason, and the values of what is left unsaid.
//!
//! The bounds keep arithmetic and lists small. What is sensible below them is for the person who promises.

const DAY_S: u64 = 24 * 60 * 60;

/// Below a minute no run would end before the next is due.
pub(super) const RPO_S: (u64, u64) = (60, 366 * DAY_S);

/// A minute is less than any restore takes; after a quarter of a year nobody waits for one.
pub(super) const RTO_S: (u64, u64) = (60, 92 * DAY_S);

/// Four weeks between two runs: longer promises are archives, not backups.
pub(super) const EVERY_MINUTES: (u64, u64) = (1, 28 * 24 * 60);

/// A slot each quarter of an hour; whoever needs more writes the cadence in minutes.
pub(super) const SLOTS_MAX: usize = 96;

/// Windows of one contract: some for each day of a week.
pub(super) const WINDOWS_MAX: usize = 32;

/// Blackouts of one contract: a few years of releases and closings.
pub(super) const BLACKOUTS_MAX: usize = 64;

/// One absolute blackout: a quarter of a year. Whoever means longer pauses the source, which is seen.
pub(super) const BLACKOUT_S_MAX: i64 = 92 * 24 * 60 * 60;

/// Jurisdictions of one contract: the largest named lists of countries have some thirty.
pub const JURISDICTIONS_MAX: usize = 64;

/// Copies of one pack: more than anybody has depots in different places, and half of what the catalogue can follow, so
/// that all of them can move at once.
pub const COPIES_MAX: u8 = 8;

pub(super) const COPIES: (u64, u64) = (1, COPIES_MAX as u64);

/// A run of two weeks is a source that needs another way of capture.
pub(super) const RUN_MINUTES: (u64, u64) = (1, 14 * 24 * 60);

/// Spreading over more than a quarter of a day would hide when a run is due.
pub(super) const JITTER_S: (u64, u64) = (0, 6 * 60 * 60);

/// Steps between the first and the last in a queue.
pub(super) const PRIORITY: (u64, u64) = (0, 100);

/// Starts of one period. What failed so often needs a human.
pub(super) const ATTEMPTS: (u64, u64) = (1, 20);

/// A wait shorter than this lets a source that fails at once come before all that wait beside it.
pub(super) const BACKOFF_BASE_S: (u64, u64) = (10, DAY_S);

/// A week: no back-off outlasts the people who look into the cause.
pub(super) const BACKOFF_MAX_S: (u64, u64) = (10, 7 * DAY_S);

/// Ten years of days.
pub(super) const DAILY: (u64, u64) = (0, 3660);

/// Ten years of weeks.
pub(super) const WEEKLY: (u64, u64) = (0, 522);

/// A hundred years of months.
pub(super) const MONTHLY: (u64, u64) = (0, 1200);

/// A hundred years.
pub(super) const YEARLY: (u64, u64) = (0, 100);

/// A hundred years of days.
pub(super) const DAYS_MIN: (u64, u64) = (0, 36_525);

/// Four hours: longer than a full scan of the sources that were measured.
pub(super) const fn run_minutes_default() -> u32 {
    240
}

/// The middle, so that there is room on both sides.
pub(super) const fn priority_default() -> u8 {
    50
}
